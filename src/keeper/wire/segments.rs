//! Names of the output log's segments: `out.` and the absolute offset of the first byte.
//! Never guesses a length: the file's own size counts.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// One file of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Absolute offset of its first byte.
    pub base: u64,
    /// Bytes in it, as the file system says.
    pub length: u64,
}

impl Segment {
    /// Absolute offset behind its last byte.
    pub fn end(&self) -> u64 {
        self.base.saturating_add(self.length)
    }
}

/// File of the segment that begins at `base`.
pub fn path(dir: &Path, base: u64) -> PathBuf {
    dir.join(format!("out.{base:020}"))
}

/// The segments of a directory, oldest first.
pub fn list(dir: &Path) -> io::Result<Vec<Segment>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(base) = name.to_str().and_then(parse) else {
            continue;
        };
        match entry.metadata() {
            Ok(meta) => found.push(Segment {
                base,
                length: meta.len(),
            }),
            // The keeper may let go of an acknowledged segment while we look.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    found.sort_by_key(|segment| segment.base);
    Ok(found)
}

fn parse(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("out.")?;
    (digits.len() == 20).then(|| digits.parse().ok())?
}
