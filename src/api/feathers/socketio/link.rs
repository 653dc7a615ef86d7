//! One connection of the real-time client, over whichever transport: its state, who is signed in on
//! it, and what it was asked for.
//!
//! Never answers a request: that does the task beside it (`requests.rs`).

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::Instant;
use uuid::Uuid;

use super::cursor::{self, Pace};
use super::engine::{Engine, GUEST_PAYLOAD, MAX_PAYLOAD, SIGN_IN_WITHIN, Step, Transport};
use super::links::Links;
use super::packet::{Addressed, Frame, Packet};
use super::words;
use crate::api::live::close::Close;
use crate::api::live::outbox::Outbox;
use crate::api::live::speech::Limit;
use crate::app::{App, Connection, Registration, Visit};
use crate::domain::Result;

/// Requests of one connection that wait; one more is refused.
const MAX_WAITING: usize = 256;
/// Bytes of them.
const MAX_WAITING_BYTES: usize = 2 * MAX_PAYLOAD;

/// What a client asks for.
#[derive(Debug)]
pub enum Request {
    /// To be let in, with what it signs in by.
    Connect(Value),
    /// An event that is a call: its id if it wants an answer, its arguments, its size.
    Call(Option<u64>, Vec<Value>, usize),
}

/// See the module.
pub struct Link {
    /// The transport's name of it: who knows it speaks on it.
    pub sid: String,
    /// The client's name of it.
    pub socket: String,
    /// What goes out.
    pub outbox: Arc<Outbox>,
    /// The largest message that comes in.
    pub limit: Limit,
    /// The application.
    pub app: App,
    /// All of them.
    pub links: Links,
    /// What came in a header of the handshake.
    pub token: Result<Option<String>>,
    /// Whether a request waits for packets.
    pub polled: AtomicBool,
    /// Whether a request brings packets.
    pub posted: AtomicBool,
    engine: Mutex<Engine>,
    seat: Mutex<Seat>,
    pace: Mutex<Pace>,
    requests: mpsc::Sender<Request>,
    waiting: AtomicUsize,
}

/// Who is signed in.
struct Seat {
    /// Whether the client was let in.
    connected: bool,
    visit: Option<Visit>,
    /// How long nobody has to be.
    until: Instant,
    _registration: Registration,
}

impl Link {
    /// A new one on which nobody is signed in, and where its requests come out.
    ///
    /// # Errors
    /// `too_many_connections`, `draining`.
    pub fn new(
        app: &App,
        links: &Links,
        transport: Transport,
        token: Result<Option<String>>,
    ) -> Result<(Arc<Self>, mpsc::Receiver<Request>)> {
        let outbox = Arc::new(Outbox::new());
        let listed: Arc<dyn Connection> = Arc::<Outbox>::clone(&outbox);
        let seat = Seat {
            connected: false,
            visit: None,
            until: Instant::now() + SIGN_IN_WITHIN,
            _registration: app.receive(listed)?,
        };
        let (requests, asked) = mpsc::channel(MAX_WAITING);
        let name = || Uuid::new_v4().simple().to_string();
        let link = Self {
            sid: name(),
            socket: name(),
            outbox,
            limit: Limit::new(GUEST_PAYLOAD, MAX_PAYLOAD),
            app: app.clone(),
            links: links.clone(),
            token,
            polled: AtomicBool::new(false),
            posted: AtomicBool::new(false),
            engine: Mutex::new(Engine::new(transport)),
            seat: Mutex::new(seat),
            pace: Mutex::new(Pace::new(Instant::now())),
            requests,
            waiting: AtomicUsize::new(0),
        };
        Ok((Arc::new(link), asked))
    }

    /// Who is signed in, as long as the token lasts.
    #[must_use]
    pub fn visit(&self) -> Option<Visit> {
        let visit = self.seat().visit.clone()?;
        self.app.remaining(&visit).is_some().then_some(visit)
    }

