//! `completions`: what a shell completes on this command line.
//!
//! Never asks a server, and never offers what the help hides.

use clap::{Command, CommandFactory};

use super::super::args::{Cli, CompletionsArgs};
use super::super::failure::{Exit, Failure};
use super::super::out;

/// Prints the script for a shell.
pub fn completions(args: &CompletionsArgs) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    let mut command = shown(&Cli::command());
    clap_complete::generate(args.shell, &mut command, "callboard", &mut script);
    out::bytes(&script)?;
    Ok(Exit::Completed)
}

/// The same command line without what is hidden: the generators know no difference.
fn shown(command: &Command) -> Command {
    // clap takes names that live as long as the program, which ends after this.
    let name: &'static str = command.get_name().to_owned().leak();
    let arguments = command.get_arguments().filter(|arg| !arg.is_hide_set());
    let commands = command
        .get_subcommands()
        .filter(|command| !command.is_hide_set());
    let mut pruned = Command::new(name)
        .args(arguments.cloned())
        .subcommands(commands.map(shown));
    if let Some(about) = command.get_about() {
        pruned = pruned.about(about.clone());
    }
    if let Some(version) = command.get_version() {
        let version: &'static str = version.to_owned().leak();
        pruned = pruned.version(version);
    }
    pruned
}
