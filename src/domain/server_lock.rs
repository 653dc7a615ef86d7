//! What a running server notes in the lock of its data directory: its pid, and where it answers.
//!
//! Never proof that a server runs: that is who holds the file.

use std::fmt;
use std::net::SocketAddr;

/// The file in the data directory.
pub const SERVER_LOCK: &str = "server.lock";

/// The log of a server in the background, in the data directory.
pub const SERVER_LOG: &str = "server.log";
/// The log before it, which was too large.
pub const SERVER_LOG_BEFORE: &str = "server.log.1";
/// The one that takes its place, for the moment in between.
pub const SERVER_LOG_NEXT: &str = "server.log.new";

/// The note, one line each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerNote {
    /// The server's process.
    pub pid: u32,
    /// Where it answers, from the moment on at which that is known.
    pub address: Option<SocketAddr>,
}

impl ServerNote {
    /// Reads a note; nothing when it is none, or not whole yet.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut lines = text
            .split_inclusive('\n')
            .filter_map(|line| line.strip_suffix('\n'));
        let pid = lines.next()?.parse().ok().filter(|pid| *pid > 0)?;
        let address = lines.next().and_then(|line| line.parse().ok());
        Some(Self { pid, address })
    }
}

impl fmt::Display for ServerNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.pid)?;
        match self.address {
            Some(address) => writeln!(f, "{address}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_reads_back() {
        for address in [None, Some("127.0.0.1:7".parse().unwrap())] {
            let note = ServerNote { pid: 12, address };
            assert_eq!(ServerNote::parse(&note.to_string()), Some(note));
        }
    }

    #[test]
    fn half_a_note_is_not_taken_for_a_whole_one() {
        for text in ["", "12", "0\n", "x\n", "-1\n"] {
            assert_eq!(ServerNote::parse(text), None, "{text:?}");
        }
        let half = ServerNote::parse("12\n127.0.0.1:30").unwrap();
        assert_eq!(half.address, None);
    }
}
