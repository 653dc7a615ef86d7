//! Starting this program as a server: its output goes to a file, and it is waited for.
//!
//! Never gives up on one that still starts, and never hides why one ended.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::client::{Client, Request};
use super::failure::{Exit, Failure};
use super::{child, clock};

/// Pause between two looks.
pub const LOOK: Duration = Duration::from_millis(50);
/// Lines of the server's log that a failure shows.
const LAST_LINES: usize = 8;
/// Bytes of the log's end that are looked at for them.
const LAST_BYTES: u64 = 64 * 1024;

/// `callboard serve` of this very program, with nothing on stdin, and its output behind what is in
/// `log`.
///
/// # Errors
/// When the log cannot be opened.
pub fn serve(log: &Path) -> io::Result<Command> {
    let log = fs::OpenOptions::new().create(true).append(true).open(log)?;
    let mut command = child::command(std::env::current_exe()?);
    command
        .arg("serve")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    Ok(command)
}

/// Begins a session of the system's of its own: no terminal ends this process from now on.
///
/// # Errors
/// When it leads a group already, which one that `daemon start` started does not.
pub fn detach() -> Result<(), Failure> {
    nix::unistd::setsid().map(drop).map_err(|error| {
        Failure::new(Exit::Failed, "the server cannot be detached").because(error.to_string())
    })
}

/// A flag with its value, when there is one.
pub fn flag(command: &mut Command, name: &str, value: Option<impl AsRef<OsStr>>) {
    if let Some(value) = value {
        command.arg(name).arg(value);
    }
}

/// How waiting for a server came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waited {
    /// It answers.
    Ready,
    /// It ended before that, in these words.
    Ended(String),
    /// The time is over, and it runs.
    Late,
}

/// Waits until the server says that it is ready. `url` is asked until it knows the address.
pub fn wait_ready(
    child: &mut Child,
    patience: Duration,
    url: impl Fn() -> Option<String>,
) -> Waited {
    let until = clock::now() + patience;
    while clock::now() < until {
        match child.try_wait() {
            Ok(Some(status)) => return Waited::Ended(format!("it ended with {status}")),
            Ok(None) => {}
            Err(error) => return Waited::Ended(error.to_string()),
        }
        if url().is_some_and(|url| is_ready(&url)) {
            return Waited::Ready;
        }
        clock::pause(LOOK);
    }
    Waited::Late
}

/// Whether the server at this address takes work.
#[must_use]
pub fn is_ready(url: &str) -> bool {
    Client::new(url, None).is_ok_and(|client| client.send(&Request::get("/health/ready")).is_ok())
}

/// `why`, with the end of what was written to the log behind `from`.
#[must_use]
pub fn with_last_words(why: &str, log: &Path, from: u64) -> String {
    let end = last_words(log, from).unwrap_or_default();
    if end.is_empty() {
        return why.to_owned();
    }
    format!("{why}; the end of its log:\n       {end}")
}

fn last_words(log: &Path, from: u64) -> io::Result<String> {
    let mut file = fs::File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(from.max(length.saturating_sub(LAST_BYTES))))?;
    let mut bytes = Vec::new();
    file.take(LAST_BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    // Its own words for people, when it left any: the rest of the log is JSON.
    let plain: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with('{') && !line.is_empty())
        .collect();
    let lines = if plain.is_empty() {
        text.lines().collect()
    } else {
        plain
    };
    let first = lines.len().saturating_sub(LAST_LINES);
    Ok(lines.get(first..).unwrap_or_default().join("\n       "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_are_those_for_people_and_of_this_start() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("server.log");
        let before = "callboard: an older trouble\n";
        fs::write(
            &log,
            format!("{before}{{\"level\":\"INFO\"}}\ncallboard: no\n  why: x\n"),
        )
        .unwrap();
        let from = u64::try_from(before.len()).unwrap();
        assert_eq!(
            with_last_words("it ended", &log, from),
            "it ended; the end of its log:\n       callboard: no\n         why: x"
        );
        fs::write(&log, "{\"a\":1}\n{\"a\":2}\n").unwrap();
        assert!(with_last_words("it ended", &log, 0).ends_with("{\"a\":1}\n       {\"a\":2}"));
        assert_eq!(with_last_words("it ended", &log, 16), "it ended");
        assert_eq!(
            with_last_words("it ended", &dir.path().join("no"), 0),
            "it ended"
        );
    }
}
