//! The demo, which is a test of the whole: every step of it checks what it shows.
//!
//! Never with the home, the port or the sign-in of the person who runs the tests.

use std::process::{Command, Stdio};

/// Runs the demo in a path with this directory in front, and checks what it tells; nothing of it
/// may be left behind.
#[expect(clippy::disallowed_methods, reason = "the test runs the program")]
fn runs(flags: &[&str], programs: &str, told_of: &[&str]) {
    let home = tempfile::tempdir().unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let path = std::env::var("PATH").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_callboard"));
    for name in [
        "CALLBOARD_URL",
        "CALLBOARD_API_KEY",
        "AGOR_API_KEY",
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_AUTH_TOKEN",
        "CLAUDE_CONFIG_DIR",
    ] {
        command.env_remove(name);
    }
    let done = command
        .args(["demo", "--once", "--bind", "127.0.0.1:0"])
        .args(flags)
        .env("HOME", home.path())
        .env("TMPDIR", temporary.path())
        .env("PATH", format!("{programs}:{path}"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{}: {told}", done.status);
    for words in told_of {
        assert!(told.contains(words), "no `{words}` in: {told}");
    }
    let left = std::fs::read_dir(temporary.path()).unwrap().count();
    assert_eq!(left, 0, "the demo left its directory behind: {told}");
}

#[test]
fn the_demo_runs_from_end_to_end_and_leaves_nothing_behind() {
    let told = [
        "events, numbered without a hole",
        "waits, position 2",
        "none is missing, none came twice",
        "the demo's server and its agents have ended",
    ];
    runs(&[], "/nowhere", &told);
}

#[test]
fn the_demo_drives_the_real_claude_code_with_a_stand_in_for_its_model() {
    let claude = crate::claude::program::claude();
    let told = [
        "plays the model, which costs nothing",
        "pieces, then the whole message",
        "hello.txt holds: hello",
        "the demo's server and its agents have ended",
    ];
    let place = claude.parent().unwrap().to_str().unwrap();
    runs(&["--with-claude"], place, &told);
}
