//! The `callboard` program: reads the command line and hands over to the client or the server.
//!
//! Never holds logic of its own.

use std::process::ExitCode;

use callboard::boot::{self, Options, StopAgents};
use callboard::cli::args::{Cli, ServeArgs};
use callboard::cli::{Exit, Failure, Programs, run};
use callboard::config::{Config, Overrides};
use clap::Parser;

fn main() -> ExitCode {
    run(Cli::parse(), Programs { serve })
}

/// The seam between the command line and the server. A refused setting is wrong usage (2), a
/// failed start is 1.
fn serve(args: ServeArgs) -> ExitCode {
    let stop_agents = if args.stop_agents {
        StopAgents::Yes
    } else {
        StopAgents::No
    };
    let overrides = Overrides {
        data_dir: args.data_dir,
        bind: args.bind,
        config_file: args.config,
        // The flag only switches on: without it the settings below decide.
        behind_proxy: args.behind_proxy.then_some(true),
        log: args.log,
        database_url: None,
    };
    let config = match Config::load(overrides) {
        Ok(config) => config,
        Err(error) => return refuse(Exit::Usage, &error.to_string()),
    };
    let options = Options { stop_agents };
    boot::serve(config, options).unwrap_or_else(|error| refuse(Exit::Failed, &error.to_string()))
}

fn refuse(exit: Exit, why: &str) -> ExitCode {
    Failure::new(exit, "the server does not start")
        .because(why)
        .print();
    exit.into()
}