    /// How long it may stay open.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        let seat = self.seat();
        match &seat.visit {
            Some(visit) => self.app.remaining(visit).unwrap_or(Duration::ZERO),
            None => seat.until.saturating_duration_since(Instant::now()),
        }
    }

    /// Signs somebody in, in the place of who was.
    ///
    /// # Errors
    /// `too_many_connections`, `draining`, `token_revoked`.
    pub async fn enter(&self, visit: &Visit) -> Result<()> {
        let listed: Arc<dyn Connection> = Arc::<Outbox>::clone(&self.outbox);
        let (registration, visit) = self.app.register(visit, listed).await?;
        let audience = self.links.audience();
        audience.join(&self.socket, &visit.who, Arc::clone(&self.outbox));
        {
            let mut seat = self.seat();
            seat.visit = Some(visit);
            seat._registration = registration;
        }
        if self.outbox.standing_over() {
            // It ended meanwhile, and whoever tidied up was here before.
            audience.part(&self.socket);
        }
        self.limit.set(MAX_PAYLOAD);
        self.outbox.look();
        Ok(())
    }

    /// Signs out: the connection stays, as one that nobody is signed in on.
    ///
    /// # Errors
    /// `too_many_connections`, `draining`.
    pub fn leave(&self) -> Result<()> {
        self.links.audience().part(&self.socket);
        self.limit.set(GUEST_PAYLOAD);
        let listed: Arc<dyn Connection> = Arc::<Outbox>::clone(&self.outbox);
        let received = self.app.receive(listed);
        let mut seat = self.seat();
        seat.visit = None;
        seat.until = Instant::now() + SIGN_IN_WITHIN;
        seat._registration = received?;
        drop(seat);
        self.outbox.look();
        Ok(())
    }

    /// Lets the client in. `false`: it is in.
    #[must_use]
    pub fn connect(&self) -> bool {
        !std::mem::replace(&mut self.seat().connected, true)
    }

    /// How its packets travel.
    #[must_use]
    pub fn engine(&self) -> Engine {
        *self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The WebSocket that was tried is gone.
    pub fn abandon(&self) {
        let mut engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        engine.abandon();
    }

    /// Takes the text of a packet; what is left to do on the transport that it came by.
    pub fn take<'a>(&self, by: Transport, text: &'a str) -> Step<'a> {
        let step = {
            let mut engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
            engine.take(by, Frame::read(text))
        };
        match step {
            Step::Message(text) => self.message(text),
            Step::End => self.outbox.close(Close::Echo(1000)),
            Step::Fault => self.outbox.close(Close::Protocol),
            // A request that waits shall look again.
            Step::Probed | Step::Upgraded => self.outbox.nudge(),
            Step::Nothing | Step::Abandon => {}
        }
        step
    }

    fn message(&self, text: &str) {
        let Some(Addressed { namespace, packet }) = Addressed::read(text) else {
            return self.outbox.close(Close::Protocol);
        };
        if namespace != "/" {
            if let Packet::Connect(_) = packet {
                let packet = Packet::ConnectError(json!({"message": "Invalid namespace"}));
                self.say(&Addressed { namespace, packet });
            }
            return;
        }
        let early = !matches!(packet, Packet::Connect(_) | Packet::Disconnect);
        if early && !self.seat().connected {
            return self.outbox.close(Close::Protocol);
        }
        match packet {
            Packet::Connect(auth) => self.ask(None, Request::Connect(auth)),
            Packet::Disconnect => self.outbox.close(Close::Echo(1000)),
            Packet::Event(id, all) => self.event(id, all, text.len()),
            Packet::Binary(Some(id)) => self.acknowledge(id, Err(words::no_bytes())),
            // Nothing was asked of the client.
            Packet::Binary(None) | Packet::Ack(..) | Packet::ConnectError(_) => {}
        }
    }

    fn event(&self, id: Option<u64>, all: Vec<Value>, bytes: usize) {
        let name = all.first().and_then(Value::as_str).unwrap_or_default();
        let Some(moved) = cursor::Moved::named(name) else {
            return self.ask(id, Request::Call(id, all, bytes));
        };
        let paced = {
            let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
            pace.takes(Instant::now())
        };
        // Presence: who is not signed in, too quick or unclear is not shown.
        if paced
            && let Some(visit) = self.visit()
            && let Some(text) = moved.told(visit.who.user, all.get(1), self.app.now())
        {
            self.links.audience().tell_others(&self.socket, &text);
        }
    }

    fn ask(&self, id: Option<u64>, request: Request) {
        let bytes = request.bytes();
        let before = self.waiting.fetch_add(bytes, Ordering::AcqRel);
        let fits = before.saturating_add(bytes) <= MAX_WAITING_BYTES;
        if fits && self.requests.try_send(request).is_ok() {
            return;
        }
        self.waiting.fetch_sub(bytes, Ordering::AcqRel);
        if let Some(id) = id {
            self.acknowledge(id, Err(words::too_many()));
        }
    }

    /// A request is no longer kept.
    pub fn done(&self, bytes: usize) {
        self.waiting.fetch_sub(bytes, Ordering::AcqRel);
    }

    /// Answers, at once and briefly.
    pub fn acknowledge(&self, id: u64, answer: std::result::Result<Value, Value>) {
        self.say(&answered(id, answer));
    }

    /// Says something that nobody waits with.
    pub fn say(&self, packet: &Addressed) {
        self.outbox.reply(packet.write());
    }

    fn seat(&self) -> MutexGuard<'_, Seat> {
        self.seat.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Request {
    /// What it weighs while it waits.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Connect(_) => 0,
            Self::Call(_, _, bytes) => *bytes,
        }
    }
}

/// The packet of an answer: `[null, result]`, or `[error]`.
#[must_use]
pub fn answered(id: u64, answer: std::result::Result<Value, Value>) -> Addressed {
    let all = match answer {
        Ok(result) => vec![Value::Null, result],
        Err(error) => vec![error],
    };
    Addressed::new(Packet::Ack(id, all))
}
