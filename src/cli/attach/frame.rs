//! The text frames of the terminals WebSocket, as far as this client reads and writes them.
//!
//! Never fails on a frame that it does not know: a newer server may say more.

use serde::Deserialize;
use serde_json::json;

use super::place::At;

/// What the server says.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Frame {
    /// The first one.
    Hello(Hello),
    /// A new process; its bytes follow.
    TtyStart {
        /// Which life.
        incarnation: u64,
        /// Its first byte.
        #[serde(default)]
        offset: u64,
    },
    /// Bytes that are gone from the log.
    TtyGap {
        /// Which life.
        incarnation: u64,
        /// Where counting goes on.
        to: u64,
    },
    /// The process ended.
    Exit(Ended),
    /// Something was refused.
    Error(Refusal),
    /// Any other.
    #[serde(other)]
    Other,
}

/// Who is on the other side.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Hello {
    /// The kind of agent.
    pub agent_type: String,
    /// `pty` or `stream`.
    pub session_type: String,
    /// The coarse word.
    pub status: String,
    /// The core word.
    pub detail: Option<String>,
    /// The program, while it runs.
    pub pid: Option<u64>,
    /// Which life of it.
    pub incarnation: Option<u64>,
    /// Offset of the first byte that follows.
    pub tty_offset: Option<u64>,
    /// Length of the log.
    pub tty_length: Option<u64>,
    /// Whether input is taken.
    pub writable: bool,
}

impl Hello {
    /// Where the bytes begin.
    #[must_use]
    pub fn at(&self) -> At {
        At {
            incarnation: self.incarnation.unwrap_or(0),
            offset: self.tty_offset.unwrap_or(0),
        }
    }

    /// Whether a process is there, or comes by itself.
    #[must_use]
    pub fn has_process(&self) -> bool {
        let coming = [
            "starting",
            "waiting",
            "backoff",
            "rate_limited",
            "unattached",
        ];
        let detail = self.detail.as_deref().unwrap_or_default();
        self.pid.is_some_and(|pid| pid > 0) || coming.contains(&detail)
    }
}

/// How a process ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Ended {
    /// Its code, when it exited.
    pub exit_code: Option<i32>,
    /// What ended it otherwise.
    pub signal: Option<serde_json::Value>,
    /// The word of the exit report.
    pub reason: Option<String>,
    /// The same for people.
    pub text: Option<String>,
}

/// A refusal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Refusal {
    /// A stable word.
    pub code: String,
    /// For people.
    pub message: String,
}

/// Reads a frame.
#[must_use]
pub fn read(text: &str) -> Frame {
    serde_json::from_str(text).unwrap_or(Frame::Other)
}

/// The size of this terminal, as the server wants it.
#[must_use]
pub fn resize(columns: u16, rows: u16) -> String {
    let (cols, rows) = (columns.clamp(1, 500), rows.clamp(1, 500));
    json!({"type": "resize", "cols": cols, "rows": rows}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hello_says_where_bytes_begin_and_whether_a_process_is_there() {
        let frame = read(
            r#"{"type":"hello","session":"b","id":"1","agentType":"shell","sessionType":"pty",
                "status":"idle","detail":"idle","pid":77,"epoch":"e","oldestSeq":1,"lastSeq":4,
                "incarnation":2,"ttyOffset":10,"ttyLength":30,"writable":true,"usage":null}"#,
        );
        let Frame::Hello(mut hello) = frame else {
            panic!("{frame:?}");
        };
        assert_eq!(
            hello.at(),
            At {
                incarnation: 2,
                offset: 10
            }
        );
        assert!(hello.has_process() && hello.writable);
        hello.pid = Some(0);
        assert!(!hello.has_process());
        hello.detail = Some("starting".into());
        assert!(hello.has_process());
    }

    #[test]
    fn frames_read_with_fields_missing_and_unknown() {
        let exit =
            read(r#"{"type":"exit","session":"b","incarnation":1,"exitCode":3,"signal":null}"#);
        let Frame::Exit(ended) = exit else {
            panic!("{exit:?}");
        };
        assert_eq!((ended.exit_code, ended.signal), (Some(3), None));
        assert_eq!(
            read(r#"{"type":"tty_start","session":"b","incarnation":4,"offset":0}"#),
            Frame::TtyStart {
                incarnation: 4,
                offset: 0
            }
        );
        assert_eq!(
            read(r#"{"type":"tty_gap","incarnation":4,"from":1,"to":9}"#),
            Frame::TtyGap {
                incarnation: 4,
                to: 9
            }
        );
        for other in [
            r#"{"type":"ping","ts":"x"}"#,
            r#"{"type":"news","a":[1]}"#,
            "no json",
        ] {
            assert_eq!(read(other), Frame::Other, "{other}");
        }
    }

    #[test]
    fn a_size_stays_in_the_bounds_of_the_server() {
        assert_eq!(resize(0, 900), r#"{"cols":1,"rows":500,"type":"resize"}"#);
    }
}
