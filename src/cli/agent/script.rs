//! `callboard agent script FILE`: plays a scenario over JSON lines (`drivers::script::wire`).
//!
//! Never outlives its server's side: a closed stdout or the end of stdin is a good end, except in
//! a `hang` step, which plays a program that notices nothing.
//!
//! `FILE` is the path of a scenario or the name of a ready one. `--turns-done N` plays on behind
//! N turns, `--at NAME` in another scenario than FILE (one that `/scenario NAME` chose before a
//! restart), `--permission-mode MODE` answers questions without a person where the mode says so.
//! One thread reads stdin into the `inbox`, the main thread plays.

mod inbox;
mod player;
mod shelf;

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use crate::domain::PermissionMode;
use crate::drivers::script::scenario::ScenarioError;
use inbox::Inbox;
use player::{Halt, Player};
use shelf::Shelf;

const USAGE: &str = "usage: callboard agent script FILE [--turns-done N] [--at NAME] \
                     [--permission-mode MODE]";

/// What the command line said.
#[derive(Debug, PartialEq, Eq)]
struct Options {
    home: String,
    at: Option<String>,
    turns_done: u32,
    mode: PermissionMode,
}

/// Runs the player with the arguments behind `agent script`. Exit codes: 0 when the other side
/// closed, 1 when stdin or stdout broke, 2 when the arguments or the scenario cannot be used.
#[must_use]
pub fn run(args: impl IntoIterator<Item = String>) -> ExitCode {
    let options = match Options::parse(args) {
        Ok(options) => options,
        Err(message) => return refuse(&format!("{message}\n{USAGE}")),
    };
    let player = match player(&options) {
        Ok(player) => player,
        Err(error) => return refuse(&error.to_string()),
    };
    match player.play() {
        Halt::Closed => ExitCode::SUCCESS,
        Halt::Exit(code) => ExitCode::from(code),
        Halt::Broken(error) => {
            let _ = writeln!(io::stderr(), "callboard agent script: {error}");
            ExitCode::FAILURE
        }
    }
}

fn player(options: &Options) -> Result<Player<io::StdoutLock<'static>>, ScenarioError> {
    let shelf = Shelf::open(&options.home)?;
    let inbox = Arc::new(Inbox::default());
    let feeder = Arc::clone(&inbox);
    // Not joined: it ends with the process, mostly in a blocked read.
    std::thread::spawn(move || feeder.fill(io::stdin().lock()));
    let mut player = Player::new(io::stdout().lock(), inbox, shelf, options.mode);
    player.resume(options.at.as_deref(), options.turns_done);
    Ok(player)
}

fn refuse(message: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "callboard agent script: {message}");
    ExitCode::from(2)
}

impl Options {
    fn parse(args: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            home: String::new(),
            at: None,
            turns_done: 0,
            mode: PermissionMode::Default,
        };
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("{arg} needs a value"));
            match arg.as_str() {
                "--turns-done" => {
                    options.turns_done = value()?
                        .parse()
                        .map_err(|error| format!("--turns-done: {error}"))?;
                }
                "--at" => options.at = Some(value()?),
                "--permission-mode" => {
                    options.mode = PermissionMode::parse(&value()?)
                        .map_err(|error| format!("--permission-mode: {error}"))?;
                }
                other if other.starts_with("--") => return Err(format!("unknown option {other}")),
                _ if options.home.is_empty() => options.home = arg,
                _ => return Err(format!("unexpected argument {arg}")),
            }
        }
        if options.home.is_empty() {
            return Err("FILE is missing".to_owned());
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Options, String> {
        Options::parse(args.iter().map(|arg| (*arg).to_owned()))
    }

    #[test]
    fn arguments_are_read_in_any_order() {
        let options = parse(&["--turns-done", "3", "/x.json", "--permission-mode", "yolo"]);
        assert_eq!(
            options.unwrap(),
            Options {
                home: "/x.json".into(),
                at: None,
                turns_done: 3,
                mode: PermissionMode::BypassPermissions,
            }
        );
    }

    #[test]
    fn bad_arguments_are_refused() {
        for args in [
            &[][..],
            &["--turns-done", "3"],
            &["x", "y"],
            &["x", "--turns-done"],
            &["x", "--turns-done", "-1"],
            &["x", "--loud"],
            &["x", "--permission-mode", "root"],
        ] {
            assert!(parse(args).is_err(), "{args:?}");
        }
    }
}
