//! What a close of the connection, and the end of the program, mean for the command.
//!
//! Never tries again what the server refused.

use super::frame::Ended;
use crate::cli::failure::{Exit, Failure};

/// What a close means.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The program ended, and nothing starts it again by itself.
    Ended,
    /// The session is gone.
    Removed,
    /// The server, or the connection, went away.
    Again,
    /// The server does not want this client.
    Refused(Failure),
}

/// Judges a close by its code and reason.
#[must_use]
pub fn verdict(code: u16, reason: &str) -> Verdict {
    match code {
        1000 if reason.to_ascii_lowercase().contains("killed") => Verdict::Removed,
        1000 => Verdict::Ended,
        // Going away, no status, internal error, restart, try again, too slow.
        1001 | 1005 | 1006 | 1011..=1014 | 4008 => Verdict::Again,
        _ => Verdict::Refused(refusal(code, reason)),
    }
}

fn refusal(code: u16, reason: &str) -> Failure {
    let (exit, what) = match code {
        4001 => (Exit::SignedOut, "you are no longer signed in"),
        4003 | 1008 => (Exit::Refused, "this terminal is not for you"),
        _ => (Exit::Failed, "the server closed the terminal"),
    };
    let why = if reason.is_empty() {
        format!("code {code}")
    } else {
        format!("code {code}: {reason}")
    };
    let failure = Failure::new(exit, what).because(why);
    if exit == Exit::SignedOut {
        return failure.mend("run `callboard login`, and attach again: the program runs on");
    }
    failure
}

/// The command's exit for an end of the program, and the words for it.
#[must_use]
pub fn judge(ended: &Ended) -> (Exit, String) {
    let reason = ended.reason.as_deref().unwrap_or_default();
    let exit = match (reason, ended.exit_code) {
        ("killed_by_user" | "server_shutdown" | "orphaned", _) => Exit::Stopped,
        (_, Some(0)) => Exit::Completed,
        _ => Exit::Failed,
    };
    let how = match (ended.exit_code, &ended.signal) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => {
            let name = signal
                .as_str()
                .map_or_else(|| signal.to_string(), str::to_owned);
            format!("signal {name}")
        }
        (None, None) => reason.replace('_', " "),
    };
    let mut words = String::from("the program ended");
    if !how.is_empty() {
        words = format!("{words}: {how}");
    }
    if exit == Exit::Stopped && how != reason.replace('_', " ") {
        words = format!("{words} ({})", reason.replace('_', " "));
    }
    (exit, words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn closes_end_retry_or_refuse() {
        assert_eq!(verdict(1000, "Session ended"), Verdict::Ended);
        assert_eq!(verdict(1000, "Session killed"), Verdict::Removed);
        for code in [1001, 1006, 1011, 1012, 4008] {
            assert_eq!(verdict(code, ""), Verdict::Again, "{code}");
        }
        for (code, exit) in [
            (4001, Exit::SignedOut),
            (4003, Exit::Refused),
            (1008, Exit::Refused),
            (1002, Exit::Failed),
            (1009, Exit::Failed),
        ] {
            let Verdict::Refused(failure) = verdict(code, "why") else {
                panic!("{code}");
            };
            assert_eq!(failure.exit, exit, "{code}");
            assert_eq!(failure.why, Some(format!("code {code}: why")));
        }
    }

    #[test]
    fn the_program_s_end_becomes_the_exit_of_the_command() {
        let ended = |code, signal, reason: &str| Ended {
            exit_code: code,
            signal,
            reason: Some(reason.into()),
            text: None,
        };
        for (end, exit, words) in [
            (ended(Some(0), None, "completed"), 0, "exit code 0"),
            (ended(Some(3), None, "failed"), 1, "exit code 3"),
            (ended(None, Some(json!(11)), "crashed"), 1, "signal 11"),
            (
                ended(None, Some(json!("SIGKILL")), "killed_by_user"),
                6,
                "signal SIGKILL (killed by user)",
            ),
            (ended(None, None, "keeper_lost"), 1, "keeper lost"),
        ] {
            let (code, text) = judge(&end);
            assert_eq!(
                (code.code(), text),
                (exit, format!("the program ended: {words}"))
            );
        }
    }
}
