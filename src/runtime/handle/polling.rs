//! Reading the events of one agent: in place where it is awake, else from its feed and the journal.
//!
//! Never shows an event that is not committed.

use std::sync::atomic::Ordering;

use tokio::time::Instant;

use super::super::facade::{Page, Poll};
use super::super::{feed, reading};
use super::Runtime;
use crate::domain::{After, Result, Session, SessionId, UserId};

impl Runtime {
    /// Reads committed events, from the ring or the journal.
    ///
    /// # Errors
    /// `epoch_changed` for a cursor ahead of the log.
    pub async fn poll(&self, session: &Session, mut poll: Poll) -> Result<Page> {
        let end = Instant::now() + poll.wait;
        loop {
            let handles = self.wake(session.id).await?;
            let page = reading::page(&self.shared, &handles, session, &poll).await?;
            let left = end.saturating_duration_since(Instant::now());
            let news = !page.events.is_empty() || page.more || page.gap.is_some();
            if news || left.is_zero() {
                return Ok(page);
            }
            if poll.after == After::Latest {
                // What comes while it waits is behind the end that it found first.
                poll.after = After::Seq(page.latest);
            }
            let news = handles.feed.send(feed::Await { after: page.latest });
            // A feed that restarts meanwhile ends the wait early; the next look finds its successor.
            let _heard = tokio::time::timeout(left, news).await;
        }
    }

    /// Reads the ring of an agent that is awake, at once and without a row; its owner with it.
    /// `None` where that is not enough: then [`Runtime::poll`].
    #[must_use]
    pub fn glance(&self, id: SessionId, poll: &Poll) -> Option<(UserId, Page)> {
        let window = self.shared.directory.window(id)?;
        let retained = self.shared.retained.load(Ordering::Acquire);
        Some((window.owner, window.page(poll, retained)?))
    }

    /// Retention has taken events away: who has noted an oldest number looks again.
    pub fn events_were_retained(&self) {
        self.shared.retained.fetch_add(1, Ordering::AcqRel);
    }
}
