//! The database at the start: a server that is not up yet is waited for, as after a start of the machine.
//!
//! Never waits for what another try cannot mend: a wrong password, another server, a newer schema.

use std::time::Duration;

use tokio::time::Instant;

use super::error::BootError;
use super::secrecy;
use crate::config::DatabaseUrl;
use crate::store::Store;

/// How long a server that does not answer is waited for, and the pause between two tries.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_secs(2);

/// Opens the database.
///
/// # Errors
/// [`BootError::Database`].
pub async fn open(url: DatabaseUrl) -> Result<Store, BootError> {
    within(url, PATIENCE).await
}

async fn within(url: DatabaseUrl, patience: Duration) -> Result<Store, BootError> {
    let begun = Instant::now();
    loop {
        let address = url.clone();
        let opened = tokio::task::spawn_blocking(move || Store::open(address.expose()));
        let error = match opened.await.map_err(BootError::fault)? {
            Ok(store) => return Ok(store),
            Err(error) => error,
        };
        let waits = url.is_server() && error.is_absence();
        if !waits || begun.elapsed() >= patience {
            return Err(secrecy::unopened(&error));
        }
        let why = secrecy::unopened(&error);
        let left_s = patience.saturating_sub(begun.elapsed()).as_secs();
        tracing::warn!(%why, left_s, "the server of the database is waited for");
        tokio::time::sleep(PAUSE.min(patience)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_that_is_not_there_is_waited_for_and_a_bad_address_is_not() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let url = DatabaseUrl::from(format!("postgres://a:b@127.0.0.1:{port}/none").as_str());
        let patience = Duration::from_millis(300);
        let begun = Instant::now();
        let error = within(url, patience).await.unwrap_err().to_string();
        assert!(begun.elapsed() >= patience, "it does not wait: {error}");
        assert!(error.contains("refused"), "{error}");

        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a-file");
        std::fs::write(&file, "x").unwrap();
        let below = file.join("rows");
        let url = DatabaseUrl::from(below.to_str().unwrap());
        let begun = Instant::now();
        assert!(within(url, Duration::from_secs(60)).await.is_err());
        assert!(begun.elapsed() < Duration::from_secs(30));
    }
}
