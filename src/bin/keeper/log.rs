//! The output log: every byte of the program, appended before anyone else sees it.
//! Never drops a byte: what cannot be written stays in the one buffer, and the program waits.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use crate::wire::frame::BlockReason;
use crate::wire::segments::{self, Segment};

/// Bytes read from the program at a time; also all that is held while the disk is full.
const BUFFER: usize = 32 * 1024;

/// Appends to the newest of a few segments.
#[derive(Debug)]
pub struct Log {
    dir: PathBuf,
    segment_bytes: u64,
    keep: usize,
    segments: VecDeque<Segment>,
    current: File,
    acked: u64,
    buffer: Vec<u8>,
    pending: std::ops::Range<usize>,
    trouble: Option<BlockReason>,
    capless: bool,
}

impl Log {
    /// Makes the first segment. Fails when the directory holds one already.
    pub fn create(dir: PathBuf, segment_bytes: u64, keep: u32) -> io::Result<Self> {
        let current = open_new(&dir, 0)?;
        Ok(Self {
            dir,
            segment_bytes: segment_bytes.max(1),
            keep: usize::try_from(keep).unwrap_or(usize::MAX).max(1),
            segments: VecDeque::from([Segment { base: 0, length: 0 }]),
            current,
            acked: 0,
            buffer: vec![0; BUFFER],
            pending: 0..0,
            trouble: None,
            capless: false,
        })
    }

    /// Offset of the oldest byte kept.
    pub fn base(&self) -> u64 {
        self.segments.front().map_or(0, |segment| segment.base)
    }

    /// Offset behind the newest byte written.
    pub fn length(&self) -> u64 {
        self.segments.back().map_or(0, Segment::end)
    }

    pub fn acked(&self) -> u64 {
        self.acked
    }

    /// Everything read is written.
    pub fn is_settled(&self) -> bool {
        self.pending.is_empty()
    }

    /// Why nothing can be read now.
    pub fn blocked(&self) -> Option<BlockReason> {
        if self.pending.is_empty() && self.trouble.is_none() {
            return self.at_cap().then_some(BlockReason::Cap);
        }
        self.trouble.or(Some(BlockReason::Cap))
    }

    /// Lets the log grow past its cap: the program is dead and what is left is what its pipe holds.
    pub fn lift_cap(&mut self) {
        self.capless = true;
    }

    /// Reads once from the program and appends; `false` at the end of its output. Call only while
    /// [`Log::blocked`] is `None`.
    pub fn take_from(&mut self, source: &mut impl Read) -> io::Result<bool> {
        let count = source.read(&mut self.buffer)?;
        self.pending = 0..count;
        self.flush();
        Ok(count > 0)
    }

    /// Writes what is pending, as far as cap and disk allow.
    pub fn flush(&mut self) {
        while !self.pending.is_empty() {
            match self.step() {
                Ok(true) => self.trouble = None,
                Ok(false) => {
                    self.trouble = Some(BlockReason::Cap);
                    return;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.trouble = Some(reason(&error));
                    return;
                }
            }
        }
        self.trouble = None;
    }

    /// The server has everything below `offset`.
    pub fn acknowledge(&mut self, offset: u64) {
        self.acked = self.acked.max(offset.min(self.length()));
        self.prune();
        self.flush();
    }

    /// The segment that holds the byte at `offset` (or the oldest one, for older offsets), with its
    /// file. `None`: nothing is there yet.
    pub fn open_at(&self, offset: u64) -> io::Result<Option<(Segment, File)>> {
        let found = self.segments.iter().find(|segment| offset < segment.end());
        found
            .map(|segment| {
                Ok((
                    *segment,
                    File::open(segments::path(&self.dir, segment.base))?,
                ))
            })
            .transpose()
    }

    /// Length now of the segment that begins at `base`; `None` when it has been let go.
    pub fn end_of(&self, base: u64) -> Option<u64> {
        self.segments
            .iter()
            .find(|segment| segment.base == base)
            .map(Segment::end)
    }

    /// One write. `Ok(false)`: the cap is reached.
    fn step(&mut self) -> io::Result<bool> {
        if self.segment_full() {
            if self.at_cap() {
                return Ok(false);
            }
            self.rotate()?;
        }
        let Some(segment) = self.segments.back_mut() else {
            return Ok(false);
        };
        let room = usize::try_from(self.segment_bytes - segment.length).unwrap_or(usize::MAX);
        let end = self
            .pending
            .end
            .min(self.pending.start.saturating_add(room));
        let Some(bytes) = self.buffer.get(self.pending.start..end) else {
            return Ok(false);
        };
        // At a position of its own: a failed write may have left bytes behind the known end.
        let written = self.current.write_at(bytes, segment.length)?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        segment.length += u64::try_from(written).unwrap_or(0);
        self.pending.start += written;
        Ok(true)
    }

    fn rotate(&mut self) -> io::Result<()> {
        let base = self.length();
        self.current = open_new(&self.dir, base)?;
        self.segments.push_back(Segment { base, length: 0 });
        self.prune();
        Ok(())
    }

    fn segment_full(&self) -> bool {
        self.segments
            .back()
            .is_some_and(|segment| segment.length >= self.segment_bytes)
    }

    fn at_cap(&self) -> bool {
        !self.capless
            && self.segment_full()
            && self.segments.len() >= self.keep
            && self
                .segments
                .front()
                .is_some_and(|oldest| oldest.end() > self.acked)
    }

    fn prune(&mut self) {
        while self.segments.len() > self.keep
            && self
                .segments
                .front()
                .is_some_and(|oldest| oldest.end() <= self.acked)
        {
            if let Some(gone) = self.segments.pop_front() {
                let _left = fs::remove_file(segments::path(&self.dir, gone.base));
            }
        }
    }
}

fn open_new(dir: &std::path::Path, base: u64) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(segments::path(dir, base))
}

/// No space, no quota: the disk is full. Everything else is an error of the disk.
fn reason(error: &io::Error) -> BlockReason {
    match error.raw_os_error() {
        Some(libc::ENOSPC | libc::EDQUOT) => BlockReason::DiskFull,
        Some(_) | None => BlockReason::DiskError,
    }
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
