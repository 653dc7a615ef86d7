//! One connection: frames in, and out what the socket takes: answers, state, output from the log.
//! Never holds output: a data frame is read from the log each time the socket takes some of it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;

use crate::log::Log;
use crate::wire::MAX_CLIENT_BODY;
use crate::wire::frame::{BlockReason, DATA, KeeperFrame};
use crate::wire::record::ExitRecord;
use crate::wire::stream::{Decoder, RawFrame, TooLong, header};

/// Output bytes in one data frame of ours.
const CHUNK: usize = 32 * 1024;
/// Bytes read from a client at a time: what is never touched is no memory.
const READ: usize = 8 * 1024;
/// Bytes before them: kind, length, offset.
const DATA_HEADER: usize = 13;
/// Answers that wait for the socket; above it no frame of this client is read.
const OUT_HIGH: usize = 64 * 1024;
/// Beyond this a client is cut off: it gets notices but takes none.
const OUT_MAX: usize = 512 * 1024;
/// Frames sent to one client before the others have their turn.
const TURN: usize = 16;

/// A connected client.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    decoder: Decoder,
    /// Has said hello in a version that we speak.
    pub greeted: bool,
    /// Gets what is queued and is closed then.
    pub leaving: bool,
    /// Asked for the program's end and is told of it without following the log.
    pub awaits_end: bool,
    /// The connection is over; to be forgotten.
    pub gone: bool,
    pub flow: Flow,
    out: Vec<u8>,
    sent: usize,
    feed: Option<Feed>,
    seek: Option<u64>,
    told_blocked: Option<BlockReason>,
    told_exit: u8,
}

/// What the last attempt to send came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    Idle,
    /// The socket takes no more for now.
    Full,
    /// There is more to send; others were given their turn.
    More,
}

/// What all clients are told.
#[derive(Debug)]
pub struct News<'a> {
    pub log: &'a Log,
    pub blocked: Option<BlockReason>,
    /// The exit record and how often it has been published; 0: the program has not ended.
    pub exit: (u8, Option<&'a ExitRecord>),
}

#[derive(Debug)]
struct Feed {
    next: u64,
    open: Option<(u64, File)>,
    frame: Option<Partial>,
}

#[derive(Debug, Clone, Copy)]
struct Partial {
    offset: u64,
    length: usize,
    sent: usize,
}

