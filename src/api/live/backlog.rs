//! The frames that wait on one connection, in order.
//!
//! Never leaves out an event or a reply: only pieces of messages give way, and are joined where they
//! meet.

use std::collections::VecDeque;
use std::sync::Arc;

use super::frame::{Body, Next};
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

/// Most replies that wait; more is a client that asks and does not read.
pub const MAX_REPLIES: usize = 1_024;
/// Most bytes of them.
pub const MAX_REPLY_BYTES: usize = 256 * 1024;
/// With so many replies waiting the next command waits as well.
const CALM_REPLIES: usize = 128;

/// One frame.
pub(super) struct Frame {
    what: What,
    /// Whether it answers the client.
    reply: bool,
}

enum What {
    Body(Body),
    Piece(Arc<Piece>),
}

impl Frame {
    /// One that whoever brings it has waited with until there was room.
    pub(super) fn new(body: Body) -> Self {
        let what = What::Body(body);
        Self { what, reply: false }
    }

    /// An answer to the client, which comes at any time.
    pub(super) fn reply(body: Body) -> Self {
        let what = What::Body(body);
        Self { what, reply: true }
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
    replies: usize,
    reply_bytes: usize,
}

impl Backlog {
    /// Puts a frame behind the others.
    pub(super) fn push(&mut self, frame: Frame) {
        if frame.reply {
            self.replies = self.replies.saturating_add(1);
            self.reply_bytes = self.reply_bytes.saturating_add(frame.len());
        }
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
            reply: false,
        });
        true
    }

    /// Takes the oldest.
    pub(super) fn pop(&mut self) -> Option<Frame> {
        let frame = self.frames.pop_front()?;
        self.bytes = self.bytes.saturating_sub(frame.len());
        if frame.reply {
            self.replies = self.replies.saturating_sub(1);
            self.reply_bytes = self.reply_bytes.saturating_sub(frame.len());
        }
        Some(frame)
    }

    /// Leaves pieces of messages out while more waits than may.
    pub(super) fn trim(&mut self) {
        let over = |of: &Self| of.frames.len() > MAX_FRAMES || of.bytes > MAX_BYTES;
        while over(self) && self.leave_out_piece() {}
    }

    /// Whether one more reply may wait.
    pub(super) fn takes_reply(&self, reply: &Frame) -> bool {
        let bytes = self.reply_bytes.saturating_add(reply.len());
        self.replies < MAX_REPLIES && bytes <= MAX_REPLY_BYTES
    }

    /// Whether so few replies wait that another command may be done.
    pub(super) fn is_calm(&self) -> bool {
        self.replies < CALM_REPLIES && self.reply_bytes < MAX_REPLY_BYTES / 2
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
    fn leave_out_piece(&mut self) -> bool {
        let place = self.frames.iter().position(Frame::is_piece);
        let Some(frame) = place.and_then(|place| self.frames.remove(place)) else {
            return false;
        };
        self.bytes = self.bytes.saturating_sub(frame.len());
        true
    }

    /// Whether a replay may go on.
    pub(super) fn has_room(&self) -> bool {
        self.frames.len().saturating_add(ROOM_FRAMES) <= MAX_FRAMES && self.bytes <= MAX_BYTES / 2
    }

    /// Frames that wait and their bytes, without pieces if only what is `whole` counts, and the same of replies; a
    /// miscount is a panic.
    #[cfg(test)]
    pub(super) fn load(&self, whole: bool) -> ((usize, usize), (usize, usize)) {
        let sum = |of: &dyn Fn(&Frame) -> bool| {
            let of = self.frames.iter().filter(|frame| of(frame));
            of.fold((0_usize, 0_usize), |(count, bytes), frame| {
                (count + 1, bytes + frame.len())
            })
        };
        let replies = sum(&|frame| frame.reply);
        assert_eq!(replies, (self.replies, self.reply_bytes));
        assert_eq!(sum(&|_| true), (self.frames.len(), self.bytes));
        let others = sum(&|frame| !(frame.reply || whole && frame.is_piece()));
        (others, replies)
    }
}
