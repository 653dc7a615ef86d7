//! Messages that are still being written: what was said of each so far, and its pieces as readers
//! get them.
//!
//! Never a number and never a row: the whole message follows as an event. A piece says where in its
//! message it begins, so a reader sees what it missed and what it has.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use bytestring::ByteString;
use serde::Deserialize;

use super::published::{Form, Published};
use super::redaction::Cover;
use crate::domain::{EventKind, SessionId, UserId};
use crate::drivers::Delta;
use crate::secrets::Redactor;

/// Most bytes of one message that are held; its beginning goes first.
pub const STREAM_BYTES: usize = 64 * 1024;
/// What stays when the beginning goes, so that not each piece moves the rest.
const KEPT_BYTES: usize = 48 * 1024;

/// A piece of a message that is being written.
#[derive(Debug, PartialEq, Eq)]
pub struct Piece {
    /// Whose.
    pub agent: SessionId,
    /// The session that its events show.
    pub group: SessionId,
    /// Whose session it is: streams over many agents filter by it.
    pub owner: UserId,
    /// `AssistantMessage` or `Thinking`.
    pub kind: EventKind,
    /// The id of the message.
    pub message: String,
    /// Bytes of the message before this piece.
    pub offset: u64,
    /// The words.
    pub text: String,
    /// Its frame, once somebody asked for it.
    pub rendered: Rendered,
}

/// A frame that is rendered once.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Rendered {
    socket: OnceLock<ByteString>,
    stream: OnceLock<ByteString>,
}

impl Piece {
    /// First byte behind it.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(length(&self.text))
    }

    /// Its frame in a form: rendered once, by the first who asks, and shared by every reader of it.
    pub fn frame(&self, form: Form, render: impl FnOnce(&Self) -> ByteString) -> ByteString {
        let kept = match form {
            Form::Socket => &self.rendered.socket,
            Form::StreamOfOne | Form::StreamOfMany => &self.rendered.stream,
        };
        kept.get_or_init(|| render(self)).clone()
    }

    /// Both as one, when the other goes on where this one ends and they fit together.
    #[must_use]
    pub fn joined(&self, next: &Self) -> Option<Self> {
        let fits = self.text.len().saturating_add(next.text.len()) <= STREAM_BYTES;
        let follows = self.agent == next.agent && self.message == next.message;
        (fits && follows && self.end() == next.offset).then(|| Self {
            text: format!("{}{}", self.text, next.text),
            message: self.message.clone(),
            rendered: Rendered::default(),
            ..*self
        })
    }
}

/// Whose words they are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Speaker {
    pub agent: SessionId,
    pub group: SessionId,
    pub owner: UserId,
}

/// A message that is being written.
#[derive(Debug)]
struct Stream {
    speaker: Speaker,
    kind: EventKind,
    message: String,
    /// Bytes of the message before `text`.
    from: u64,
    text: String,
    /// Up to here its secrets are covered: what comes behind it may become one.
    clean: u64,
    /// Up to here what comes is a part of one that was covered.
    covered: u64,
    /// Up to here readers were told.
    told: u64,
}

/// The open messages of one agent or of many, oldest first.
pub(super) struct Streams {
    open: VecDeque<Stream>,
    most: usize,
    /// Absent where the words are clean already.
    redactor: Option<Arc<Cover>>,
}

impl Streams {
    /// None yet, and never more than `most`.
    pub(super) fn new(most: usize) -> Self {
        Self {
            open: VecDeque::new(),
            most,
            redactor: None,
        }
    }

    /// The same for words as a program says them: secrets in them are covered before anybody hears
    /// them, and the end of a piece that could begin one waits for the next.
    pub(super) fn covering(most: usize, redactor: Arc<Cover>) -> Self {
        Self {
            redactor: Some(redactor),
            ..Self::new(most)
        }
    }

    /// Takes a piece. What readers are to be told now: nothing that came before, and everything
    /// that was taken quietly (from a log that is read again).
    pub(super) fn take(&mut self, by: Speaker, delta: Delta, quietly: bool) -> Option<Arc<Piece>> {
        let own = |one: &Stream| one.speaker.agent == by.agent && one.message == delta.message;
        let stream = match self.open.iter().position(own) {
            Some(at) => {
                let stream = self.open.get_mut(at)?;
                stream.add(delta.offset, &delta.text);
                stream
            }
            None => {
                if self.open.len() >= self.most {
                    self.open.pop_front();
                }
                self.open.push_back(Stream::new(by, delta));
                self.open.back_mut()?
            }
        };
        let redactor = self.redactor.as_deref().map(Cover::now);
        stream.cover(redactor.as_deref());
        stream.bound();
        let told = stream.told;
        if quietly || told >= stream.clean {
            return None;
        }
        stream.told = stream.clean;
        stream.piece((told, stream.clean))
    }

    /// What was told of each so far, for a new reader.
    pub(super) fn so_far(&self) -> impl Iterator<Item = Arc<Piece>> {
        self.open.iter().filter_map(|stream| {
            let piece = stream.piece((stream.from, stream.told))?;
            (!piece.text.is_empty()).then_some(piece)
        })
    }

