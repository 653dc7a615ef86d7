//! `cargo xtask`: the recipes of this repository, the same for people and for CI.
//!
//! Never reads anything outside the clone, except the tools of the machine.

mod bench;
mod document;
mod means;
mod server;
mod step;
mod test;

use std::process::ExitCode;

use step::{Failed, Step};

/// What tests are built with: points to fail at, and TLS to PostgreSQL.
const FEATURES: &str = "failpoints,pg-tls";

const USAGE: &str = "\
cargo xtask demo [ARGS]      build, then run `callboard demo ARGS`
cargo xtask test             everything that CI checks
cargo xtask chaos [--minutes M | --cycles N] [--seed S] [--lines L] [--plan]
                  [--database sqlite|postgresql]
                             the kills, panics and faults of the tests, more of them, so long on
                             each database; --plan only prints what the seed stands for
cargo xtask document [--seed S] [--program FILE]
                             requests made from openapi.json against a server, for two minutes;
                             built first, or this one
cargo xtask soak [--minutes M] [--sessions N] [--megabytes B]
                             many sessions and much output (an hour, 1000, 1024), with a look at
                             memory and disk from time to time
cargo xtask fuzz [--cases N] generated, cut and damaged streams through the codec of claude;
                             20000 cases of each kind by default

cargo xtask bench [--database sqlite|postgresql] [--only ROW] [--quick] [--json FILE]
                             the release build beside bare ceilings, on both databases; `bench
                             --help` lists the rows";

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
        "document" => document::run(rest),
        "soak" => soak(rest),
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
            FEATURES,
            "--lib",
            "drivers::claude::tests::properties",
        ],
    )
    .env("CALLBOARD_FUZZ_CASES", cases)
    .run()
}

fn chaos(args: &[String]) -> Result<(), Failed> {
    let flags = [
        ("--minutes", "CALLBOARD_CHAOS_MINUTES"),
        ("--cycles", "CALLBOARD_CHAOS_CYCLES"),
        ("--seed", "CALLBOARD_CHAOS_SEED"),
        ("--lines", "CALLBOARD_CHAOS_LINES"),
    ];
    let mut rest = args.to_vec();
    let plan = rest.iter().position(|word| word == "--plan");
    let plan = plan.map(|at| rest.remove(at)).is_some();
    let database = rest.iter().position(|word| word == "--database");
    let database = database.map(|at| rest.drain(at..rest.len().min(at + 2)).next_back());
    // The plan is the same on both.
    let test = match database.flatten().as_deref() {
        None if plan => "chaos_as_asked --exact",
        None => "chaos_as_asked",
        Some("sqlite") => "chaos_as_asked --exact",
        Some("postgresql") => "chaos_as_asked_on_postgresql --exact",
        Some(_) => return Err(Failed::usage("`--database` is sqlite or postgresql")),
    };
    let test = format!("survive::chaos::{test}");
    let step = long("chaos", &test, (&rest, &flags))?;
    match plan {
        true => step.env("CALLBOARD_CHAOS_PLAN", "1").run(),
        false => step.run(),
    }
}

fn soak(args: &[String]) -> Result<(), Failed> {
    let flags = [
        ("--minutes", "CALLBOARD_SOAK_MINUTES"),
        ("--sessions", "CALLBOARD_SOAK_SESSIONS"),
        ("--megabytes", "CALLBOARD_SOAK_MEGABYTES"),
    ];
    long("soak", "soak_as_asked", (args, &flags))?.run()
}

/// A long run of ignored tests, one after the other, whose size its flags set. The tests are named as
/// for the program that cargo builds of them.
fn long(
    name: &str,
    test: &str,
    (args, flags): (&[String], &[(&str, &str)]),
) -> Result<Step, Failed> {
    let words = [
        "test",
        "--locked",
        "--features",
        FEATURES,
        "--test",
        "it",
        "--",
        "--ignored",
        "--nocapture",
        "--test-threads=1",
    ];
    let test: Vec<String> = test.split(' ').map(str::to_owned).collect();
    let mut step = Step::cargo(name, &words).args(&test);
    let mut words = args.iter();
    while let Some(flag) = words.next() {
        let Some((_, variable)) = flags.iter().find(|(known, _)| known == flag) else {
            return Err(Failed::usage(format!("`{flag}` is not known")));
        };
        let number = words.next().filter(|word| word.parse::<u64>().is_ok());
        let Some(number) = number else {
            return Err(Failed::usage(format!("`{flag}` needs a number")));
        };
        step = step.env(variable, number);
    }
    Ok(step)
}
