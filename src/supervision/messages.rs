//! The questions and orders a running supervisor takes.
//! Never blocks the supervisor: every answer that takes time is a future beside its mailbox.

use std::time::Duration;

use actix::{Handler, Message, ResponseFuture};
use serde::Serialize;
use tokio::{sync::oneshot, time::Instant};

use super::{
    ChildCounts, ChildError, ChildSpec, Kind, Restart, StartError, Stop, Supervisor,
    machine::{Machine, Progress},
    slot::{Goal, Phase, Slot},
};

/// Adds a child and starts it; answers when it is up. With a strategy that ties children
/// together it waits for a restart in progress.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), StartError>")]
pub struct StartChild(pub ChildSpec);

/// Stops the child with this id and keeps it so; answers when it is down. Its spec stays for
/// [`RestartChild`] and [`DeleteChild`], unless it is temporary. As in OTP, a group restart
/// brings a stopped member back.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), ChildError>")]
pub struct TerminateChild(pub String);

/// Forgets the spec of a stopped child.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), ChildError>")]
pub struct DeleteChild(pub String);

/// Starts a stopped child again; answers when it is up. A failure leaves it stopped.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), ChildError>")]
pub struct RestartChild(pub String);

/// Asks for all children, in the order of their start.
#[derive(Debug, Message)]
#[rtype(result = "Vec<ChildInfo>")]
pub struct WhichChildren;

/// Asks for numbers only.
#[derive(Debug, Message)]
#[rtype(result = "ChildCounts")]
pub struct CountChildren;

/// Ends the children in reverse order, then the supervisor; answers when that is done.
/// (OTP's shutdown order; [`Stop`] does the same without an answer.)
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct StopTree;

/// What a child does at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChildState {
    /// Its start function is at work.
    Starting,
    /// It is up.
    Running,
    /// Down, will be started: at this instant, or with its group when that is down.
    Restarting {
        /// `None` while its group is still going down.
        next_at: Option<Instant>,
    },
    /// Told to stop.
    Stopping,
    /// Down, with nothing planned.
    Stopped,
}

/// One row of [`WhichChildren`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChildInfo {
    /// Unique among its siblings.
    pub id: String,
    /// Worker or supervisor.
    pub kind: Kind,
    /// When it is restarted, from its spec.
    pub restart: Restart,
    /// At the moment of the answer.
    pub state: ChildState,
    /// Attempts to start so far.
    pub generation: u64,
    /// Attempts that the supervisor decided on its own, beyond the first.
    pub restarts: u64,
    /// How long the present generation is up.
    pub uptime: Option<Duration>,
}

/// [`ChildState`] by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StateName {
    /// As [`ChildState::Starting`]; of the root: its first children are being started.
    Starting,
    /// As [`ChildState::Running`].
    Running,
    /// As [`ChildState::Restarting`].
    Restarting,
    /// As [`ChildState::Stopping`].
    Stopping,
    /// As [`ChildState::Stopped`].
    Stopped,
    /// A supervisor that did not answer in time.
    Unresponsive,
}

impl From<ChildState> for StateName {
    fn from(state: ChildState) -> Self {
        match state {
            ChildState::Starting => Self::Starting,
            ChildState::Running => Self::Running,
            ChildState::Restarting { .. } => Self::Restarting,
            ChildState::Stopping => Self::Stopping,
            ChildState::Stopped => Self::Stopped,
        }
    }
}

impl Machine {
    /// `WhichChildren`.
    pub(super) fn children(&self, now: Instant) -> Vec<ChildInfo> {
        self.table
            .iter()
            .map(|(_, slot)| self.info(slot, now))
            .collect()
    }

