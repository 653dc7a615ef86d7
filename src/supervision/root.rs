//! The top of the tree, held by whoever boots the program.
//! Never restarts the root supervisor: its end is for the outer init to act on.

use actix::Addr;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::{
    Exit, StartError, StopTree, Supervisor, SupervisorSpec,
    lifeline::{self, Leash, Life, Note},
};

/// A running root supervisor. Its drop lets the whole tree go: every child notices and ends.
pub struct Root {
    address: Addr<Supervisor>,
    reports: UnboundedReceiver<Note>,
    ended: Option<Exit>,
    _leash: Leash,
}

impl Supervisor {
    /// Starts a tree on the current arbiter; returns when all children of the spec are up.
    ///
    /// # Errors
    /// The spec is invalid, or a child failed to start: then those before it were stopped again.
    pub async fn start_root(spec: SupervisorSpec) -> Result<Root, StartError> {
        let (notes, reports) = unbounded_channel();
        let life = Life {
            key: 0,
            generation: 1,
        };
        let (leash, lifeline) = lifeline::tie(life, spec.path.as_str().into(), notes);
        let address = Self::launch(spec, lifeline).await?;
        Ok(Root {
            address,
            reports,
            ended: None,
            _leash: leash,
        })
    }
}

impl Root {
    /// The root supervisor.
    #[must_use]
    pub fn addr(&self) -> Addr<Supervisor> {
        self.address.clone()
    }

    /// Resolves when the root supervisor has ended, and from then on at once: `Shutdown` after
    /// an orderly stop, `Failed` when the restart intensity was reached, `Panic`. May be
    /// cancelled and called again.
    pub async fn ended(&mut self) -> Exit {
        if let Some(exit) = &self.ended {
            return exit.clone();
        }
        let exit = match self.reports.recv().await {
            Some(Note::Down(_, death)) => death.exit,
            // The lifeline reports before its channel closes; a start is never reported here.
            Some(Note::Started(..)) | None => Exit::Abandoned,
        };
        self.ended = Some(exit.clone());
        exit
    }

    /// Stops all children in reverse order, then the root, and says how it ended.
    pub async fn stop(&mut self) -> Exit {
        // Fails only when it has ended already.
        let _answered = self.address.send(StopTree).await;
        self.ended().await
    }
}
