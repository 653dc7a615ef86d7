//! The tree as a person reads it: every supervisor with all its children, recursively.
//! Never waits for a supervisor that does not answer.

use std::time::Duration;

use actix::{Addr, Handler, Message, ResponseFuture};
use futures_util::future::join_all;
use serde::Serialize;
use tokio::time::{Instant, timeout};

use super::{ChildInfo, ChildState, Kind, Restart, StateName, Strategy, Supervisor, machine::Mode};

/// Asks for the tree below a supervisor. One below it that does not answer within the time is
/// shown as unresponsive; each level grants the next four fifths of its own time, so that the
/// one that hangs is named, not the one above it.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "TreeNode")]
pub struct Tree {
    /// Time for the answers of the next level.
    pub within: Duration,
}

impl Default for Tree {
    fn default() -> Self {
        Self {
            within: Duration::from_millis(500),
        }
    }
}

/// One supervisor or worker of the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TreeNode {
    /// Unique among its siblings; the last part of `path`.
    pub id: String,
    /// `root/sessions/ab12cd34/feed`
    pub path: String,
    /// Worker or supervisor.
    pub kind: Kind,
    /// As its parent sees it.
    pub state: StateName,
    /// Absent at the root, which nobody restarts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart: Option<Restart>,
    /// Supervisors only, and only when they answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
    /// Attempts to start so far.
    pub generation: u64,
    /// Those that its supervisor decided on its own, beyond the first.
    pub restarts: u64,
    /// Milliseconds that this generation is up; absent while it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uptime_ms: Option<u64>,
    /// Time until the restart, for `restarting` when it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_in_ms: Option<u64>,
    /// In the order of their start; empty for workers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<TreeNode>,
}

impl Handler<Tree> for Supervisor {
    type Result = ResponseFuture<TreeNode>;

    fn handle(&mut self, Tree { within }: Tree, _: &mut Self::Context) -> Self::Result {
        self.point("Tree");
        let now = Instant::now();
        let own = self.own_node();
        let branches: Vec<_> = self
            .machine
            .table
            .iter()
            .map(|(key, slot)| {
                let node = leaf(&own.path, &self.machine.info(slot, now), now);
                let below = self
                    .living
                    .get(&key)
                    .and_then(|living| living.child.as_ref())
                    .and_then(|child| child.below().cloned());
                branch(node, below, within)
            })
            .collect();
        Box::pin(async move {
            TreeNode {
                children: join_all(branches).await,
                ..own
            }
        })
    }
}

impl Supervisor {
    fn own_node(&self) -> TreeNode {
        let path = self.machine.path.clone();
        TreeNode {
            id: path.rsplit('/').next().unwrap_or_default().to_owned(),
            path,
            kind: Kind::Supervisor,
            state: match self.machine.mode {
                Mode::Booting => StateName::Starting,
                Mode::Open => StateName::Running,
                Mode::Ending(_) => StateName::Stopping,
                Mode::Ended => StateName::Stopped,
            },
            restart: None,
            strategy: Some(self.machine.strategy),
            generation: self.machine.generation,
            restarts: 0,
            uptime_ms: None,
            next_in_ms: None,
            children: Vec::new(),
        }
    }
}

fn leaf(above: &str, info: &ChildInfo, now: Instant) -> TreeNode {
    let next_in = match info.state {
        ChildState::Restarting { next_at } => next_at.map(|at| at.saturating_duration_since(now)),
        ChildState::Starting | ChildState::Running | ChildState::Stopping | ChildState::Stopped => {
            None
        }
    };
    TreeNode {
        id: info.id.clone(),
        path: format!("{above}/{}", info.id),
        kind: info.kind,
        state: info.state.into(),
        restart: Some(info.restart),
        strategy: None,
        generation: info.generation,
        restarts: info.restarts,
        uptime_ms: info.uptime.map(millis),
        next_in_ms: next_in.map(millis),
        children: Vec::new(),
    }
}

/// A child's node with what its own answer adds.
async fn branch(mut node: TreeNode, below: Option<Addr<Supervisor>>, within: Duration) -> TreeNode {
    let Some(below) = below else {
        return node;
    };
    let question = Tree {
        within: within.saturating_mul(4) / 5,
    };
    match timeout(within, below.send(question)).await {
        Ok(Ok(answer)) => {
            node.strategy = answer.strategy;
            node.children = answer.children;
        }
        // It died between the look at the table and the question.
        Ok(Err(_)) => {}
        Err(_elapsed) => node.state = StateName::Unresponsive,
    }
    node
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
