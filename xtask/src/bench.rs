//! `cargo xtask bench`: the release build beside bare ceilings.
//!
//! Never part of `cargo xtask test`: it wants a machine of its own for minutes.

use super::step::{Failed, Step, say};

/// The benchmark's own, so that a question does not build anything.
const USAGE: &str = include_str!("../../benches/core/usage.txt");

/// Builds and runs `benches/core`, which knows the arguments. Cargo builds both programs with it, in
/// the release profile, so that server, ceilings and load come out of one build.
pub fn run(args: &[String]) -> Result<(), Failed> {
    if args.iter().any(|word| word == "--help" || word == "-h") {
        say(USAGE);
        return Ok(());
    }
    let words = [
        "bench",
        "--locked",
        "--package",
        "callboard",
        "--bench",
        "core",
    ];
    Step::cargo("build", &words).arg("--no-run").run()?;
    Step::cargo("bench", &words)
        .arg("--")
        .args(args)
        .quietly()
        .run()
}