impl Client {
    pub fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            decoder: Decoder::new(MAX_CLIENT_BODY),
            greeted: false,
            leaving: false,
            awaits_end: false,
            gone: false,
            flow: Flow::Idle,
            out: Vec::new(),
            sent: 0,
            feed: None,
            seek: None,
            told_blocked: None,
            told_exit: 0,
        }
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// Follows the log from `offset` on, after the frame that is being sent.
    pub fn attach(&mut self, offset: u64) {
        self.seek = Some(offset);
    }

    pub fn push(&mut self, frame: &KeeperFrame) {
        self.out.extend_from_slice(&frame.encode());
    }

    /// Takes frames: its answers do not pile up.
    pub fn listens(&self) -> bool {
        !self.leaving && self.out.len() - self.sent < OUT_HIGH
    }

    /// Takes no notices either: to be cut off.
    pub fn is_stuck(&self) -> bool {
        self.out.len() - self.sent > OUT_MAX
    }

    /// Reads once; `false` at the end of the connection.
    pub fn read(&mut self, scratch: &mut Vec<u8>) -> io::Result<bool> {
        scratch.resize(READ, 0);
        match (&self.stream).read(scratch) {
            Ok(count) => {
                self.decoder.feed(scratch.get(..count).unwrap_or_default());
                Ok(count > 0)
            }
            Err(error) if is_later(&error) => Ok(true),
            Err(error) => Err(error),
        }
    }

    pub fn next_frame(&mut self) -> Result<Option<RawFrame>, TooLong> {
        self.decoder.next_frame()
    }

    /// Sends what the socket takes. An error: the connection is over.
    pub fn send(&mut self, news: &News<'_>, scratch: &mut Vec<u8>) -> io::Result<()> {
        self.flow = Flow::More;
        for _ in 0..TURN {
            let more = match self.send_some(news, scratch) {
                Err(error) if is_later(&error) => {
                    self.flow = Flow::Full;
                    return Ok(());
                }
                other => other?,
            };
            if !more {
                self.flow = Flow::Idle;
                return Ok(());
            }
        }
        Ok(())
    }

    /// One step of sending; `false`: there is nothing to send.
    fn send_some(&mut self, news: &News<'_>, scratch: &mut Vec<u8>) -> io::Result<bool> {
        if self.feed.as_ref().is_some_and(|feed| feed.frame.is_some()) {
            return self.send_data(scratch);
        }
        if self.sent < self.out.len() {
            let rest = self.out.get(self.sent..).unwrap_or_default();
            self.sent += (&self.stream).write(rest)?;
            return Ok(true);
        }
        self.out.clear();
        self.out.shrink_to(4096);
        self.sent = 0;
        if self.leaving {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        if !self.greeted {
            return Ok(false);
        }
        if let Some(next) = self.seek.take() {
            self.feed = Some(Feed {
                next,
                open: None,
                frame: None,
            });
        }
        if self.told_blocked != news.blocked {
            self.told_blocked = news.blocked;
            let notice =
                news.blocked
                    .map_or(KeeperFrame::Unblocked, |reason| KeeperFrame::Blocked {
                        reason,
                    });
            self.push(&notice);
            return Ok(true);
        }
        if let Some(feed) = &mut self.feed
            && feed.next < news.log.length()
        {
            feed.begin(news.log)?;
            return Ok(true);
        }
        let (edition, record) = news.exit;
        if let Some(record) = record
            && self.told_exit < edition
            && (self.feed.is_some() || self.awaits_end)
        {
            self.told_exit = edition;
            self.push(&KeeperFrame::Exit(record.clone()));
            return Ok(true);
        }
        Ok(false)
    }

    fn send_data(&mut self, scratch: &mut Vec<u8>) -> io::Result<bool> {
        let Some(feed) = &mut self.feed else {
            return Ok(true);
        };
        let (Some(part), Some((base, file))) = (feed.frame, &feed.open) else {
            feed.frame = None;
            return Ok(true);
        };
        scratch.clear();
        scratch.extend_from_slice(&header(DATA, part.length + 8));
        scratch.extend_from_slice(&part.offset.to_be_bytes());
        scratch.resize(DATA_HEADER + part.length, 0);
        let body = scratch.get_mut(DATA_HEADER..).unwrap_or_default();
        file.read_exact_at(body, part.offset - base)?;
        let rest = scratch.get(part.sent..).unwrap_or_default();
        let sent = part.sent + (&self.stream).write(rest)?;
        feed.frame = (sent < scratch.len()).then_some(Partial { sent, ..part });
        if feed.frame.is_none() {
            feed.next = part.offset + u64::try_from(part.length).unwrap_or(0);
        }
        Ok(true)
    }
}

impl Feed {
    /// Settles which bytes the next data frame carries. The open file keeps them readable, even when
    /// the log lets go of the segment meanwhile.
    fn begin(&mut self, log: &Log) -> io::Result<()> {
        let kept = self.open.take().filter(|(base, _)| {
            *base <= self.next && log.end_of(*base).is_some_and(|end| self.next < end)
        });
        let (base, file) = match kept {
            Some(open) => open,
            None => match log.open_at(self.next)? {
                Some((segment, file)) => (segment.base, file),
                None => return Ok(()),
            },
        };
        let end = log.end_of(base).unwrap_or(base);
        let offset = self.next.max(base);
        let length = usize::try_from(end.saturating_sub(offset)).map_or(CHUNK, |n| n.min(CHUNK));
        self.open = Some((base, file));
        self.frame = Some(Partial {
            offset,
            length,
            sent: 0,
        });
        Ok(())
    }
}

fn is_later(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}
