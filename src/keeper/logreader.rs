//! Reads the output log of an incarnation by absolute offset, over all its segments.
//! Never invents bytes: a hole is visible as an offset above the one asked for.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::wire::segments::{self, Segment};

/// A view of the files; holds nothing open.
#[derive(Debug, Clone)]
pub struct LogReader {
    dir: PathBuf,
}

/// Bytes of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Offset of the first byte; above the one asked for when the log begins later.
    pub offset: u64,
    /// Empty at the end of the log.
    pub bytes: Vec<u8>,
}

impl LogReader {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Offset of the oldest byte kept.
    pub fn base(&self) -> io::Result<u64> {
        Ok(self.segments()?.first().map_or(0, |segment| segment.base))
    }

    /// Offset behind the newest byte. After a power loss it may be below what was read before.
    pub fn length(&self) -> io::Result<u64> {
        Ok(self.segments()?.last().map_or(0, Segment::end))
    }

    /// At most `limit` bytes from `offset` on, of one segment. Blocking: not for an async thread.
    pub fn read_at(&self, offset: u64, limit: usize) -> io::Result<Chunk> {
        loop {
            let segments = self.segments()?;
            let Some(segment) = segments.iter().find(|segment| offset < segment.end()) else {
                let offset = segments.last().map_or(0, Segment::end).min(offset);
                return Ok(Chunk {
                    offset,
                    bytes: Vec::new(),
                });
            };
            match read(
                &segments::path(&self.dir, segment.base),
                *segment,
                (offset, limit),
            ) {
                // Acknowledged and let go between the listing and the opening: look again.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => return other,
            }
        }
    }

    /// As [`LogReader::read_at`], on tokio's blocking threads.
    pub async fn read(&self, offset: u64, limit: usize) -> io::Result<Chunk> {
        let reader = self.clone();
        tokio::task::spawn_blocking(move || reader.read_at(offset, limit))
            .await
            .map_err(io::Error::other)?
    }

    fn segments(&self) -> io::Result<Vec<Segment>> {
        match segments::list(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            other => other,
        }
    }
}

fn read(path: &std::path::Path, segment: Segment, wanted: (u64, usize)) -> io::Result<Chunk> {
    let (offset, limit) = wanted;
    let offset = offset.max(segment.base);
    let left = usize::try_from(segment.end() - offset).unwrap_or(usize::MAX);
    let mut bytes = vec![0; left.min(limit)];
    let file = File::open(path)?;
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        let at = offset - segment.base + u64::try_from(filled).unwrap_or(0);
        match file.read_at(rest, at) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(Chunk { offset, bytes })
}
