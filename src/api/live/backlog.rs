//! The frames that wait on one connection, in order, and which of them goes when there are too many.
//!
//! Never lets a piece of a message push an event out: pieces are left out first, and joined where
//! they meet.

use std::collections::VecDeque;
use std::sync::Arc;

use super::frame::{Body, Next};
use super::gaps::Origin;
use crate::app::Piece;

/// Most frames that wait (decisions.md 5).
pub const MAX_FRAMES: usize = 256;
/// Most bytes that wait (decisions.md 5).
pub const MAX_BYTES: usize = 1024 * 1024;
/// Free frames that a replay waits for: one ring fits (websockets.md).
const ROOM_FRAMES: usize = 200;
/// With so much waiting, pieces of messages are left out: events come first.
const LIVE_FRAMES: usize = 32;
const LIVE_BYTES: usize = 128 * 1024;

/// One frame.
pub(super) struct Frame {
    what: What,
    origin: Option<Origin>,
    /// What nothing later makes good: bytes of a terminal, a replay, the hello.
    kept: bool,
}

enum What {
    Body(Body),
    Piece(Arc<Piece>),
}

impl Frame {
    pub(super) fn new(body: Body, origin: Option<Origin>, kept: bool) -> Self {
        let what = What::Body(body);
        Self { what, origin, kept }
    }

    /// As it goes out.
    pub(super) fn next(self) -> Next {
        match self.what {
            What::Body(body) => Next::Frame(body),
            What::Piece(piece) => Next::Piece(piece),
        }
    }

    fn len(&self) -> usize {
        match &self.what {
            What::Body(body) => body.len(),
            What::Piece(piece) => piece.text.len(),
        }
    }

    fn is_piece(&self) -> bool {
        matches!(self.what, What::Piece(_))
    }
}

/// See the module.
#[derive(Default)]
pub(super) struct Backlog {
    frames: VecDeque<Frame>,
    bytes: usize,
}

impl Backlog {
    /// Puts a frame behind the others.
    pub(super) fn push(&mut self, frame: Frame) {
        self.bytes = self.bytes.saturating_add(frame.len());
        self.frames.push_back(frame);
    }

    /// Puts a piece of a message behind the others, or joins it to the one in front of it. Whether
    /// it waits now.
    pub(super) fn speak(&mut self, piece: &Arc<Piece>) -> bool {
        let last = match self.frames.back_mut().map(|frame| &mut frame.what) {
            Some(What::Piece(last)) => Some(last),
            Some(What::Body(_)) | None => None,
        };
        if let Some(last) = last
            && let Some(joined) = last.joined(piece)
        {
            *last = Arc::new(joined);
            self.bytes = self.bytes.saturating_add(piece.text.len());
            return true;
        }
        if self.frames.len() >= LIVE_FRAMES || self.bytes >= LIVE_BYTES {
            return false;
        }
        self.push(Frame {
            what: What::Piece(Arc::clone(piece)),
            origin: None,
            kept: false,
        });
        true
    }

    /// Takes the oldest.
    pub(super) fn pop(&mut self) -> Option<Frame> {
        let frame = self.frames.pop_front()?;
        self.bytes = self.bytes.saturating_sub(frame.len());
        Some(frame)
    }

    /// Whether more waits than may.
    pub(super) fn is_over(&self) -> bool {
        self.frames.len() > MAX_FRAMES || self.bytes > MAX_BYTES
    }

    /// Whether all of these fit; pieces of messages give way when that makes them fit.
    pub(super) fn makes_room(&mut self, more: &[Frame]) -> bool {
        let own: usize = more.iter().map(Frame::len).sum();
        let stays = self.frames.iter().filter(|frame| !frame.is_piece());
        let (count, bytes) = stays.fold((more.len(), own), |(count, bytes), frame| {
            (count.saturating_add(1), bytes.saturating_add(frame.len()))
        });
        if count > MAX_FRAMES || bytes > MAX_BYTES {
            return false;
        }
        while self.frames.len().saturating_add(more.len()) > MAX_FRAMES
            || self.bytes.saturating_add(own) > MAX_BYTES
        {
            if !self.leave_out_piece() {
                return false;
            }
        }
        true
    }

    /// Drops the oldest piece of a message. Whether there was one.
    pub(super) fn leave_out_piece(&mut self) -> bool {
        let place = self.frames.iter().position(Frame::is_piece);
        place.is_some_and(|place| self.remove(place).is_some())
    }

    /// Drops the oldest event, whose place is given; a reply only when there is no event. `None`:
    /// nothing may go.
    pub(super) fn drop_oldest(&mut self) -> Option<Option<Origin>> {
        let mut frames = self.frames.iter();
        let event = frames.position(|frame| frame.origin.is_some());
        let reply = || self.frames.iter().position(|frame| !frame.kept);
        let frame = self.remove(event.or_else(reply)?)?;
        Some(frame.origin)
    }

    fn remove(&mut self, place: usize) -> Option<Frame> {
        let frame = self.frames.remove(place)?;
        self.bytes = self.bytes.saturating_sub(frame.len());
        Some(frame)
    }

    /// Whether a reply comes next: gaps are told behind it.
    pub(super) fn reply_is_first(&self) -> bool {
        let first = self.frames.front();
        first.is_some_and(|frame| frame.origin.is_none() && !frame.is_piece())
    }

    /// Whether a replay may go on.
    pub(super) fn has_room(&self) -> bool {
        self.frames.len().saturating_add(ROOM_FRAMES) <= MAX_FRAMES && self.bytes <= MAX_BYTES / 2
    }

    /// Whether the bounds hold and the bytes are counted right.
    #[cfg(test)]
    pub(super) fn is_sound(&self) -> bool {
        let sum: usize = self.frames.iter().map(Frame::len).sum();
        sum == self.bytes && !self.is_over()
    }
}
