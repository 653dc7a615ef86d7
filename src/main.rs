//! The `callboard` program: reads the command line and hands over to the client or the server.
//!
//! Never holds logic of its own.

use std::path::PathBuf;
use std::process::ExitCode;

use callboard::boot::{self, Options, StopAgents};
use callboard::cli::args::{Cli, ServeArgs};
use callboard::cli::{Exit, Failure, Programs, run};
use callboard::config::{Config, Overrides};
use clap::Parser;

fn main() -> ExitCode {
    run(Cli::parse(), Programs { serve, data_dir })
}

/// The seam between the command line and the server. A refused setting is wrong usage (2), a
/// failed start is 1.
fn serve(args: ServeArgs) -> ExitCode {
    let stop_agents = if args.stop_agents {
        StopAgents::Yes
    } else {
        StopAgents::No
    };
    let config = match Config::load(overrides(&args)) {
        Ok(config) => config,
        Err(error) => return refuse(Exit::Usage, &error.to_string()),
    };
    let options = Options { stop_agents };
    boot::serve(config, options).unwrap_or_else(|error| refuse(Exit::Failed, &error.to_string()))
}

/// Where a server with these arguments keeps its data.
fn data_dir(args: &ServeArgs) -> Result<PathBuf, Failure> {
    Config::load(overrides(args))
        .map(|config| config.data_dir)
        .map_err(|error| unstarted(Exit::Usage, &error.to_string()))
}

fn overrides(args: &ServeArgs) -> Overrides {
    Overrides {
        data_dir: args.data_dir.clone(),
        bind: args.bind,
        config_file: args.config.clone(),
        // The flag only switches on: without it the settings below decide.
        behind_proxy: args.behind_proxy.then_some(true),
        log: args.log.clone(),
        database_url: None,
    }
}

fn refuse(exit: Exit, why: &str) -> ExitCode {
    unstarted(exit, why).print();
    exit.into()
}

fn unstarted(exit: Exit, why: &str) -> Failure {
    Failure::new(exit, "the server does not start").because(why)
}
