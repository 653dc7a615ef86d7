//! The real Claude Code, driven through the server.
//! Never against the provider's own model.

pub mod program;

use std::process::Command;

#[test]
fn the_program_is_the_pinned_one_and_runs_without_node() {
    let home = tempfile::tempdir().unwrap();
    let said = Command::new(program::claude())
        .arg("--version")
        .env_clear()
        .env("HOME", home.path())
        .output()
        .unwrap();
    let version = String::from_utf8_lossy(&said.stdout);
    assert!(version.starts_with(program::VERSION), "{version}");
}
