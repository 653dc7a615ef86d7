//! Standard error of a program on pipes: a capped file pair and the last lines in memory.
//! Never blocks the program: what the disk refuses is only in the tail.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};

use crate::wire::{STDERR_TAIL_BYTES, STDERR_TAIL_LINES, file};

/// Size at which `err.log` becomes `err.log.1`.
const CAP: u64 = 1024 * 1024;

/// Collects standard error.
#[derive(Debug, Default)]
pub struct Stderr {
    file: Option<File>,
    size: u64,
    tail: Vec<u8>,
}

impl Stderr {
    /// Reads once; `false` at the end.
    pub fn take_from(&mut self, source: &mut impl Read) -> io::Result<bool> {
        let mut buffer = [0_u8; 4096];
        let count = source.read(&mut buffer)?;
        let bytes = buffer.get(..count).unwrap_or_default();
        self.store(bytes);
        self.tail.extend_from_slice(bytes);
        let surplus = self.tail.len().saturating_sub(STDERR_TAIL_BYTES);
        self.tail.drain(..surplus);
        Ok(count > 0)
    }

    /// The last lines, as text.
    pub fn tail(&self) -> String {
        let end = self.tail.strip_suffix(b"\n").unwrap_or(&self.tail);
        let start = end
            .iter()
            .enumerate()
            .rev()
            .filter(|(_, byte)| **byte == b'\n')
            .nth(STDERR_TAIL_LINES - 1)
            .map_or(0, |(at, _)| at + 1);
        String::from_utf8_lossy(end.get(start..).unwrap_or_default()).into_owned()
    }

    fn store(&mut self, bytes: &[u8]) {
        if self.size >= CAP {
            self.file = None;
            self.size = 0;
            let _kept = fs::rename(file::STDERR, file::STDERR_OLD);
        }
        if self.file.is_none() {
            self.file = OpenOptions::new()
                .create(true)
                .append(true)
                .open(file::STDERR)
                .ok();
        }
        if let Some(open) = &mut self.file
            && open.write_all(bytes).is_ok()
        {
            self.size += u64::try_from(bytes.len()).unwrap_or(0);
        }
    }
}