    /// A message that is whole, with its secrets covered, before it is committed. What its readers
    /// were not told yet, because a secret could have begun there.
    pub(super) fn complete(&mut self, kind: EventKind, data: &str) -> Option<Arc<Piece>> {
        if self.open.is_empty()
            || !matches!(kind, EventKind::AssistantMessage | EventKind::Thinking)
        {
            return None;
        }
        let whole: Whole = serde_json::from_str(data).ok()?;
        let own = |one: &&mut Stream| one.message == whole.message_id;
        let stream = self.open.iter_mut().find(own)?;
        let (told, end) = (stream.told, stream.end());
        // Covering keeps lengths: what has another one was cut. What was taken quietly stays so.
        let cut = end != length(&whole.content);
        if cut || told != stream.clean || told >= end {
            return None;
        }
        let at = usize::try_from(told).ok()?;
        stream.told = end;
        let piece = stream.piece((end, end))?;
        Some(Arc::new(Piece {
            offset: told,
            text: whole.content.get(at..)?.to_owned(),
            agent: piece.agent,
            group: piece.group,
            owner: piece.owner,
            kind: piece.kind,
            message: piece.message.clone(),
            rendered: Rendered::default(),
        }))
    }

    /// A committed event ends the message that it is, or all of its agent's.
    pub(super) fn end(&mut self, event: &Published) {
        let agent = event.event.agent;
        if !self.open.iter().any(|one| one.speaker.agent == agent) {
            return;
        }
        match event.event.kind {
            EventKind::AssistantMessage | EventKind::Thinking => {
                let read = serde_json::from_str::<Named>(&event.event.data);
                let id = read.ok().and_then(|named| named.message_id);
                self.open
                    .retain(|one| one.speaker.agent != agent || Some(&one.message) != id.as_ref());
            }
            EventKind::TurnEnded | EventKind::Exit => {
                self.open.retain(|one| one.speaker.agent != agent);
            }
            EventKind::Status
            | EventKind::TurnStarted
            | EventKind::UserMessage
            | EventKind::ToolCall
            | EventKind::ToolResult
            | EventKind::Plan
            | EventKind::ApprovalRequested
            | EventKind::ApprovalResolved
            | EventKind::Usage
            | EventKind::RateLimited
            | EventKind::Error
            | EventKind::Session => {}
        }
    }
}

/// The data of a whole message, as far as its pieces are concerned.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Whole {
    message_id: String,
    content: String,
}

/// The id in the data of a message.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    message_id: Option<String>,
}

impl Stream {
    fn new(speaker: Speaker, delta: Delta) -> Self {
        Self {
            speaker,
            kind: delta.kind,
            message: delta.message,
            from: delta.offset,
            text: delta.text,
            clean: delta.offset,
            covered: delta.offset,
            told: delta.offset,
        }
    }

    fn end(&self) -> u64 {
        self.from.saturating_add(length(&self.text))
    }

    /// Adds what is new of a piece. Behind a hole it begins anew.
    fn add(&mut self, offset: u64, text: &str) {
        let end = self.end();
        if offset.saturating_add(length(text)) <= end {
            return;
        }
        let known = end.checked_sub(offset);
        let known = known.and_then(|known| usize::try_from(known).ok());
        match known.and_then(|known| text.get(known..)) {
            Some(new) => self.text.push_str(new),
            None => {
                self.begin_at(offset);
                text.clone_into(&mut self.text);
            }
        }
    }

    fn begin_at(&mut self, offset: u64) {
        self.from = offset;
        self.clean = offset;
        self.covered = offset;
        self.told = offset;
    }

    /// Covers secrets, as far as it is known what is one.
    fn cover(&mut self, redactor: Option<&Redactor>) {
        let end = self.end();
        let Some(redactor) = redactor else {
            self.clean = end;
            return;
        };
        let at = usize::try_from(self.clean.saturating_sub(self.from)).unwrap_or(usize::MAX);
        let Some((before, new)) = self.text.split_at_checked(at) else {
            return;
        };
        let covered = self.covered.saturating_sub(self.clean);
        let covered = usize::try_from(covered).unwrap_or(usize::MAX);
        let tail = redactor.tail(new, covered, before.bytes().next_back());
        let to = at.saturating_add(tail.shown.len());
        self.text.replace_range(at..to, &tail.shown);
        self.clean = self.clean.saturating_add(length(&tail.shown));
        let covered = u64::try_from(tail.covered).unwrap_or(u64::MAX);
        self.covered = self.clean.saturating_add(covered);
    }

    /// Lets the beginning go when it is too long.
    fn bound(&mut self) {
        if self.text.len() <= STREAM_BYTES {
            return;
        }
        let cut = self.text.len().saturating_sub(KEPT_BYTES);
        let cut = self.text.ceil_char_boundary(cut);
        self.text.drain(..cut);
        let cut = u64::try_from(cut).unwrap_or(u64::MAX);
        self.from = self.from.saturating_add(cut);
        self.told = self.told.max(self.from);
        if self.clean < self.from {
            // Nothing of it is known to be clean: the whole message will tell it.
            self.begin_at(self.end());
            self.text.clear();
        }
    }

    /// The words from one place to another.
    fn piece(&self, (from, to): (u64, u64)) -> Option<Arc<Piece>> {
        let skip = usize::try_from(from.checked_sub(self.from)?).ok()?;
        let end = usize::try_from(to.checked_sub(self.from)?).ok()?;
        Some(Arc::new(Piece {
            agent: self.speaker.agent,
            group: self.speaker.group,
            owner: self.speaker.owner,
            kind: self.kind,
            message: self.message.clone(),
            offset: from,
            text: self.text.get(skip..end)?.to_owned(),
            rendered: Rendered::default(),
        }))
    }
}

fn length(text: &str) -> u64 {
    u64::try_from(text.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "streams_tests.rs"]
mod tests;
