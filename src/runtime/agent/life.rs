//! One incarnation as the server sees it: the codec, the bytes that it has not taken yet, what is
//! to be written, and the keeper's connection.
//!
//! Never writes to the program what is not committed, and never acknowledges what is not either.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actix::Addr;

use crate::domain::{ApprovalId, EventKind, Incarnation, Progress, Session, Timestamp};
use crate::drivers::{Codec, Command, Driver, MAX_UNIT_BYTES, Output, driver};
use crate::keeper::{
    self, Dir, ExitRecord, InputOutcome, InputState, KeeperFrame, Refusal, Target, Writer,
};
use crate::process::terminal::{Verdict, Watch};

use super::super::context::Shared;
use super::super::crash;
use super::super::facade::Force;
use super::super::session::{CaughtUp, Decode, Ending, Exited, PromptLost, SessionActor};
use super::AgentActor;
use super::launch;
use super::outbox::{Item, Outbox};
use super::pump::Pump;

/// Most decoded bytes without an event before they are committed all the same.
const QUIET_BYTES: u64 = 256 * 1024;
/// Most outputs in one commit; the codec is asked again for the rest.
const MAX_OUTPUTS: usize = 2_000;
/// Bytes of a dead keeper's log that are read at once.
const READ: usize = 64 * 1024;
/// Grace for a program on a terminal after its hang-up.
const HANGUP_GRACE: Duration = Duration::from_secs(2);

/// See the module.
pub(super) struct Life {
    pub incarnation: Incarnation,
    driver: &'static dyn Driver,
    codec: Box<dyn Codec>,
    place: PathBuf,
    dir: Dir,
    pid: u32,
    /// Bytes from `offset` on that the codec has not taken yet.
    rest: Vec<u8>,
    offset: u64,
    committed: u64,
    outbox: Outbox,
    writer: Option<Writer>,
    pump: Option<Pump>,
    /// The log's length when the connection was made; from there on it is live.
    behind_until: Option<u64>,
    /// Input id of the prompt that the program has not acknowledged.
    input: Option<String>,
    watch: Option<Watch>,
    stop_grace: Duration,
}

type Session_<'a> = &'a Addr<SessionActor>;

impl Life {
    /// An incarnation as it was committed; not connected yet.
    pub(super) fn resume(
        shared: &Arc<Shared>,
        session: &Session,
        nonce: String,
        progress: Progress,
        input: Option<String>,
    ) -> Self {
        let incarnation = progress.incarnation;
        let context = launch::context(shared, session, (incarnation, nonce));
        let driver = driver(session.kind);
        let (codec, outbox) = Outbox::unwrap(&progress.snapshot)
            .and_then(|(codec, outbox)| Some((driver.restore(&context, &codec)?, outbox)))
            .unwrap_or_else(|| (driver.codec(&context), Outbox::default()));
        Self {
            incarnation,
            driver,
            codec,
            place: PathBuf::from(context.dir),
            dir: Dir::new(&shared.keepers, session.id.0, incarnation.0),
            pid: 0,
            rest: Vec::new(),
            offset: progress.offset,
            committed: progress.offset,
            outbox,
            writer: None,
            pump: None,
            behind_until: Some(u64::MAX),
            input,
            watch: None,
            stop_grace: shared.config.agents.stop_grace,
        }
    }

    /// A process that was started this moment: there is nothing to catch up with.
    pub(super) fn fresh(&mut self, pid: u32, codec: Box<dyn Codec>) {
        self.pid = pid;
        self.codec = codec;
        self.behind_until = None;
    }

