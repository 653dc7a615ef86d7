//! One incarnation as the server sees it: the codec, the bytes that it has not taken yet, what is
//! to be written, and the keeper's connection.
//!
//! Never writes to the program what is not committed, and never acknowledges what is not either.

mod commit;
mod end;
mod speech;
mod terminal;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actix::Addr;

use crate::domain::{Incarnation, Progress, Session, SessionId};
use crate::drivers::{Codec, Command, Driver, driver};
use crate::keeper::{self, Dir, InputOutcome, KeeperFrame, Refusal, Writer};
use crate::process::terminal::Watch;
use crate::secrets::Secrets;

use super::super::context::Shared;
use super::super::facade::Force;
use super::super::feed::Feed;
use super::super::session::{Cause, SessionActor};
use super::AgentActor;
use super::launch;
use super::outbox::Outbox;
use super::pump::Pump;
use super::snapshot;
use crate::crash;

pub(super) use terminal::no_process;

/// Pause before the second connection after one that broke; doubled while they break at once.
const RECONNECT: Duration = Duration::from_millis(10);
/// Grace for a program on a terminal after its hang-up.
const HANGUP_GRACE: Duration = Duration::from_secs(2);

/// See the module.
pub(super) struct Life {
    pub incarnation: Incarnation,
    session: SessionId,
    secrets: Arc<Secrets>,
    driver: &'static dyn Driver,
    /// Where the bytes of a terminal go, and pieces of messages.
    feed: Addr<Feed>,
    codec: Box<dyn Codec>,
    place: PathBuf,
    dir: Dir,
    pid: u32,
    /// Bytes from `offset` on that the codec has not taken yet.
    rest: Vec<u8>,
    offset: u64,
    committed: u64,
    /// Pieces of a message came since the last commit.
    pieces: bool,
    outbox: Outbox,
    writer: Option<Writer>,
    pump: Option<Pump>,
    /// The log's length when the connection was made; from there on it is live.
    behind_until: Option<u64>,
    /// Input id of the prompt that the program has not acknowledged.
    input: Option<String>,
    watch: Option<Watch>,
    /// How often the running hand-over was written again.
    reminders: u32,
    stop_grace: Duration,
    /// The end that was asked for; asked again on a new connection.
    asked: Option<(Force, String)>,
    /// Connections in a row that broke at once.
    broken: u32,
    /// Nothing was written down of it yet: it is still to be told what comes first.
    unstarted: bool,
}

type Session_<'a> = &'a Addr<SessionActor>;

impl Life {
    /// An incarnation as it was committed; not connected yet.
    pub(super) fn resume(
        shared: &Arc<Shared>,
        feed: Addr<Feed>,
        session: &Session,
        (nonce, progress, input): (String, Progress, Option<String>),
    ) -> Self {
        let incarnation = progress.incarnation;
        let context = launch::context(shared, session, (incarnation, nonce));
        let driver = driver(session.kind);
        let (codec, outbox) = snapshot::open(&shared.secrets, session.id, &progress.snapshot)
            .and_then(|plain| Outbox::unwrap(&plain))
            .and_then(|(codec, outbox)| Some((driver.restore(&context, &codec)?, outbox)))
            .unwrap_or_else(|| (driver.codec(&context), Outbox::default()));
        Self {
            incarnation,
            session: session.id,
            secrets: Arc::clone(&shared.secrets),
            driver,
            feed,
            codec,
            place: PathBuf::from(context.dir),
            dir: Dir::new(&shared.keepers, session.id.0, incarnation.0),
            pid: 0,
            rest: Vec::new(),
            offset: progress.offset,
            committed: progress.offset,
            pieces: false,
            outbox,
            writer: None,
            pump: None,
            behind_until: Some(u64::MAX),
            input,
            watch: None,
            reminders: 0,
            stop_grace: shared.config.agents.stop_grace,
            asked: None,
            broken: 0,
            unstarted: progress.snapshot.is_empty(),
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
        crash::point("agent.attach");
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
                        if let Some((force, by)) = self.asked.clone() {
                            self = self.halt(force, by).await;
                        }
                        let kept = self.caught_up(session).await?.begin(session).await?;
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

    /// Says what is said to a fresh process first.
    async fn begin(mut self, session: Session_<'_>) -> Option<Self> {
        let mut outputs = Vec::new();
        if std::mem::take(&mut self.unstarted) {
            self.codec.start(&mut outputs);
        }
        if outputs.is_empty() {
            return Some(self);
        }
        self.commit(outputs, None, session).await
    }

    fn follow(&mut self, length: u64) {
        if self.behind_until.is_some() {
            self.behind_until = Some(length);
        }
        if self.driver.has_prompt() {
            let pid = i32::try_from(self.pid).ok();
            self.watch = pid.map(|pid| Watch::new(pid).knowing(self.outbox.program));
            if let Some(watch) = &mut self.watch {
                // The first look notes which program file it is; a later generation is told.
                let _noted = watch.sample();
                self.outbox.program = watch.program();
            }
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
        crash::point("agent.reconnect");
        self.writer = None;
        self.pump = None;
        let pause = RECONNECT.saturating_mul(2_u32.saturating_pow(self.broken));
        self.broken = self.broken.saturating_add(1).min(6);
        tokio::time::sleep(pause).await;
        self.attach(session, me).await
    }

    /// Takes a frame of the keeper. `None` when this life is over, or the session is.
    pub(super) async fn hear(mut self, frame: KeeperFrame, session: Session_<'_>) -> Option<Self> {
        match frame {
            KeeperFrame::Data { offset, bytes } => {
                self.broken = 0;
                let kept = self.data(offset, &bytes, session).await?;
                kept.caught_up(session).await
            }
            KeeperFrame::InputAck { id, outcome } => {
                self.broken = 0;
                self.input_answered(&id, outcome);
                Some(self)
            }
            // Its output is not all in the log yet: another record follows, or the connection's end.
            KeeperFrame::Exit(record) if !record.drained => Some(self),
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

    /// Translates a command of the session.
    pub(super) async fn command(
        mut self,
        command: Command,
        cause: Option<Cause>,
        session: Session_<'_>,
    ) -> Option<Self> {
        crash::point("agent.command");
        if let Command::Prompt { input_id, .. } = &command {
            self.input = Some(input_id.clone());
            self.reminders = 0;
        }
        let mut outputs = Vec::new();
        self.codec.command(&command, &mut outputs);
        self.commit(outputs, cause, session).await
    }

    /// Ends the process; the exit comes back as a frame.
    pub(super) async fn halt(mut self, force: Force, by: String) -> Self {
        crash::point("agent.halt");
        self.asked = Some((force, by.clone()));
        let Some(writer) = &self.writer else {
            return self;
        };
        let by = by.as_str();
        let asked = match force {
            Force::Kill => writer.kill(by).await,
            Force::Ladder if self.driver.has_prompt() => {
                // An interactive shell ignores SIGTERM; it ends on a hang-up.
                let _hung_up = writer.hang_up().await;
                writer.stop(by, HANGUP_GRACE.min(self.stop_grace)).await
            }
            Force::Ladder => writer.stop(by, self.stop_grace).await,
        };
        if let Err(error) = asked {
            tracing::warn!(%error, incarnation = %self.incarnation, "the keeper could not be asked to end its program");
        }
        self
    }

    /// Twice a second: progress without events, input that was refused, the terminal.
    pub(super) async fn tick(mut self, session: Session_<'_>) -> Option<Self> {
        if self.offset > self.committed {
            self = self.commit(Vec::new(), None, session).await?;
        }
        self = self.write_due().await?;
        self.mind_prompt(session).await
    }
}
