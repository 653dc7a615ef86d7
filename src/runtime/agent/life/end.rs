//! The end of an incarnation: what a dead keeper left is read, and the session is told.
//!
//! Never lets the keeper go before the session has the end in its rows.

use std::path::PathBuf;

use crate::domain::Timestamp;
use crate::keeper::{self, ExitRecord, InputState};

use super::super::super::clock;
use super::super::super::session::{Ending, Exited};
use super::super::launch;
use super::{Life, Session_};
use crate::crash;

/// Bytes of a dead keeper's log that are read at once.
const READ: usize = 64 * 1024;

impl Life {
    /// The keeper is dead: reads the rest of its log, ends what is left of its tree, tells the end.
    pub(super) async fn bury(mut self, session: Session_<'_>) -> Option<Self> {
        crash::point("agent.bury");
        let log = self.dir.log();
        loop {
            let chunk = log.read(self.seen(), READ).await;
            match chunk {
                Ok(chunk) if !chunk.bytes.is_empty() => {
                    self = self.data(chunk.offset, &chunk.bytes, session).await?;
                }
                Ok(_) => break,
                Err(error) => {
                    tracing::warn!(%error, incarnation = %self.incarnation, "the log of a dead keeper cannot be read");
                    break;
                }
            }
        }
        let dir = self.dir.clone();
        let exit = tokio::task::spawn_blocking(move || {
            if let Some(record) = dir.record() {
                keeper::sweep(&dir, &record);
            }
            dir.exit()
        });
        let exit = exit.await.ok().flatten();
        self.ended(exit, session).await
    }

    pub(super) async fn ended(
        mut self,
        record: Option<ExitRecord>,
        session: Session_<'_>,
    ) -> Option<Self> {
        let mut outputs = Vec::new();
        let rest = std::mem::take(&mut self.rest);
        self.codec.finish(&rest, &mut outputs);
        self.offset = self
            .offset
            .saturating_add(u64::try_from(rest.len()).unwrap_or(0));
        let handed_over =
            self.input
                .as_ref()
                .is_some_and(|id| match self.dir.input_state(id.as_bytes()) {
                    InputState::None => false,
                    InputState::Accepted | InputState::Written | InputState::Unknown => true,
                });
        let incarnation = self.incarnation;
        let last_word = match record {
            Some(_) => None,
            None => last_word(self.dir.path().to_owned()).await,
        };
        let ending = ending(record, (self.pid, self.offset), last_word);
        let this = self.commit(outputs, None, session).await?;
        crash::point("exit_before_commit");
        let told = session
            .send(Exited {
                incarnation,
                ending,
                handed_over,
            })
            .await;
        crash::point("exit_after_commit");
        if matches!(told, Ok(Ok(()))) {
            if let Some(writer) = &this.writer {
                let _acknowledged = writer.exit_ack().await;
            }
            launch::forget(this.place.clone()).await;
        }
        None
    }
}

/// When a keeper that is lost wrote last: the time after it is nobody's.
async fn last_word(dir: PathBuf) -> Option<Timestamp> {
    let looking = tokio::task::spawn_blocking(move || {
        let written = std::fs::read_dir(dir)
            .ok()?
            .filter_map(|entry| entry.ok()?.metadata().ok()?.modified().ok())
            .max()?;
        let since = written.duration_since(std::time::UNIX_EPOCH).ok()?;
        i64::try_from(since.as_millis()).ok().map(Timestamp)
    });
    looking
        .await
        .ok()
        .flatten()
        .filter(|at| *at <= clock::now())
}

/// `last_word`: when a keeper that is lost wrote last.
fn ending(
    record: Option<ExitRecord>,
    (pid, log_len): (u32, u64),
    last_word: Option<Timestamp>,
) -> Ending {
    let pid = (pid != 0).then_some(pid);
    match record {
        Some(record) => Ending {
            pid,
            code: record.code,
            signal: record.signal,
            core: record.core,
            oom: record.oom,
            by: record.by,
            at: Timestamp(i64::try_from(record.at_ms).unwrap_or(i64::MAX)),
            log_len: record.log_len,
            stderr_tail: record.stderr_tail.lines().map(str::to_owned).collect(),
            keeper_lost: false,
            told: None,
        },
        None => Ending {
            pid,
            at: last_word.unwrap_or_else(clock::now),
            log_len,
            keeper_lost: true,
            ..Ending::default()
        },
    }
}
