//! The programs that the client itself starts: the demo's server, and small questions to tools.
//!
//! Never an agent: those are started by keepers alone.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

/// A command of the client's.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the client starts no agents; it is no part of the server"
)]
pub fn command(program: impl AsRef<OsStr>) -> Command {
    Command::new(program)
}

/// What a program prints, without anything on its stdin.
///
/// # Errors
/// A text, when it cannot be started or fails.
pub fn output(program: &Path, args: &[&str]) -> Result<String, String> {
    let done = command(program)
        .args(args)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    if !done.status.success() {
        return Err(format!("it ended with {}", done.status));
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}
