//! `completions`: what a shell completes on this command line.
//!
//! Never asks a server.

use clap::CommandFactory;

use super::super::args::{Cli, CompletionsArgs};
use super::super::failure::{Exit, Failure};
use super::super::out;

/// Prints the script for a shell.
pub fn completions(args: &CompletionsArgs) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "callboard", &mut script);
    out::bytes(&script)?;
    Ok(Exit::Completed)
}
