//! `daemon`: a server in the background.
//!
//! Never signals a process that does not hold the data directory's lock, and never ends an agent
//! unless that was asked for.

mod log;
mod look;
mod start;
mod status;
mod stop;

use std::path::{Path, PathBuf};

use super::Programs;
use super::args::{DaemonAction, DaemonArgs, ServeArgs, WhichArgs};
use super::failure::{Exit, Failure};

/// Does what was asked for.
pub fn run(args: DaemonArgs, programs: Programs) -> Result<Exit, Failure> {
    let of = |which: &WhichArgs| data_dir(which, programs);
    match args.action {
        DaemonAction::Start(args) => start::start(&args, programs),
        DaemonAction::Restart(args) => start::restart(&args, programs),
        DaemonAction::Stop(args) => stop::run(&of(&args.which)?, &args),
        DaemonAction::Status(args) => status::run(&of(&args.which)?, &args),
        DaemonAction::Logs(args) => log::logs(&of(&args.which)?, &args),
    }
}

/// Which data directory is meant. A named one needs no settings: what is wrong with them must not
/// keep a person from stopping a server.
fn data_dir(which: &WhichArgs, programs: Programs) -> Result<PathBuf, Failure> {
    if let Some(dir) = &which.data_dir {
        return absolute(dir);
    }
    let serve = ServeArgs {
        config: which.config.clone(),
        ..ServeArgs::default()
    };
    (programs.data_dir)(&serve)
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| {
        Failure::new(Exit::Usage, format!("`{}` is no path", path.display()))
            .because(error.to_string())
    })
}

fn hidden(dir: &Path) -> Failure {
    Failure::new(
        Exit::Refused,
        format!(
            "a server that cannot be seen from here uses {}",
            dir.display()
        ),
    )
    .because("its lock is held by a process of a container, or of another user")
    .mend("stop it there, or name another directory with --data-dir")
}
