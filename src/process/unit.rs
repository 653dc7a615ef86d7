//! What the service manager says of a unit.
//!
//! Never changes one.

use std::process::{Command, Stdio};

/// The answers of both managers, the system's and the user's, to what ends with the unit; empty
/// where there is no `systemctl`. Blocking.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "a question to a tool, asked once at the start; it is no agent"
)]
pub fn shown(unit: &str) -> Vec<String> {
    let asked = ["--system", "--user"].into_iter().filter_map(|scope| {
        Command::new("systemctl")
            .args([scope, "show", "-p", "LoadState", "-p", "KillMode", unit])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .ok()
    });
    asked
        .map(|answer| String::from_utf8_lossy(&answer.stdout).into_owned())
        .collect()
}
