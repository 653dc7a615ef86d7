//! Every connection of the real-time client, by its name.
//!
//! Never keeps one that is over.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;

use super::audience::Audience;
use super::engine::{MISSES, PING_INTERVAL};
use super::link::{Link, Request};
use super::requests;
use crate::api::live::cutter::{Beat, Line, watch};
use crate::app::Caller;

/// Shared by all workers of a server.
#[derive(Clone, Default)]
pub struct Links(Arc<Inner>);

#[derive(Default)]
struct Inner {
    links: Mutex<HashMap<String, Arc<Link>>>,
    audience: Audience,
}

impl Links {
    /// Who hears of what happens.
    #[must_use]
    pub fn audience(&self) -> &Audience {
        &self.0.audience
    }

    /// The one of this name.
    #[must_use]
    pub fn find(&self, sid: &str) -> Option<Arc<Link>> {
        self.lock().get(sid).cloned()
    }

    /// Keeps a connection for as long as it lasts: it is watched, and its requests are answered.
    pub fn keep(&self, link: &Arc<Link>, asked: mpsc::Receiver<Request>) {
        self.lock().insert(link.sid.clone(), Arc::clone(link));
        let held = Held {
            links: self.clone(),
            link: Arc::clone(link),
        };
        let (outbox, watched) = (Arc::clone(&link.outbox), Arc::clone(link));
        let remaining = move || -> Duration { watched.remaining() };
        let beat = Beat {
            every: PING_INTERVAL,
            misses: MISSES,
            with: || {},
        };
        // Its lines are cut by those who carry it.
        let watching = watch(outbox, std::sync::Weak::<Line>::new(), remaining, beat);
        link.outbox.serve(async move {
            watching.await;
            drop(held);
        });
        let answering = requests::answer(Arc::clone(link), asked);
        link.outbox.serve(Caller::carry(answering));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Link>>> {
        self.0.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection in the list; it leaves with the watch over it, however that ends.
struct Held {
    links: Links,
    link: Arc<Link>,
}

impl Drop for Held {
    fn drop(&mut self) {
        // A panic of the watch ends it as well.
        self.link.outbox.finish();
        self.links.lock().remove(&self.link.sid);
        self.links.audience().part(&self.link.socket);
    }
}
