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
pub mod speech;
pub mod stream;
pub mod upgrade;

use std::pin::Pin;
use std::task::{Context, Poll};

use actix::{Actor, ActorContext, ActorFuture, AsyncContext, Running, SpawnHandle, StreamHandler};
use actix_http::ws::{CloseCode, CloseReason, Codec, Item};
use actix_web_actors::ws::{Message, ProtocolError, WebsocketContext};
use bytes::{Bytes, BytesMut};
use bytestring::ByteString;

use crate::crash;

use close::Close;
use outbox::{Body, Next};
use paced::{Paced, Window};
use sip::{Sip, Unhandled};
use speech::{Speech, Taken};

/// Largest frame, and largest message of several frames, in bytes; where a protocol says no other.
pub const MAX_FRAME: usize = 64 * 1024;

/// The actor of one connection.
pub struct Socket<S: Speech> {
    speech: S,
    window: Window,
    unhandled: Unhandled,
    fragments: Option<BytesMut>,
    /// Whether they are of a binary message.
    of_bytes: bool,
    /// Bytes of the frames that carried the fragments so far.
    owed: usize,
}

impl<S: Speech> Socket<S> {
    /// The response body that carries a connection, over the request's payload.
    pub fn body<P>(
        speech: S,
        payload: P,
    ) -> impl futures_util::Stream<Item = Result<Bytes, actix_web::Error>> + 'static
    where
        P: futures_util::Stream<Item = Result<Bytes, actix_web::error::PayloadError>>
            + Unpin
            + 'static,
    {
        let window = Window::default();
        let unhandled = speech.unhandled();
        let limit = speech.limit();
        let input = Sip::new(
            payload,
            (unhandled.clone(), limit.clone()),
            speech.too_large(),
        );
        let codec = Codec::new().max_size(limit.most());
        let socket = Self {
            speech,
            window: window.clone(),
            unhandled,
            fragments: None,
            of_bytes: false,
            owed: 0,
        };
        Paced::new(WebsocketContext::with_codec(socket, input, codec), window)
    }

    fn close(&self, close: Close) {
        self.speech.outbox().close(close);
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
            return self.speech.binary(bytes, owed);
        }
        match whole.map(ByteString::try_from) {
            Some(Ok(text)) => self.speech.text(&text, owed),
            Some(Err(_)) | None => {
                self.close(Close::Protocol);
                Taken::Handled
            }
        }
    }

    fn collect(&mut self, bytes: &Bytes) {
        let Some(fragments) = &mut self.fragments else {
            return self.close(Close::Protocol);
        };
        if fragments.len().saturating_add(bytes.len()) > self.speech.limit().now() {
            self.fragments = None;
            return self.close(Close::TooLarge);
        }
        fragments.extend_from_slice(bytes);
    }
}

impl<S: Speech> Actor for Socket<S> {
    type Context = WebsocketContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        crash::point("socket.started");
        for frame in self.speech.greeting() {
            self.speech.outbox().reply(frame);
        }
        let _: SpawnHandle = ctx.spawn(Pull);
    }

    fn stopping(&mut self, _: &mut Self::Context) -> Running {
        self.speech.outbox().finish();
        Running::Stop
    }
}

impl<S: Speech> Drop for Socket<S> {
    fn drop(&mut self) {
        self.speech.finish();
        self.speech.outbox().finish();
    }
}

impl<S: Speech> StreamHandler<Result<Message, ProtocolError>> for Socket<S> {
    fn handle(&mut self, message: Result<Message, ProtocolError>, _: &mut Self::Context) {
        crash::point("socket.Result");
        self.speech.outbox().heard();
        match message {
            Ok(message) => {
                let owed = Unhandled::size(payload_len(&message));
                if self.message(message, owed) == Taken::Handled {
                    self.unhandled.done(owed);
                }
            }
            Err(ProtocolError::Overflow) => self.close(Close::TooLarge),
            Err(_) => self.close(Close::Protocol),
        }
    }
}

impl<S: Speech> Socket<S> {
    fn message(&mut self, message: Message, owed: usize) -> Taken {
        match message {
            Message::Text(text) => return self.speech.text(&text, owed),
            Message::Binary(bytes) => return self.speech.binary(&bytes, owed),
            Message::Ping(payload) => self.speech.outbox().pong(payload),
            Message::Pong(_) | Message::Nop => {}
            Message::Continuation(item) => return self.fragment(item, owed),
            Message::Close(reason) => {
                let code = reason.map_or(1000, |reason| u16::from(reason.code));
                self.close(Close::Echo(code));
            }
        }
        Taken::Handled
    }
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

impl<S: Speech> ActorFuture<Socket<S>> for Pull {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        socket: &mut Socket<S>,
        ctx: &mut WebsocketContext<Socket<S>>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        crash::point("socket.pull");
        // At a full window this is pending without a waker: the chunk is not empty, so the body
        // is polled again when it has been taken.
        while socket.window.open() {
            let Poll::Ready(next) = socket.speech.outbox().poll(cx) else {
                return Poll::Pending;
            };
            match next {
                Next::Frame(Body::Text(text)) => write(socket, ctx, text),
                Next::Frame(Body::Binary(bytes)) => {
                    socket.window.spend(bytes.len().saturating_add(4));
                    ctx.binary(bytes);
                }
                Next::Piece(piece) => {
                    if let Some(text) = socket.speech.piece(&piece) {
                        write(socket, ctx, text);
                    }
                }
                Next::Pong(payload) => {
                    socket.window.spend(payload.len());
                    ctx.write_raw(Message::Pong(payload));
                }
                Next::Ping => match socket.speech.ping() {
                    Some(text) => write(socket, ctx, text),
                    None => ctx.ping(b""),
                },
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

fn write<S: Speech>(socket: &Socket<S>, ctx: &mut WebsocketContext<Socket<S>>, text: ByteString) {
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
