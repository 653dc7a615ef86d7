//! What an incarnation says, from its log's bytes to committed events, and what is then written
//! back to it.
//!
//! Never takes bytes from the rest that the codec has not understood, except at a gap in the log.

use crate::domain::{EventKind, Progress};
use crate::drivers::{MAX_UNIT_BYTES, Output};

use super::super::super::session::{CaughtUp, Cause, Decode};
use super::super::launch;
use super::super::outbox::Item;
use super::super::snapshot;
use super::{Life, Session_, speech};
use crate::crash;

/// Most decoded bytes without an event before they are committed all the same.
const QUIET_BYTES: u64 = 256 * 1024;
/// Most outputs in one commit; the codec is asked again for the rest.
const MAX_OUTPUTS: usize = 2_000;

impl Life {
    pub(super) async fn data(
        mut self,
        at: u64,
        bytes: &[u8],
        session: Session_<'_>,
    ) -> Option<Self> {
        self.show(at, bytes).await;
        let mut outputs = Vec::new();
        let end = self.seen();
        if at > end {
            outputs.push(gap(end, at));
            self.rest.clear();
            self.offset = at;
        }
        let known = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX);
        self.rest
            .extend_from_slice(bytes.get(known.min(bytes.len())..).unwrap_or_default());
        loop {
            let took = self.decode(&mut outputs);
            let (before, behind) = speech::part(&mut outputs);
            self.say(before).await;
            let quiet = self.offset.saturating_sub(self.committed);
            if !outputs.is_empty() || quiet >= QUIET_BYTES {
                self = self
                    .commit(std::mem::take(&mut outputs), None, session)
                    .await?;
            }
            self.say(behind).await;
            if !took {
                return Some(self);
            }
        }
    }

    /// Lets the codec take what it can, at most one commit's worth. Whether it took anything.
    fn decode(&mut self, outputs: &mut Vec<Output>) -> bool {
        let mut taken = 0_usize;
        while outputs.len() < MAX_OUTPUTS {
            let left = self.rest.get(taken..).unwrap_or_default();
            let offered = left
                .get(..left.len().min(MAX_UNIT_BYTES))
                .unwrap_or_default();
            if offered.is_empty() {
                break;
            }
            let count = self.codec.decode(offered, outputs);
            if count == 0 {
                break;
            }
            taken = taken.saturating_add(count);
        }
        let piece = |output: &Output| matches!(output, Output::Delta(_));
        self.pieces |= outputs.iter().any(piece);
        self.rest.drain(..taken.min(self.rest.len()));
        self.offset = self
            .offset
            .saturating_add(u64::try_from(taken).unwrap_or(0));
        taken > 0
    }

    /// Commits outputs with the progress that they stand for, then acknowledges and writes.
    pub(super) async fn commit(
        mut self,
        outputs: Vec<Output>,
        cause: Option<Cause>,
        session: Session_<'_>,
    ) -> Option<Self> {
        let mut told = Vec::with_capacity(outputs.len());
        let name = moment(&outputs);
        for output in outputs {
            match output {
                Output::File { name, bytes } => self.outbox.push(Item::File { name, bytes }),
                Output::Send { id, bytes } => self.outbox.push(Item::Send { id, bytes }),
                Output::TurnStarted { .. } => {
                    self.input = None;
                    told.push(output);
                }
                // Said when it was decoded.
                Output::Delta(_) => {}
                Output::Ready
                | Output::Event { .. }
                | Output::Conversation { .. }
                | Output::Ask(_)
                | Output::Withdrawn { .. }
                | Output::TurnEnded { .. } => told.push(output),
            }
        }
        let plain = self.outbox.wrap(self.codec.snapshot());
        let sealed = snapshot::seal(&self.secrets, self.session, &plain);
        let snapshot = match sealed {
            Ok(snapshot) => snapshot,
            Err(error) => {
                tracing::error!(%error, incarnation = %self.incarnation, "a decoder's state cannot be sealed");
                return None;
            }
        };
        let progress = Progress {
            incarnation: self.incarnation,
            offset: self.offset,
            snapshot,
        };
        crash::point(name.0);
        let committed = session
            .send(Decode {
                progress,
                outputs: told,
                cause,
                pieces: std::mem::take(&mut self.pieces),
            })
            .await;
        if !matches!(committed, Ok(Ok(()))) {
            // The session is being replaced; its next generation attaches from what is committed.
            return None;
        }
        crash::point(name.1);
        self.committed = self.offset;
        if let Some(writer) = &self.writer {
            let _acknowledged = writer.ack(self.offset).await;
        }
        self.write_due().await
    }

    /// Writes what is committed and was not handed over yet.
    pub(super) async fn write_due(mut self) -> Option<Self> {
        if self.writer.is_none() || self.waits_for_terminal() {
            return Some(self);
        }
        for item in self.outbox.take_due() {
            match item {
                Item::File { name, bytes } => {
                    let place = self.place.clone();
                    let put = tokio::task::spawn_blocking(move || {
                        launch::put_file(&place, &name, &bytes)
                    })
                    .await;
                    if !matches!(put, Ok(Ok(()))) {
                        tracing::warn!(incarnation = %self.incarnation, "a file for the agent cannot be written; it is tried again");
                        self.outbox.again();
                        return Some(self);
                    }
                }
                Item::Send { id, bytes } => {
                    crash::point("input_before_write");
                    if let Some(writer) = &self.writer
                        && writer.input(id.as_bytes(), bytes).await.is_err()
                    {
                        self.outbox.again();
                        return Some(self);
                    }
                    crash::point("input_after_write");
                }
            }
        }
        Some(self)
    }

    /// Tells the session once that the log is decoded up to the moment of the connection.
    pub(super) async fn caught_up(mut self, session: Session_<'_>) -> Option<Self> {
        let behind = self.behind_until.is_some_and(|until| self.seen() < until);
        if behind || self.behind_until.is_none() {
            return Some(self);
        }
        self.behind_until = None;
        let (incarnation, pid, turn) = (self.incarnation, self.pid, self.codec.turn());
        let told = session
            .send(CaughtUp {
                incarnation,
                pid,
                turn,
            })
            .await;
        matches!(told, Ok(Ok(()))).then_some(self)
    }
}

fn gap(from: u64, to: u64) -> Output {
    Output::Event {
        kind: EventKind::Error,
        data: serde_json::json!({
            "code": "log_gap", "from": from, "to": to,
            "message": "a part of the agent's output is no longer in its log",
        }),
    }
}

/// The names of the crash points around the commit of these outputs.
fn moment(outputs: &[Output]) -> (&'static str, &'static str) {
    let has = |wanted: fn(&Output) -> bool| outputs.iter().any(wanted);
    if has(|output| matches!(output, Output::TurnEnded { .. })) {
        ("turn_end_before_commit", "turn_end_after_commit")
    } else if has(|output| matches!(output, Output::TurnStarted { .. })) {
        ("turn_start_before_commit", "turn_start_after_commit")
    } else if has(|output| matches!(output, Output::Send { .. })) {
        ("send_before_commit", "send_after_commit")
    } else {
        ("output_before_commit", "output_after_commit")
    }
}