    pub(super) fn info(&self, slot: &Slot, now: Instant) -> ChildInfo {
        let round = self.round.as_ref().and_then(|round| round.until);
        let (state, since) = match slot.phase() {
            Phase::Idle if slot.goal == Goal::Down => (ChildState::Stopped, None),
            Phase::Idle if slot.generation == 0 => (ChildState::Starting, None),
            Phase::Idle => (ChildState::Restarting { next_at: round }, None),
            Phase::Waiting { until } => (
                ChildState::Restarting {
                    next_at: Some(*until),
                },
                None,
            ),
            Phase::Starting { .. } => (ChildState::Starting, None),
            Phase::Running { since } => (ChildState::Running, Some(*since)),
            Phase::Stopping { since, .. } => (ChildState::Stopping, *since),
        };
        ChildInfo {
            id: slot.spec.id.clone(),
            kind: slot.spec.kind,
            restart: slot.spec.restart,
            state,
            generation: slot.generation,
            restarts: slot.restarts,
            uptime: since.map(|since| now.saturating_duration_since(since)),
        }
    }
}

impl Handler<StartChild> for Supervisor {
    type Result = ResponseFuture<Result<(), StartError>>;

    fn handle(&mut self, StartChild(spec): StartChild, ctx: &mut Self::Context) -> Self::Result {
        self.point("StartChild");
        let added = self.machine.add(spec, Instant::now());
        let outcome = added.map(|key| self.await_start(key));
        self.act(ctx);
        Box::pin(async move { outcome?.await.unwrap_or(Err(StartError::Stopping)) })
    }
}

impl Handler<RestartChild> for Supervisor {
    type Result = ResponseFuture<Result<(), ChildError>>;

    fn handle(&mut self, RestartChild(id): RestartChild, ctx: &mut Self::Context) -> Self::Result {
        self.point("RestartChild");
        let restarted = self.machine.restart_child(&id, Instant::now());
        let outcome = restarted.map(|key| self.await_start(key));
        self.act(ctx);
        Box::pin(async move {
            let started = outcome?.await.unwrap_or(Err(StartError::Stopping));
            started.map_err(ChildError::from)
        })
    }
}

impl Handler<TerminateChild> for Supervisor {
    type Result = ResponseFuture<Result<(), ChildError>>;

    fn handle(&mut self, msg: TerminateChild, ctx: &mut Self::Context) -> Self::Result {
        self.point("TerminateChild");
        let progress = self.machine.terminate(&msg.0, Instant::now());
        let down = progress.map(|progress| match progress {
            Progress::Done => None,
            Progress::Underway(key) => Some(self.await_end(key)),
        });
        self.act(ctx);
        Box::pin(async move {
            match down? {
                None => Ok(()),
                // A supervisor that dies meanwhile lets go of the child.
                Some(down) => down.await.or(Err(ChildError::Stopping)),
            }
        })
    }
}

impl Handler<DeleteChild> for Supervisor {
    type Result = Result<(), ChildError>;

    fn handle(&mut self, DeleteChild(id): DeleteChild, _: &mut Self::Context) -> Self::Result {
        self.point("DeleteChild");
        self.machine.delete(&id)
    }
}

impl Handler<WhichChildren> for Supervisor {
    type Result = Vec<ChildInfo>;

    fn handle(&mut self, _: WhichChildren, _: &mut Self::Context) -> Self::Result {
        self.point("WhichChildren");
        self.machine.children(Instant::now())
    }
}

impl Handler<CountChildren> for Supervisor {
    type Result = actix::MessageResult<CountChildren>;

    fn handle(&mut self, _: CountChildren, _: &mut Self::Context) -> Self::Result {
        self.point("CountChildren");
        actix::MessageResult(self.machine.counts())
    }
}

impl Handler<Stop> for Supervisor {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        self.point("Stop");
        self.machine.shutdown("told to stop", Instant::now());
        self.act(ctx);
    }
}

impl Handler<StopTree> for Supervisor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: StopTree, ctx: &mut Self::Context) -> Self::Result {
        self.point("StopTree");
        let (tell, told) = oneshot::channel();
        self.closers.push(tell);
        self.machine.shutdown("told to stop", Instant::now());
        self.act(ctx);
        Box::pin(async move {
            let _ended = told.await;
        })
    }
}
