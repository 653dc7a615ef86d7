//! What the one socket actor carries: a protocol of text frames over an outbox.
//!
//! Never acts in the actor: whoever speaks hands on what has to be done.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use bytestring::ByteString;
use tokio::sync::mpsc;

use super::close::Close;
use super::dialect::{Command, Dialect, Refusal, Reply};
use super::keys::Keys;
use super::outbox::Outbox;
use super::sip::Unhandled;
use crate::app::{Piece, Registration};

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is done with.
    Handled,
    /// Its bytes wait to be typed.
    Waits,
}

/// The largest message of a connection, which may grow once it is known who speaks.
#[derive(Debug, Clone)]
pub struct Limit {
    now: Arc<AtomicUsize>,
    most: usize,
}

impl Limit {
    /// So many bytes at first, and `most` for ever.
    #[must_use]
    pub fn new(now: usize, most: usize) -> Self {
        Self {
            now: Arc::new(AtomicUsize::new(now.min(most))),
            most,
        }
    }

    /// At the moment.
    #[must_use]
    pub fn now(&self) -> usize {
        self.now.load(Ordering::Relaxed)
    }

    /// What it can never be above.
    #[must_use]
    pub fn most(&self) -> usize {
        self.most
    }

    /// Is so much from now on.
    pub fn set(&self, bytes: usize) {
        self.now.store(bytes.min(self.most), Ordering::Relaxed);
    }
}

/// A protocol on a socket.
pub trait Speech: Unpin + 'static {
    /// From where its frames come; another one once the protocol says so.
    fn outbox(&self) -> &Arc<Outbox>;
    /// Its largest message.
    fn limit(&self) -> Limit;
    /// Takes a text frame, of so many bytes on the line.
    fn text(&self, text: &str, owed: usize) -> Taken;
    /// Takes a binary frame.
    fn binary(&self, bytes: &Bytes, owed: usize) -> Taken;

    /// The first frames.
    fn greeting(&self) -> Vec<ByteString> {
        Vec::new()
    }

    /// Counts what is read and not handled.
    fn unhandled(&self) -> Unhandled {
        Unhandled::default()
    }

    /// The frame of a piece of a message.
    fn piece(&self, _piece: &Piece) -> Option<ByteString> {
        None
    }

    /// The protocol's own question for a sign of life; `None`: that of WebSockets.
    fn ping(&self) -> Option<ByteString> {
        None
    }

    /// What is done when a message is larger than the limit; nothing is read behind it.
    fn too_large(&self) -> Box<dyn FnOnce()> {
        let outbox = Arc::clone(self.outbox());
        Box::new(move || outbox.close(Close::TooLarge))
    }

    /// The socket is over.
    fn finish(&self) {}
}

/// A dialect of commands on a socket.
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

impl<D: Dialect> Parts<D> {
    fn take(&self, command: Result<Command, Refusal>, owed: usize) -> Taken {
        match command {
            Ok(Command::Keys { bytes }) => {
                self.keys.push(&bytes, owed);
                return Taken::Waits;
            }
            Ok(command) => self.act(command),
            Err(refusal) => self.refuse(refusal),
        }
        Taken::Handled
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
}

impl<D: Dialect> Speech for Parts<D> {
    fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }

    fn limit(&self) -> Limit {
        Limit::new(super::MAX_FRAME, super::MAX_FRAME)
    }

    fn text(&self, text: &str, owed: usize) -> Taken {
        self.take(self.dialect.command(text), owed)
    }

    fn binary(&self, bytes: &Bytes, owed: usize) -> Taken {
        self.take(self.dialect.binary(bytes), owed)
    }

    fn greeting(&self) -> Vec<ByteString> {
        self.dialect.greeting()
    }

    fn unhandled(&self) -> Unhandled {
        self.keys.unhandled()
    }

    fn piece(&self, piece: &Piece) -> Option<ByteString> {
        self.dialect.piece(piece)
    }

    fn finish(&self) {
        self.keys.finish();
    }
}
