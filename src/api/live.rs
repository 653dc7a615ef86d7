//! The one WebSocket actor: carries frames between a connection and a dialect.
//!
//! Never holds what must run while a reader stalls: the actor is the response body and is polled
//! only when the writer asks (websockets.md, variant e). Frames never travel through its mailbox.

mod backlog;
mod carrier;
pub mod close;
pub mod cutter;
pub mod dialect;
pub mod figures;
pub mod follow;
pub mod frame;
pub mod gaps;
pub mod keys;
pub mod outbox;
pub mod paced;
pub mod refusal;
pub mod screen;
pub mod serve;
pub mod sip;
pub mod source;
pub mod stream;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix::{Actor, ActorContext, ActorFuture, AsyncContext, Running, SpawnHandle, StreamHandler};
use actix_http::ws::{CloseCode, CloseReason, Codec, Item};
use actix_web_actors::ws::{Message, ProtocolError, WebsocketContext};
use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use tokio::sync::mpsc;

use crate::app::Registration;
use crate::crash;

use close::Close;
use dialect::{Command, Dialect, Refusal, Reply};
use keys::Keys;
use outbox::{Body, Next, Outbox};
use paced::{Paced, Window};
use sip::{Sip, Unhandled};

/// Largest frame, and largest message of several frames, in bytes.
pub const MAX_FRAME: usize = 64 * 1024;

/// The actor of one connection.
pub struct Socket<D: Dialect> {
    outbox: Arc<Outbox>,
    dialect: Arc<D>,
    commands: mpsc::Sender<Command>,
    keys: Keys,
    window: Window,
    unhandled: Unhandled,
    fragments: Option<BytesMut>,
    /// Whether they are of a binary message.
    of_bytes: bool,
    /// Bytes of the frames that carried the fragments so far.
    owed: usize,
    _registration: Registration,
}

/// What a socket is made of.
pub struct Parts<D: Dialect> {
    /// Where its frames come from.
    pub outbox: Arc<Outbox>,
    /// How it speaks.
    pub dialect: Arc<D>,
    /// Where its commands go.
    pub commands: mpsc::Sender<Command>,
    /// Where typed bytes go.
    pub keys: Keys,
    /// Its place in the list of connections; dropped with the actor.
    pub registration: Registration,
}

impl<D: Dialect> Socket<D> {
    /// The response body that carries a connection, over the request's payload.
    pub fn body<S>(
        parts: Parts<D>,
        payload: S,
    ) -> impl futures_util::Stream<Item = Result<Bytes, actix_web::Error>> + 'static
    where
        S: futures_util::Stream<Item = Result<Bytes, actix_web::error::PayloadError>>
            + Unpin
            + 'static,
    {
        let window = Window::default();
        let unhandled = parts.keys.unhandled();
        let socket = Self {
            outbox: parts.outbox,
            dialect: parts.dialect,
            commands: parts.commands,
            keys: parts.keys,
            window: window.clone(),
            unhandled: unhandled.clone(),
            fragments: None,
            of_bytes: false,
            owed: 0,
            _registration: parts.registration,
        };
        let outbox = Arc::clone(&socket.outbox);
        let refuse = move || outbox.close(Close::TooLarge);
        let input = Sip::new(payload, (unhandled, MAX_FRAME), refuse);
        let codec = Codec::new().max_size(MAX_FRAME);
        Paced::new(WebsocketContext::with_codec(socket, input, codec), window)
    }

    /// Takes a text frame. Whether it is handled, or waits with its bytes.
    fn text(&self, text: &str, owed: usize) -> Taken {
        match self.dialect.command(text) {
            Ok(Command::Keys { bytes }) => return self.typed(&bytes, owed),
            Ok(command) => self.act(command),
            Err(refusal) => self.refuse(refusal),
        }
        Taken::Handled
    }

    fn binary(&self, bytes: &Bytes, owed: usize) -> Taken {
        match self.dialect.binary(bytes) {
            Ok(Command::Keys { bytes }) => return self.typed(&bytes, owed),
            Ok(command) => self.act(command),
            Err(refusal) => self.refuse(refusal),
        }
        Taken::Handled
    }

    fn typed(&self, bytes: &[u8], owed: usize) -> Taken {
        self.keys.push(bytes, owed);
        Taken::Waits
    }

    fn act(&self, command: Command) {
        if let Err(error) = self.commands.try_send(command) {
            let command = match error {
                mpsc::error::TrySendError::Full(command)
                | mpsc::error::TrySendError::Closed(command) => command,
            };
            self.refuse(Refusal::rate_limited(command.id()));
        }
    }

    fn refuse(&self, refusal: Refusal) {
        let frame = self.dialect.reply(&Reply::Error(refusal));
        self.outbox.reply(frame);
    }

    /// Takes a part of a message; what carried it is owed until the whole is handled.
    fn fragment(&mut self, item: Item, owed: usize) -> Taken {
        self.owed = self.owed.saturating_add(owed);
        match item {
            Item::FirstText(bytes) => self.begin(&bytes, false),
            Item::FirstBinary(bytes) => self.begin(&bytes, true),
            Item::Continue(bytes) => {
                self.collect(&bytes);
            }
            Item::Last(bytes) => {
                self.collect(&bytes);
                let owed = std::mem::take(&mut self.owed);
                if self.whole(owed) == Taken::Handled {
                    self.unhandled.done(owed);
                }
            }
        }
        Taken::Waits
    }

