//! The exit record on disk: written by rename, and first from space that was set aside at the start.
//! Never overwrites a whole record by a torn one.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;

use nix::fcntl::{FallocateFlags, fallocate};

use crate::wire::file;
use crate::wire::record::ExitRecord;

/// An escaped standard-error tail at its worst, and the other lines.
const RESERVE: i64 = 36 * 1024;

/// Keeps the space of the first record.
#[derive(Debug)]
pub struct ExitFile {
    reserve: Option<File>,
}

impl ExitFile {
    /// Sets the space aside. Where the file system cannot, the first record needs free space.
    pub fn reserve() -> io::Result<Self> {
        let reserve = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(file::EXIT_RESERVE)?;
        match fallocate(&reserve, FallocateFlags::empty(), 0, RESERVE) {
            Ok(()) | Err(nix::errno::Errno::EOPNOTSUPP) => {}
            Err(errno) => return Err(errno.into()),
        }
        Ok(Self {
            reserve: Some(reserve),
        })
    }

    /// Writes the record: its bytes are on disk before its name is. [`ExitFile::settle`] makes the
    /// name last, too; on a busy disk that takes its time, so clients are told in between.
    pub fn save(&mut self, record: &ExitRecord) -> io::Result<()> {
        let text = record.encode();
        let file = match &self.reserve {
            Some(reserve) => reserve,
            None => &OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .open(file::EXIT_RESERVE)?,
        };
        file.write_all_at(text.as_bytes(), 0)?;
        file.set_len(u64::try_from(text.len()).unwrap_or(0))?;
        file.sync_data()?;
        fs::rename(file::EXIT_RESERVE, file::EXIT)?;
        self.reserve = None;
        Ok(())
    }

    /// Makes the record's name durable.
    pub fn settle() -> io::Result<()> {
        File::open(".")?.sync_all()
    }
}
