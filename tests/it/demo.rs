//! The demo, which is a test of the whole: every step of it checks what it shows.
//!
//! Never with the home, the port or the sign-in of the person who runs the tests.

use std::process::{Command, Stdio};

#[test]
#[expect(clippy::disallowed_methods, reason = "the test runs the program")]
fn the_demo_runs_from_end_to_end_and_leaves_nothing_behind() {
    let home = tempfile::tempdir().unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_callboard"))
        .args(["demo", "--once", "--bind", "127.0.0.1:0"])
        .env("HOME", home.path())
        .env("TMPDIR", temporary.path())
        .env_remove("CALLBOARD_URL")
        .env_remove("CALLBOARD_API_KEY")
        .env_remove("AGOR_API_KEY")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{}: {told}", done.status);
    for words in [
        "events, numbered without a hole",
        "waits, position 2",
        "none is missing, none came twice",
        "the demo's server and its agents have ended",
    ] {
        assert!(told.contains(words), "no `{words}` in: {told}");
    }
    let left = std::fs::read_dir(temporary.path()).unwrap().count();
    assert_eq!(left, 0, "the demo left its directory behind: {told}");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the test runs the program")]
fn the_demo_drives_the_real_claude_code_with_a_stand_in_for_its_model() {
    let home = tempfile::tempdir().unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let claude = crate::claude::program::claude();
    let path = format!(
        "{}:{}",
        claude.parent().unwrap().display(),
        std::env::var("PATH").unwrap()
    );
    let mut command = Command::new(env!("CARGO_BIN_EXE_callboard"));
    for name in [
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_AUTH_TOKEN",
        "CLAUDE_CONFIG_DIR",
    ] {
        command.env_remove(name);
    }
    let done = command
        .args(["demo", "--once", "--with-claude", "--bind", "127.0.0.1:0"])
        .env("HOME", home.path())
        .env("TMPDIR", temporary.path())
        .env("PATH", path)
        .env_remove("CALLBOARD_URL")
        .env_remove("CALLBOARD_API_KEY")
        .env_remove("AGOR_API_KEY")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{}: {told}", done.status);
    for words in [
        "plays the model, which costs nothing",
        "pieces, then the whole message",
        "hello.txt holds: hello",
        "the demo's server and its agents have ended",
    ] {
        assert!(told.contains(words), "no `{words}` in: {told}");
    }
    let left = std::fs::read_dir(temporary.path()).unwrap().count();
    assert_eq!(left, 0, "the demo left its directory behind: {told}");
}
