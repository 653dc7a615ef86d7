//! `cargo xtask`: the recipes of this repository, the same for people and for CI.
//!
//! Never reads anything outside the clone, except the tools of the machine.

mod bench;
mod means;
mod step;
mod test;

use std::process::ExitCode;

use step::{Failed, Step};

const USAGE: &str = "\
cargo xtask demo [ARGS]      build, then run `callboard demo ARGS`
cargo xtask test             everything that CI checks
cargo xtask chaos [--minutes M | --cycles N] [--seed S] [--lines L] [--plan]
                             the kills and panics of the tests, more of them; --plan only
                             prints what the seed stands for
cargo xtask fuzz [--cases N] generated, cut and damaged streams through the codec of claude;
                             20000 cases of each kind by default

cargo xtask bench [--only ROW] [--quick] [--json FILE]
                             the release build beside bare ceilings; `bench --help` lists the rows";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (name, rest) = match words.split_first() {
        Some((name, rest)) => (name.as_str(), rest),
        None => ("help", [].as_slice()),
    };
    let done = match name {
        "demo" => demo(rest),
        "test" if rest.is_empty() => test::all(),
        "chaos" => chaos(rest),
        "fuzz" => fuzz(rest),
        "bench" => bench::run(rest),
        "help" | "--help" | "-h" => {
            step::say(USAGE);
            Ok(())
        }
        _ => Err(Failed::usage(format!("`{}` is no recipe", words.join(" ")))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            step::say(&format!("xtask: {failed}"));
            if failed.is_usage() {
                step::say(USAGE);
            }
            ExitCode::from(failed.code())
        }
    }
}

/// Builds both programs into one directory, where the server finds its keeper.
fn demo(args: &[String]) -> Result<(), Failed> {
    Step::cargo("build", &["build", "--locked", "--bins"]).run()?;
    let program = step::target_dir()?.join("debug/callboard");
    Step::program("demo", &program)
        .arg("demo")
        .args(args)
        .quietly()
        .run()
}

/// The properties of the codec that reads a foreign program's output, over many more cases.
fn fuzz(args: &[String]) -> Result<(), Failed> {
    let cases = match args {
        [] => "20000",
        [flag, cases] if flag == "--cases" && cases.parse::<u32>().is_ok() => cases,
        _ => return Err(Failed::usage("`fuzz` takes `--cases N`".to_owned())),
    };
    Step::cargo(
        "fuzz",
        &[
            "test",
            "--locked",
            "--features",
            "failpoints",
            "--lib",
            "drivers::claude::tests::properties",
        ],
    )
    .env("CALLBOARD_FUZZ_CASES", cases)
    .run()
}

fn chaos(args: &[String]) -> Result<(), Failed> {
    let mut step = Step::cargo(
        "chaos",
        &[
            "test",
            "--locked",
            "--features",
            "failpoints",
            "--test",
            "it",
            "chaos_as_asked",
        ],
    )
    .args(&["--", "--ignored", "--nocapture"].map(String::from));
    let mut words = args.iter();
    while let Some(flag) = words.next() {
        let name = match flag.as_str() {
            "--plan" => {
                step = step.env("CALLBOARD_CHAOS_PLAN", "1");
                continue;
            }
            "--minutes" => "CALLBOARD_CHAOS_MINUTES",
            "--cycles" => "CALLBOARD_CHAOS_CYCLES",
            "--seed" => "CALLBOARD_CHAOS_SEED",
            "--lines" => "CALLBOARD_CHAOS_LINES",
            _ => return Err(Failed::usage(format!("`{flag}` is not known"))),
        };
        let number = words.next().filter(|word| word.parse::<u64>().is_ok());
        let Some(number) = number else {
            return Err(Failed::usage(format!("`{flag}` needs a number")));
        };
        step = step.env(name, number);
    }
    step.run()
}
