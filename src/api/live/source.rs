//! Where the events of subscriptions come from: the floor below, or what a test has in its place.
//!
//! Never decides what a connection gets; that are its subscriptions.

use std::sync::Arc;

use crate::app::{App, Attach, Bounds, EventPage, Places, Sink};
use crate::domain::{After, Principal, Result, Session, SessionId};

/// Most events of a page of a replay.
pub const PAGE: usize = 200;
/// Most bytes of their data, but for one event that is larger by itself.
pub const PAGE_BYTES: usize = 1024 * 1024;

/// Numbered events, by page and as they are committed; see the methods of [`App`].
pub trait Source: Send + Sync + Clone + 'static {
    /// Names the numbers.
    fn epoch(&self) -> &str;
    /// Last committed pos of the server.
    fn latest_pos(&self) -> u64;
    /// The last pos that a reader can have seen.
    fn visible_pos(&self) -> u64;
    /// The session, when `who` may read it.
    fn readable(&self, who: &Principal, id: SessionId) -> impl Future<Output = Result<Session>>;
    /// Its numbers that can be read now, by a reader that is at `after`.
    fn bounds(&self, session: &Session, after: After) -> impl Future<Output = Result<Bounds>>;
    /// The number before the first that its ring holds.
    fn before_ring(&self, session: &Session) -> impl Future<Output = Result<u64>>;
    /// A page of its events after `seq`.
    fn page(&self, session: &Session, seq: u64) -> impl Future<Output = Result<EventPage>>;
    /// A page of the events of all agents that `who` may see, after `pos`.
    fn places(&self, who: &Principal, pos: u64) -> impl Future<Output = Result<Places>>;
    /// Follows one agent from after `seq`.
    fn attach(
        &self,
        session: &Session,
        seq: u64,
        sink: Arc<dyn Sink>,
    ) -> impl Future<Output = Result<Attach>>;
    /// Follows all agents from after `pos`.
    fn attach_all(&self, pos: u64, sink: Arc<dyn Sink>) -> impl Future<Output = Result<Attach>>;
}

impl Source for App {
    fn epoch(&self) -> &str {
        Self::epoch(self)
    }

    fn latest_pos(&self) -> u64 {
        Self::latest_pos(self)
    }

    fn visible_pos(&self) -> u64 {
        Self::visible_pos(self)
    }

    async fn readable(&self, who: &Principal, id: SessionId) -> Result<Session> {
        Self::readable(self, who, id).await
    }

    async fn bounds(&self, session: &Session, after: After) -> Result<Bounds> {
        Self::bounds(self, session, after).await
    }

    async fn before_ring(&self, session: &Session) -> Result<u64> {
        Self::before_ring(self, session).await
    }

    async fn page(&self, session: &Session, seq: u64) -> Result<EventPage> {
        self.after(session, seq, (PAGE, PAGE_BYTES)).await
    }

    async fn places(&self, who: &Principal, pos: u64) -> Result<Places> {
        self.after_pos(who, pos, (PAGE, PAGE_BYTES)).await
    }

    async fn attach(&self, session: &Session, seq: u64, sink: Arc<dyn Sink>) -> Result<Attach> {
        Self::attach(self, session, seq, sink).await
    }

    async fn attach_all(&self, pos: u64, sink: Arc<dyn Sink>) -> Result<Attach> {
        Self::attach_all(self, pos, sink).await
    }
}
