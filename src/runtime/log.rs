//! Raw output logs of incarnations, for people and for terminals.
//!
//! Never through the keeper: the files say everything.

use crate::domain::{Error, Result, SessionId};
use crate::keeper::Dir;

use super::context::Shared;
use super::facade::LogSlice;
use super::halt::latest;

/// See [`super::Runtime::log`].
pub(super) async fn read(
    shared: &Shared,
    (id, incarnation): (SessionId, Option<u64>),
    offset: u64,
    limit: usize,
) -> Result<LogSlice> {
    let newest = latest(shared, id);
    let dir = match incarnation {
        Some(number) => Some(Dir::new(&shared.keepers, id.0, number)),
        None => newest,
    };
    let missing = || Error::not_found("log", id);
    let dir = dir.filter(|dir| dir.path().is_dir()).ok_or_else(missing)?;
    let number = dir
        .path()
        .file_name()
        .and_then(|name| name.to_str()?.parse().ok());
    let reader = dir.log();
    let unreadable =
        |error: std::io::Error| Error::unavailable("log_unreadable", error.to_string());
    let (base, len) = {
        let reader = reader.clone();
        let figures = tokio::task::spawn_blocking(move || Ok((reader.base()?, reader.length()?)));
        figures
            .await
            .map_err(Error::internal)?
            .map_err(unreadable)?
    };
    let chunk = reader
        .read(offset.max(base), limit)
        .await
        .map_err(unreadable)?;
    Ok(LogSlice {
        incarnation: number.unwrap_or_default(),
        offset: chunk.offset,
        base,
        len,
        bytes: chunk.bytes,
    })
}