    /// Connects to the keeper, or reads what a dead one left and tells its end.
    pub(super) async fn attach(
        mut self,
        session: Session_<'_>,
        me: Addr<AgentActor>,
    ) -> Option<Self> {
        let mut wait = Duration::from_millis(20);
        loop {
            match keeper::connect(self.dir.path()).await {
                Ok((hello, reader, writer)) => {
                    self.pid = hello.program_pid;
                    self.follow(hello.length);
                    let from = self.seen();
                    if writer.attach(from).await.is_ok() {
                        self.writer = Some(writer);
                        self.outbox.again();
                        self.pump = Some(Pump::start(reader, self.incarnation, me));
                        let kept = self.caught_up(session).await?;
                        return kept.write_due().await;
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, incarnation = %self.incarnation, "no connection to the keeper");
                }
            }
            if !self.dir.alive() {
                return self.bury(session).await;
            }
            tokio::time::sleep(wait).await;
            wait = wait.saturating_mul(2).min(Duration::from_secs(1));
        }
    }

    fn follow(&mut self, length: u64) {
        if self.behind_until.is_some() {
            self.behind_until = Some(length);
        }
        if self.driver.has_prompt() {
            self.watch = i32::try_from(self.pid).ok().map(Watch::new);
        }
    }

    /// First byte of the log that has not come yet.
    fn seen(&self) -> u64 {
        self.offset
            .saturating_add(u64::try_from(self.rest.len()).unwrap_or(u64::MAX))
    }

    /// The connection is over without an exit.
    pub(super) async fn reconnect(
        mut self,
        session: Session_<'_>,
        me: Addr<AgentActor>,
    ) -> Option<Self> {
        self.writer = None;
        self.pump = None;
        self.attach(session, me).await
    }

    /// Takes a frame of the keeper. `None` when this life is over, or the session is.
    pub(super) async fn hear(mut self, frame: KeeperFrame, session: Session_<'_>) -> Option<Self> {
        match frame {
            KeeperFrame::Data { offset, bytes } => {
                let kept = self.data(offset, &bytes, session).await?;
                kept.caught_up(session).await
            }
            KeeperFrame::InputAck { id, outcome } => {
                self.input_answered(&id, outcome);
                Some(self)
            }
            KeeperFrame::Exit(record) => self.ended(Some(record), session).await,
            KeeperFrame::Blocked { reason } => {
                tracing::warn!(?reason, incarnation = %self.incarnation, "the keeper does not read its program");
                Some(self)
            }
            KeeperFrame::Error { code, text } => {
                tracing::warn!(%code, %text, incarnation = %self.incarnation, "the keeper reports an error");
                Some(self)
            }
            KeeperFrame::Hello(_)
            | KeeperFrame::InputStatus { .. }
            | KeeperFrame::Unblocked
            | KeeperFrame::Status(_) => Some(self),
        }
    }

    fn input_answered(&mut self, id: &[u8], outcome: InputOutcome) {
        crash::point("input_acknowledged");
        match outcome {
            InputOutcome::Accepted | InputOutcome::Written | InputOutcome::Duplicate(_) => {
                self.outbox.accepted(id)
            }
            InputOutcome::Refused(Refusal::Full | Refusal::Disk) => self.outbox.refused(id),
            // The process is ending (its exit tells the rest), or could never take it.
            InputOutcome::Refused(Refusal::Closed | Refusal::TooLarge) => self.outbox.accepted(id),
        }
    }

    async fn data(mut self, at: u64, bytes: &[u8], session: Session_<'_>) -> Option<Self> {
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
            let quiet = self.offset.saturating_sub(self.committed);
            if !outputs.is_empty() || quiet >= QUIET_BYTES {
                self = self
                    .commit(std::mem::take(&mut outputs), None, session)
                    .await?;
            }
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
        self.rest.drain(..taken.min(self.rest.len()));
        self.offset = self
            .offset
            .saturating_add(u64::try_from(taken).unwrap_or(0));
        taken > 0
    }

