//! `cargo xtask test`: format, lints, documentation, dependencies, the document of the API, tests.
//!
//! Never another order: what is quick to fail comes first, and cargo's test lines come last.

use super::step::{Failed, Step, now, say, target_dir};
use super::{FEATURES, document, means};

/// Runs all of it.
pub fn all() -> Result<(), Failed> {
    let began = now();
    means::programs()?;
    means::packages()?;
    Step::cargo("format", &["fmt", "--all", "--check"]).run()?;
    Step::cargo(
        "lints",
        &[
            "clippy",
            "--locked",
            "--workspace",
            "--all-targets",
            "--features",
            FEATURES,
            "--",
            "-D",
            "warnings",
        ],
    )
    .run()?;
    Step::cargo(
        "documentation",
        &[
            "doc",
            "--locked",
            "--workspace",
            "--no-deps",
            "--document-private-items",
            "--features",
            FEATURES,
        ],
    )
    .env("RUSTDOCFLAGS", "-D warnings")
    .run()?;
    let deny = means::deny()?;
    Step::program("dependencies", &deny)
        .args(&["--all-features", "check", "bans", "licenses", "sources"].map(String::from))
        .run()?;
    let tests = ["test", "--locked", "--workspace", "--features", FEATURES];
    // The tests' own build has the programs.
    Step::cargo("build", &tests).arg("--no-run").run()?;
    document::against(&target_dir()?.join("debug/callboard"), None)?;
    let minutes = now().saturating_duration_since(began).as_secs_f64() / 60.0;
    say(&format!(
        "    so far: {minutes:.1} min; the tests come last"
    ));
    Step::cargo("tests", &tests).quietly().run()
}
