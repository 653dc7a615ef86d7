//! What goes out on a connection: frames, and what else its body is told to write.
//!
//! Never a frame that waits; that is the outbox.

use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;
use tokio::time::Instant;

use super::close::Close;
use crate::app::Piece;

/// A frame as it goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Of text.
    Text(ByteString),
    /// Of bytes.
    Binary(Bytes),
}

impl Body {
    /// Bytes of the payload.
    #[must_use]
    #[expect(
        clippy::len_without_is_empty,
        reason = "nobody asks whether a frame is empty"
    )]
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }
}

impl From<ByteString> for Body {
    fn from(text: ByteString) -> Self {
        Self::Text(text)
    }
}

/// The next thing to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// A frame.
    Frame(Body),
    /// A piece of a message that is being written.
    Piece(Arc<Piece>),
    /// Answer the newest ping.
    Pong(Bytes),
    /// Ask whether the client is there.
    Ping,
    /// Close with this; nothing follows.
    Close(Close),
    /// The connection is over.
    Over,
}

/// Where a connection stands, for the watch over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Open; since when its reader makes no room for what does not fit, if so.
    Open(Option<Instant>),
    /// It is to close, or has been told to.
    Closing(Close),
    /// Its actor is gone.
    Over,
}
