//! The log: one JSON object a line on stderr.
//!
//! Never prompt text above debug, never a secret: each line is looked through before it is written.
//! A line that cannot be written is lost and harms nothing else: the disk behind stderr may be full,
//! and nobody may read the pipe behind it.

use std::io::{self, Write};

use tracing_subscriber::EnvFilter;

use super::error::BootError;
use super::logqueue;
use crate::secrets::everywhere;

/// Starts the log with a filter as RUST_LOG is written. A second start keeps the first.
///
/// # Errors
/// [`BootError::Log`] for a filter that cannot be read; or when the system gives no thread.
pub fn start(filter: &str) -> Result<(), BootError> {
    let parsed = EnvFilter::try_new(filter).map_err(|error| BootError::Log {
        filter: filter.to_owned(),
        reason: error.to_string(),
    })?;
    let queue = logqueue::start(Covering(io::stderr())).map_err(BootError::fault)?;
    let started = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(parsed)
        // Else it tells of a failed write on stderr with a macro that panics when that fails too.
        .log_internal_errors(false)
        .with_writer(move || queue.clone())
        .try_init();
    if let Err(error) = started {
        tracing::debug!(%error, "the log was started before");
    }
    Ok(())
}

/// Covers secrets, the server's and those of sessions that are awake, in what it is given: whole lines, as the log writes them.
struct Covering<W>(W);

impl<W: Write> Write for Covering<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match std::str::from_utf8(line) {
            Ok(text) => self.0.write_all(covered(text).as_bytes())?,
            Err(_no_text) => self.0.write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The line's end stays: a JSON document that is written anew has none.
fn covered(text: &str) -> String {
    let (line, end) = match text.strip_suffix('\n') {
        Some(line) => (line, "\n"),
        None => (text, ""),
    };
    format!("{}{end}", everywhere(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_keeps_its_form_and_loses_its_secrets() {
        let key = "sk-ant-0123456789-abcdefghij";
        let line =
            format!("{{\"level\":\"INFO\",\"message\":\"with {key} \\\"in\\\" it\",\"n\":1}}\n");
        let mut log = Covering(Vec::new());
        log.write_all(line.as_bytes()).unwrap();
        log.write_all(b"{\"message\":\"plain\"}\n").unwrap();
        let text = String::from_utf8(log.0).unwrap();
        let lines: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let stars = "*".repeat(key.len());
        assert_eq!(lines[0]["message"], format!("with {stars} \"in\" it"));
        assert_eq!(lines[0]["n"], 1);
        assert_eq!(lines[1]["message"], "plain");
    }
}
