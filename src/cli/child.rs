//! The programs that the client itself starts: the demo's server, and small questions to tools.
//!
//! Never an agent: those are started by keepers alone.

use std::ffi::OsStr;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::clock;

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

/// The first KiB of what `PROGRAM --version` prints, with these variables besides; nothing of one
/// that has not ended within `limit`.
///
/// # Errors
/// A text, when it cannot be started or is late.
pub fn version(program: &Path, quiet: &[(&str, &str)], limit: Duration) -> Result<String, String> {
    let mut child = command(program)
        .arg("--version")
        .envs(quiet.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| error.to_string())?;
    let until = clock::now() + limit;
    // So few words fit into the pipe: the program need not be read to end.
    while clock::now() < until {
        match child.try_wait() {
            Ok(Some(_)) => {
                let mut said = Vec::new();
                let out = child.stdout.take().map(|out| out.take(1024));
                if let Some(mut out) = out {
                    out.read_to_end(&mut said)
                        .map_err(|error| error.to_string())?;
                }
                return Ok(String::from_utf8_lossy(&said).into_owned());
            }
            Ok(None) => clock::pause(Duration::from_millis(10)),
            Err(error) => return Err(error.to_string()),
        }
    }
    drop(child.kill());
    drop(child.wait());
    Err(format!("it did not answer within {} s", limit.as_secs()))
}
