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