    /// Commits outputs with the progress that they stand for, then acknowledges and writes.
    async fn commit(
        mut self,
        outputs: Vec<Output>,
        approval: Option<ApprovalId>,
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
                Output::Ready
                | Output::Event { .. }
                | Output::Ask(_)
                | Output::Withdrawn { .. }
                | Output::TurnEnded { .. } => told.push(output),
            }
        }
        let progress = Progress {
            incarnation: self.incarnation,
            offset: self.offset,
            snapshot: self.outbox.wrap(self.codec.snapshot()),
        };
        crash::point(name.0);
        let committed = session
            .send(Decode {
                progress,
                outputs: told,
                approval,
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
    async fn write_due(mut self) -> Option<Self> {
        if self.writer.is_none() {
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
    async fn caught_up(mut self, session: Session_<'_>) -> Option<Self> {
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

    /// Translates a command of the session.
    pub(super) async fn command(
        mut self,
        command: Command,
        approval: Option<ApprovalId>,
        session: Session_<'_>,
    ) -> Option<Self> {
        if let Command::Prompt { input_id, .. } = &command {
            self.input = Some(input_id.clone());
        }
        let mut outputs = Vec::new();
        self.codec.command(&command, &mut outputs);
        self.commit(outputs, approval, session).await
    }

    /// Ends the process; the exit comes back as a frame.
    pub(super) async fn halt(&self, force: Force, by: &str) {
        let Some(writer) = &self.writer else {
            return;
        };
        let asked = match force {
            Force::Kill => writer.kill(by).await,
            Force::Ladder if self.driver.has_prompt() => {
                // An interactive shell ignores SIGTERM; it ends on a hang-up.
                let _hung_up = writer.signal(libc::SIGHUP, Target::Group).await;
                writer.stop(by, HANGUP_GRACE.min(self.stop_grace)).await
            }
            Force::Ladder => writer.stop(by, self.stop_grace).await,
        };
        if let Err(error) = asked {
            tracing::warn!(%error, incarnation = %self.incarnation, "the keeper could not be asked to end its program");
        }
    }

    /// Twice a second: progress without events, input that was refused, the terminal.
    pub(super) async fn tick(mut self, session: Session_<'_>) -> Option<Self> {
        if self.offset > self.committed {
            self = self.commit(Vec::new(), None, session).await?;
        }
        self = self.write_due().await?;
        let in_turn = self.codec.turn().is_some() && self.input.is_none();
        if let (true, Some(watch)) = (in_turn, &mut self.watch) {
            let lost = watch.sample().is_ok() && watch.verdict() == Verdict::Lost;
            if lost {
                self.watch = None;
                let incarnation = self.incarnation;
                let _told = session.send(PromptLost { incarnation }).await;
            }
        } else if let Some(watch) = &mut self.watch {
            watch.restart();
        }
        Some(self)
    }

    /// The keeper is dead: reads the rest of its log, ends what is left of its tree, tells the end.
    async fn bury(mut self, session: Session_<'_>) -> Option<Self> {
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
                keeper::sweep(&record);
            }
            dir.exit()
        });
        let exit = exit.await.ok().flatten();
        self.ended(exit, session).await
    }

    async fn ended(mut self, record: Option<ExitRecord>, session: Session_<'_>) -> Option<Self> {
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
        let ending = ending(record, (self.pid, self.offset));
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
            let place = this.place.clone();
            let _removing = tokio::task::spawn_blocking(move || std::fs::remove_dir_all(place));
        }
        None
    }
}

/// The crash points around a commit, by what it is about.
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

fn gap(from: u64, to: u64) -> Output {
    Output::Event {
        kind: EventKind::Error,
        data: serde_json::json!({
            "code": "log_gap", "from": from, "to": to,
            "message": "a part of the agent's output is no longer in its log",
        }),
    }
}

fn ending(record: Option<ExitRecord>, (pid, log_len): (u32, u64)) -> Ending {
    let pid = (pid != 0).then_some(pid);
    match record {
        Some(record) => Ending {
            pid,
            code: record.code,
            signal: record.signal,
            core: record.core,
            by: record.by,
            at: Timestamp(i64::try_from(record.at_ms).unwrap_or(i64::MAX)),
            log_len: record.log_len,
            stderr_tail: record.stderr_tail.lines().map(str::to_owned).collect(),
            keeper_lost: false,
        },
        None => Ending {
            pid,
            at: super::super::clock::now(),
            log_len,
            keeper_lost: true,
            ..Ending::default()
        },
    }
}
