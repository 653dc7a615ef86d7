//! The `callboard` program: reads the command line and hands over to the client or the server.
//!
//! Never holds logic of its own.

use std::process::ExitCode;

use callboard::cli::args::{Cli, ServeArgs};
use callboard::cli::{Programs, run};
use clap::Parser;

fn main() -> ExitCode {
    run(Cli::parse(), Programs { serve })
}

/// The seam to the server.
fn serve(_args: ServeArgs) -> ExitCode {
    callboard::cli::Failure::new(callboard::cli::Exit::Failed, "this build has no server").print();
    ExitCode::FAILURE
}
