//! A floor of memory: one agent, whose ring holds its last events, and a dialect of numbers.

use std::sync::{Arc, Mutex, MutexGuard};

use bytestring::ByteString;

use crate::api::live::dialect::{Channels, Command, Dialect, Refusal, Reply};
use crate::api::live::gaps::Gap;
use crate::api::live::source::{PAGE, Source};
use crate::app::{Attach, Bounds, EventPage, Places, Published, Sink, parts};
use crate::domain::testing::session;
use crate::domain::{
    After, Error, Event, EventKind, Principal, Result, Session, SessionId, Timestamp, UserId,
};

/// The channel of what an agent says.
pub const SAID: Channels = Channels(1);
/// The channel of what is told about it.
pub const TOLD: Channels = Channels(2);
/// Events that the publisher holds.
const RING: usize = 200;

/// How an attach fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Its sink could not take what it missed, and the answer is lost.
    LeftAndLost,
    /// It is seated, and the answer is lost.
    SeatedAndLost,
}

/// See the module.
#[derive(Clone)]
pub struct Floor(Arc<Mutex<Inner>>);

struct Inner {
    session: Session,
    events: Vec<Arc<Published>>,
    sinks: Vec<Arc<dyn Sink>>,
    /// Attaches that were answered.
    attaches: usize,
    pages: usize,
    trouble: Option<Trouble>,
    /// No page of an agent can be read.
    away: bool,
}

impl Floor {
    pub fn new(owner: UserId) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            session: session(owner),
            events: Vec::new(),
            sinks: Vec::new(),
            attaches: 0,
            pages: 0,
            trouble: None,
            away: false,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    pub fn agent(&self) -> SessionId {
        self.lock().session.id
    }

    pub fn attaches(&self) -> usize {
        self.lock().attaches
    }

    /// Pages that were read behind the publisher's back.
    pub fn pages(&self) -> usize {
        self.lock().pages
    }

    pub fn latest(&self) -> u64 {
        u64::try_from(self.lock().events.len()).unwrap()
    }

    /// Sinks that took the last commit.
    pub fn seats(&self) -> usize {
        self.lock().sinks.len()
    }

    pub fn next_attach(&self, trouble: Trouble) {
        self.lock().trouble = Some(trouble);
    }

    /// Commits so many events of a channel, and pushes them.
    pub fn commit(&self, count: u64, channel: Channels) {
        self.lock().commit(count, channel);
    }

    /// From now on no page of an agent can be read.
    pub fn no_pages(&self) {
        self.lock().away = true;
    }

    /// The publisher is made anew.
    pub fn restart(&self) {
        let sinks = std::mem::take(&mut self.lock().sinks);
        for sink in sinks {
            sink.detached();
        }
    }

    fn after(&self, number: u64) -> (Vec<Arc<Published>>, bool) {
        let mut inner = self.lock();
        inner.pages += 1;
        let rest = inner.after(number);
        let page = rest.iter().take(PAGE).cloned().collect();
        (page, rest.len() > PAGE)
    }

    fn follow(&self, after: u64, sink: Arc<dyn Sink>) -> Result<Attach> {
        let mut inner = self.lock();
        if inner.after(after).len() > RING {
            return Ok(Attach::Behind);
        }
        let lost = Err(Error::unavailable("restarting", "no answer"));
        match inner.trouble.take() {
            Some(Trouble::LeftAndLost) => {
                // It comes while more is committed than fits.
                inner.commit(300, SAID);
                let missed = inner.after(after).to_vec();
                assert!(!sink.push_all(&missed));
                return lost;
            }
            Some(Trouble::SeatedAndLost) => {
                inner.sinks.push(sink);
                return lost;
            }
            None => inner.attaches += 1,
        }
        let missed = inner.after(after).to_vec();
        let mut parts = parts(&missed, (50, usize::MAX));
        if missed.is_empty() || parts.all(|part| sink.push_all(part)) {
            inner.sinks.push(sink);
        }
        let latest = u64::try_from(inner.events.len()).unwrap();
        Ok(Attach::Live { latest })
    }
}

impl Inner {
    fn after(&self, number: u64) -> &[Arc<Published>] {
        &self.events[usize::try_from(number).unwrap()..]
    }

    fn commit(&mut self, count: u64, channel: Channels) {
        let latest = self.events.len();
        for _ in 0..count {
            let number = u64::try_from(self.events.len()).unwrap() + 1;
            let event = Event {
                seq: number,
                pos: number,
                agent: self.session.id,
                group: self.session.id,
                kind: match channel {
                    SAID => EventKind::AssistantMessage,
                    _ => EventKind::Status,
                },
                at: Timestamp(0),
                data: "{}".into(),
            };
            let published = Published::new(event, self.session.owner);
            self.events.push(published);
        }
        let new = &self.events[latest..];
        self.sinks.retain(|sink| sink.push_all(new));
    }
}

impl Source for Floor {
    fn epoch(&self) -> &str {
        "e"
    }

    fn latest_pos(&self) -> u64 {
        self.latest()
    }

    fn visible_pos(&self) -> u64 {
        self.latest()
    }

    async fn readable(&self, _who: &Principal, _id: SessionId) -> Result<Session> {
        Ok(self.lock().session.clone())
    }

    async fn bounds(&self, _session: &Session, _after: After) -> Result<Bounds> {
        Ok(Bounds {
            oldest: 1,
            latest: self.latest(),
        })
    }

    async fn before_ring(&self, _session: &Session) -> Result<u64> {
        Ok(0)
    }

    async fn page(&self, _session: &Session, seq: u64) -> Result<EventPage> {
        tokio::task::yield_now().await;
        if self.lock().away {
            return Err(Error::unavailable("database_unreachable", "no answer"));
        }
        let (events, more) = self.after(seq);
        let last = events.last().map_or(seq, |event| event.event.seq);
        Ok(EventPage {
            live: false,
            events,
            next: last,
            more,
            oldest: 1,
            latest: self.latest(),
            gap: None,
        })
    }

    async fn places(&self, _who: &Principal, pos: u64) -> Result<Places> {
        tokio::task::yield_now().await;
        let (events, more) = self.after(pos);
        Ok(Places {
            events,
            more,
            removed: None,
        })
    }

    async fn attach(&self, _session: &Session, seq: u64, sink: Arc<dyn Sink>) -> Result<Attach> {
        tokio::task::yield_now().await;
        self.follow(seq, sink)
    }

    async fn attach_all(&self, pos: u64, sink: Arc<dyn Sink>) -> Result<Attach> {
        tokio::task::yield_now().await;
        self.follow(pos, sink)
    }
}

/// Frames that are numbers, and no others.
pub struct Plain;

impl Dialect for Plain {
    fn greeting(&self) -> Vec<ByteString> {
        Vec::new()
    }

    fn channels(&self, kind: EventKind) -> Channels {
        if kind == EventKind::AssistantMessage {
            SAID
        } else {
            TOLD
        }
    }

    fn frame(&self, event: &Published) -> Option<ByteString> {
        Some(event.event.seq.to_string().into())
    }

    fn command(&self, _text: &str) -> Result<Command, Refusal> {
        Err(Refusal::new("bad_json", "no commands"))
    }

    fn reply(&self, _reply: &Reply) -> ByteString {
        ByteString::new()
    }

    fn gap(&self, _gap: &Gap) -> ByteString {
        ByteString::new()
    }
}
