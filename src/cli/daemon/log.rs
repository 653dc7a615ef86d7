//! The log of a server in the background: opened for each start, and printed. The server itself puts a
//! large one aside, by its settings.
//!
//! Never lets what stands in it drive the terminal.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cli::args::ServerLogArgs;
use crate::cli::failure::{Exit, Failure};
use crate::cli::{clock, out};
use crate::domain::server_lock::SERVER_LOG;

/// Bytes of one read.
const BLOCK: u64 = 64 * 1024;
/// A line that is longer comes in pieces.
const LONGEST: usize = 1024 * 1024;
/// Pause between two looks for more.
const EVERY: Duration = Duration::from_millis(200);

/// Where the log of the server of this data directory is.
#[must_use]
pub fn path(dir: &Path) -> PathBuf {
    dir.join(SERVER_LOG)
}

/// Makes sure that there is a log for another start, and returns its length so far.
///
/// # Errors
/// Those of the file system.
pub fn prepare(dir: &Path) -> io::Result<u64> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let log = path(dir);
    let file = File::options()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(&log)?;
    Ok(file.metadata()?.len())
}

/// Prints the last lines, and follows.
pub fn logs(dir: &Path, args: &ServerLogArgs) -> Result<Exit, Failure> {
    let log = path(dir);
    let mut file = File::open(&log).map_err(|error| missing(&log, &error))?;
    let from = start_of_last(&mut file, args.lines)?;
    file.seek(SeekFrom::Start(from))?;
    let mut lines = Lines::default();
    loop {
        lines.print_rest(&mut file)?;
        if !args.follow {
            return lines.print_half();
        }
        clock::pause(EVERY);
        if was_replaced(&log, &mut file) {
            lines.print_rest(&mut file)?;
            file = File::open(&log).map_err(|error| missing(&log, &error))?;
        }
    }
}

fn missing(log: &Path, error: &io::Error) -> Failure {
    Failure::new(Exit::NotFound, format!("there is no log {}", log.display()))
        .because(error.to_string())
        .mend(
            "servers that `callboard daemon start` starts write it; others write to their stderr \
             (`journalctl` under systemd)",
        )
}

/// Whether another file has the name now, or this one was cut.
fn was_replaced(log: &Path, file: &mut File) -> bool {
    let (Ok(named), Ok(open), Ok(at)) =
        (fs::metadata(log), file.metadata(), file.stream_position())
    else {
        return false;
    };
    (named.ino(), named.dev()) != (open.ino(), open.dev()) || open.len() < at
}

/// Where the last `count` lines begin.
fn start_of_last(file: &mut File, count: usize) -> io::Result<u64> {
    let mut end = file.metadata()?.len();
    if count == 0 {
        return Ok(end);
    }
    let mut found = 0_usize;
    let mut last = true;
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        file.seek(SeekFrom::Start(start))?;
        let mut block = Vec::new();
        file.by_ref()
            .take(end.saturating_sub(start))
            .read_to_end(&mut block)?;
        for (at, byte) in block.iter().enumerate().rev() {
            // The end of the last line begins no other.
            let ends_all = std::mem::take(&mut last);
            if *byte != b'\n' || ends_all {
                continue;
            }
            found = found.saturating_add(1);
            if found >= count {
                let at = u64::try_from(at).unwrap_or(0);
                return Ok(start.saturating_add(at).saturating_add(1));
            }
        }
        end = start;
    }
    Ok(0)
}

/// Whole lines of what is read in pieces.
#[derive(Debug, Default)]
struct Lines {
    half: Vec<u8>,
}

impl Lines {
    fn print_rest(&mut self, file: &mut File) -> Result<(), Failure> {
        loop {
            let mut block = Vec::new();
            let read = file.by_ref().take(BLOCK).read_to_end(&mut block)?;
            if read == 0 {
                return Ok(());
            }
            for line in self.whole(&block) {
                out::line(&String::from_utf8_lossy(&line))?;
            }
        }
    }

    fn whole(&mut self, block: &[u8]) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        for piece in block.split_inclusive(|byte| *byte == b'\n') {
            match piece.strip_suffix(b"\n") {
                Some(rest) => {
                    self.half.extend_from_slice(rest);
                    lines.push(std::mem::take(&mut self.half));
                }
                None => {
                    self.half.extend_from_slice(piece);
                    if self.half.len() >= LONGEST {
                        lines.push(std::mem::take(&mut self.half));
                    }
                }
            }
        }
        lines
    }

    fn print_half(&mut self) -> Result<Exit, Failure> {
        if !self.half.is_empty() {
            out::line(&String::from_utf8_lossy(&self.half))?;
        }
        Ok(Exit::Completed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_found_in_any_file() {
        let dir = tempfile::tempdir().unwrap();
        let log = path(dir.path());
        let long = "x".repeat(usize::try_from(BLOCK).unwrap());
        for (text, count, wanted) in [
            ("", 3, ""),
            ("a\nb\nc\n", 2, "b\nc\n"),
            ("a\nb\nc", 2, "b\nc"),
            ("a\nb\nc\n", 9, "a\nb\nc\n"),
            ("a\nb\nc\n", 0, ""),
            ("\n\n\n", 2, "\n\n"),
            (&format!("a\n{long}\nb\n"), 2, &format!("{long}\nb\n")),
        ] {
            fs::write(&log, text).unwrap();
            let at = start_of_last(&mut File::open(&log).unwrap(), count).unwrap();
            let at = usize::try_from(at).unwrap();
            assert_eq!(text.get(at..).unwrap(), wanted, "{count} of {}", text.len());
        }
    }

    #[test]
    fn pieces_become_whole_lines() {
        let mut lines = Lines::default();
        assert!(lines.whole(b"on").is_empty());
        assert_eq!(
            lines.whole(b"e\ntwo\nth"),
            [b"one".to_vec(), b"two".to_vec()]
        );
        assert_eq!(lines.half, b"th");
    }

    #[test]
    fn a_log_goes_on_and_one_in_its_place_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let log = path(dir.path());
        assert_eq!(prepare(dir.path()).unwrap(), 0);
        fs::write(&log, "small").unwrap();
        assert_eq!(prepare(dir.path()).unwrap(), 5);
        let mut followed = File::open(&log).unwrap();
        assert!(!was_replaced(&log, &mut followed));
        fs::rename(&log, dir.path().join("server.log.1")).unwrap();
        fs::write(&log, "new").unwrap();
        assert!(was_replaced(&log, &mut followed));
    }
}
