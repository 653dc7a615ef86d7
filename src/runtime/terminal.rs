//! Terminals for the floor above: reading by offset, typing, the size.
//!
//! Never a byte that is not in the process's log, and never one twice.

use tokio::sync::watch;

use crate::domain::{Incarnation, Result, SessionId};

use super::agent::{Keys, Resize};
use super::facade::LogSlice;
use super::feed::{ReadTty, TtyNews};
use super::handle::{Runtime, ask};
use super::log;
use super::tty::TtyMark;

impl Runtime {
    /// Bytes of a terminal from `offset` on, at most `limit`: from the last ones that are held,
    /// or from the log. Without bytes at the end.
    ///
    /// # Errors
    /// `not_found` when there is no such log (any more).
    pub async fn tty(
        &self,
        id: SessionId,
        (incarnation, offset): (Incarnation, u64),
        limit: usize,
    ) -> Result<LogSlice> {
        let handles = self.wake(id).await?;
        let read = ReadTty {
            incarnation,
            offset,
            limit,
        };
        if let Some(bytes) = ask(&handles.feed, read).await? {
            let len = offset.saturating_add(u64::try_from(bytes.len()).unwrap_or(0));
            return Ok(LogSlice {
                incarnation: incarnation.0,
                offset,
                base: 0,
                len,
                bytes,
            });
        }
        self.log(id, Some(incarnation.0), offset, limit).await
    }

    /// Raw output of an incarnation (the latest when `None`), at most `limit` bytes.
    ///
    /// # Errors
    /// `not_found` when there is no such log (any more).
    pub async fn log(
        &self,
        id: SessionId,
        incarnation: Option<u64>,
        offset: u64,
        limit: usize,
    ) -> Result<LogSlice> {
        log::read(self.shared(), (id, incarnation), offset, limit).await
    }

    /// Tells of more bytes; closes when the feed is being replaced.
    ///
    /// # Errors
    /// `not_found`, `restarting`.
    pub async fn tty_news(&self, id: SessionId) -> Result<watch::Receiver<TtyMark>> {
        let handles = self.wake(id).await?;
        ask(&handles.feed, TtyNews).await
    }

    /// Types at a terminal. It is handed to the keeper when this returns; a program that reads
    /// nothing for megabytes loses what comes then, as at any terminal.
    ///
    /// # Errors
    /// `no_process`, `no_terminal`.
    pub async fn type_in(&self, id: SessionId, bytes: Vec<u8>) -> Result<()> {
        self.open()?;
        let handles = self.wake(id).await?;
        ask(&handles.agent, Keys(bytes)).await?
    }

    /// Gives a terminal a new size, in characters.
    ///
    /// # Errors
    /// `no_process`, `no_terminal`.
    pub async fn resize(&self, id: SessionId, (rows, cols): (u16, u16)) -> Result<()> {
        let handles = self.wake(id).await?;
        ask(&handles.agent, Resize { rows, cols }).await?
    }
}
