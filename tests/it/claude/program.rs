//! Where the tests' Claude Code is: the pinned native program that `cargo xtask test` installs.
//! Never one of the machine's own, and never skipped when it is missing.

use std::path::PathBuf;

/// Its version, the same as in `xtask/src/means.rs`.
pub const VERSION: &str = "2.1.330";

/// The program.
pub fn claude() -> PathBuf {
    let arch = match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => panic!("there is no Claude Code for {other}"),
    };
    let package = format!("@anthropic-ai/claude-code-linux-{arch}");
    let place = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".cache/npm");
    let program = place.join("node_modules").join(&package).join("claude");
    assert!(
        program.is_file(),
        "{} is missing; `cargo xtask test` installs it, or: npm install --no-save \
         --ignore-scripts --prefix {} {package}@{VERSION}",
        program.display(),
        place.display(),
    );
    program
}