    fn begin(&mut self, bytes: &Bytes, of_bytes: bool) {
        self.fragments = Some(BytesMut::from(bytes.as_ref()));
        self.of_bytes = of_bytes;
    }

    /// Takes the message that the fragments make.
    fn whole(&mut self, owed: usize) -> Taken {
        let whole = self.fragments.take().map(BytesMut::freeze);
        if let (Some(bytes), true) = (&whole, self.of_bytes) {
            return self.binary(bytes, owed);
        }
        match whole.map(ByteString::try_from) {
            Some(Ok(text)) => self.text(&text, owed),
            Some(Err(_)) | None => {
                self.outbox.close(Close::Protocol);
                Taken::Handled
            }
        }
    }

    fn collect(&mut self, bytes: &Bytes) {
        let Some(fragments) = &mut self.fragments else {
            return self.outbox.close(Close::Protocol);
        };
        if fragments.len().saturating_add(bytes.len()) > MAX_FRAME {
            self.fragments = None;
            return self.outbox.close(Close::TooLarge);
        }
        fragments.extend_from_slice(bytes);
    }
}

impl<D: Dialect> Actor for Socket<D> {
    type Context = WebsocketContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        crash::point("socket.started");
        for frame in self.dialect.greeting() {
            self.outbox.reply(frame);
        }
        let _: SpawnHandle = ctx.spawn(Pull);
    }

    fn stopping(&mut self, _: &mut Self::Context) -> Running {
        self.outbox.finish();
        Running::Stop
    }
}

impl<D: Dialect> Drop for Socket<D> {
    fn drop(&mut self) {
        self.keys.finish();
        self.outbox.finish();
    }
}

impl<D: Dialect> StreamHandler<Result<Message, ProtocolError>> for Socket<D> {
    fn handle(&mut self, message: Result<Message, ProtocolError>, _: &mut Self::Context) {
        crash::point("socket.Result");
        self.outbox.heard();
        match message {
            Ok(message) => {
                let owed = Unhandled::size(payload_len(&message));
                if self.message(message, owed) == Taken::Handled {
                    self.unhandled.done(owed);
                }
            }
            Err(ProtocolError::Overflow) => self.outbox.close(Close::TooLarge),
            Err(_) => self.outbox.close(Close::Protocol),
        }
    }
}

impl<D: Dialect> Socket<D> {
    fn message(&mut self, message: Message, owed: usize) -> Taken {
        match message {
            Message::Text(text) => return self.text(&text, owed),
            Message::Binary(bytes) => return self.binary(&bytes, owed),
            Message::Ping(payload) => self.outbox.pong(payload),
            Message::Pong(_) | Message::Nop => {}
            Message::Continuation(item) => return self.fragment(item, owed),
            Message::Close(reason) => {
                let code = reason.map_or(1000, |reason| u16::from(reason.code));
                self.outbox.close(Close::Echo(code));
            }
        }
        Taken::Handled
    }
}

/// What became of a message.
#[derive(PartialEq, Eq)]
enum Taken {
    /// It is done with.
    Handled,
    /// Its bytes wait to be typed.
    Waits,
}

fn payload_len(message: &Message) -> usize {
    match message {
        Message::Text(text) => text.len(),
        Message::Binary(bytes) | Message::Ping(bytes) | Message::Pong(bytes) => bytes.len(),
        Message::Continuation(
            Item::FirstText(bytes)
            | Item::FirstBinary(bytes)
            | Item::Continue(bytes)
            | Item::Last(bytes),
        ) => bytes.len(),
        Message::Close(reason) => reason.as_ref().map_or(0, |reason| {
            reason
                .description
                .as_ref()
                .map_or(2, |text| text.len().saturating_add(2))
        }),
        Message::Nop => 0,
    }
}

/// Moves frames from the outbox into the body's chunk while its window is open.
struct Pull;

impl<D: Dialect> ActorFuture<Socket<D>> for Pull {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        socket: &mut Socket<D>,
        ctx: &mut WebsocketContext<Socket<D>>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        crash::point("socket.pull");
        // At a full window this is pending without a waker: the chunk is not empty, so the body
        // is polled again when it has been taken.
        while socket.window.open() {
            let Poll::Ready(next) = socket.outbox.poll(cx) else {
                return Poll::Pending;
            };
            match next {
                Next::Frame(Body::Text(text)) => write(socket, ctx, text),
                Next::Frame(Body::Binary(bytes)) => {
                    socket.window.spend(bytes.len().saturating_add(4));
                    ctx.binary(bytes);
                }
                Next::Piece(piece) => {
                    if let Some(text) = socket.dialect.piece(&piece) {
                        write(socket, ctx, text);
                    }
                }
                Next::Pong(payload) => {
                    socket.window.spend(payload.len());
                    ctx.write_raw(Message::Pong(payload));
                }
                Next::Ping => ctx.ping(b""),
                Next::Close(close) => {
                    ctx.close(Some(reason(close)));
                    ctx.stop();
                    return Poll::Ready(());
                }
                Next::Over => {
                    ctx.stop();
                    return Poll::Ready(());
                }
            }
        }
        Poll::Pending
    }
}

fn write<D: Dialect>(socket: &Socket<D>, ctx: &mut WebsocketContext<Socket<D>>, text: ByteString) {
    socket.window.spend(text.len().saturating_add(4));
    ctx.text(text);
}

fn reason(close: Close) -> CloseReason {
    let text = close.text();
    CloseReason {
        code: CloseCode::from(close.code()),
        description: (!text.is_empty()).then(|| text.to_owned()),
    }
}
