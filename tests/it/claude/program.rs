//! Where the pinned `claude` of the tests is.

use std::path::PathBuf;

/// The program of the platform's own package: the launcher of the other one is made by a script
/// that is not run.
pub fn claude() -> PathBuf {
    let package = "node_modules/@anthropic-ai/claude-code-linux-x64/claude";
    let program = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".cache/npm").join(package);
    assert!(
        program.is_file(),
        "the pinned claude is missing: `cargo xtask test` installs it"
    );
    program
}
