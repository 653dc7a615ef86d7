//! `callboard completions`: the scripts, and the shells that read them.
//!
//! Never satisfied with a script that only looks like one.

use std::process::Command;

fn script(shell: &str) -> String {
    let done = Command::new(env!("CARGO_BIN_EXE_callboard"))
        .args(["completions", shell])
        .env("HOME", "/nonexistent")
        .output()
        .unwrap();
    assert!(done.status.success(), "{shell}: {done:?}");
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn every_shell_gets_a_script_that_knows_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = script(shell);
        for word in ["attach", "daemon", "export", "stop-agents"] {
            assert!(script.contains(word), "{shell}: no {word}");
        }
        assert!(!script.contains("detached"), "{shell}: a hidden flag");
    }
}

#[test]
fn bash_completes_commands_and_their_words() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("callboard.bash");
    std::fs::write(&file, script("bash")).unwrap();
    for (line, wanted) in [
        ("callboard dae", "daemon"),
        ("callboard daemon st", "start stop status"),
        ("callboard attach x --rea", "--read-only"),
        ("callboard completions z", "zsh"),
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        let last = words.len() - 1;
        let asked = format!(
            "source {}; COMP_WORDS=({line}); COMP_CWORD={last}; COMP_LINE='{line}'; \
             _callboard callboard {} {}; echo \"${{COMPREPLY[*]}}\"",
            file.display(),
            words[last],
            words[last - 1],
        );
        let done = Command::new("bash")
            .args(["--norc", "-c", &asked])
            .output()
            .unwrap();
        let found = String::from_utf8_lossy(&done.stdout).trim().to_owned();
        assert_eq!(found, wanted, "{line}: {done:?}");
    }
}

#[test]
fn an_unknown_shell_is_wrong_usage() {
    let done = Command::new(env!("CARGO_BIN_EXE_callboard"))
        .args(["completions", "cmd"])
        .output()
        .unwrap();
    assert_eq!(done.status.code(), Some(2));
}
