//! The `callboard` program.
//!
//! Never holds logic of its own: it hands the words of the command line to `cli`.

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    match (args.next().as_deref(), args.next().as_deref()) {
        (Some("agent"), Some("script")) => callboard::cli::agent::script::run(args),
        _ => {
            let _ = writeln!(std::io::stderr(), "usage: callboard agent script FILE");
            ExitCode::from(2)
        }
    }
}
