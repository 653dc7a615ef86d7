//! Who is awake: from a session's id to the addresses of its actors.
//!
//! Never wakes anybody itself, and never keeps an actor alive that its supervisor let go.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use actix::Addr;
use tokio::sync::watch;

use crate::domain::SessionId;

use super::agent::AgentActor;
use super::feed::Feed;
use super::queue::Queue;
use super::session::SessionActor;
use super::window::Window;

/// The actors of one session's subtree, in their generation of now.
#[derive(Clone)]
pub(super) struct Handles {
    pub feed: Addr<Feed>,
    /// What the feed shows to pollers.
    pub window: Arc<Window>,
    pub session: Addr<SessionActor>,
    pub queue: Addr<Queue>,
    pub agent: Addr<AgentActor>,
}

impl Handles {
    /// Whether those that nothing goes on without still take messages. An agent's actor that is
    /// being replaced hides nobody.
    pub(super) fn connected(&self) -> bool {
        self.feed.connected() && self.session.connected() && self.queue.connected()
    }
}

type Slot = Arc<watch::Sender<Option<Handles>>>;

/// See the module.
#[derive(Default)]
pub(super) struct Directory {
    slots: Mutex<HashMap<SessionId, Slot>>,
}

impl Directory {
    /// The addresses now, and a way to hear of the next ones.
    pub(super) fn look(
        &self,
        id: SessionId,
    ) -> (Option<Handles>, watch::Receiver<Option<Handles>>) {
        let receiver = self.slot(id).subscribe();
        let now = receiver.borrow().clone().filter(Handles::connected);
        (now, receiver)
    }

    /// The window of a session that is awake; makes no place for one that is not.
    pub(super) fn window(&self, id: SessionId) -> Option<Arc<Window>> {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let handles = slots.get(&id)?.borrow();
        let handles = handles.as_ref().filter(|handles| handles.connected())?;
        Some(Arc::clone(&handles.window))
    }

    /// The subtree stands (again).
    pub(super) fn enter(&self, id: SessionId, handles: Handles) {
        self.slot(id).send_replace(Some(handles));
    }

    /// The subtree is going: whoever comes now wakes a new one.
    pub(super) fn leave(&self, id: SessionId) {
        self.slot(id).send_replace(None);
    }

    /// Forgets slots that nobody waits at and that hold nobody.
    pub(super) fn sweep(&self) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.retain(|_, slot| slot.receiver_count() > 0 || slot.borrow().is_some());
    }

    /// How many sessions have actors.
    pub(super) fn awake(&self) -> usize {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots
            .values()
            .filter(|slot| slot.borrow().is_some())
            .count()
    }

    fn slot(&self, id: SessionId) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = slots
            .entry(id)
            .or_insert_with(|| Arc::new(watch::Sender::new(None)));
        Arc::clone(slot)
    }
}
