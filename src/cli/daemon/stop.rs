//! `daemon stop`: ends the server in order, and waits for it.
//!
//! Never kills: a server that takes too long is said to, and ends by itself.

use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use super::hidden;
use super::look::{Found, still_has};
use super::status::Report;
use crate::cli::args::StopArgs;
use crate::cli::failure::{Exit, Failure};
use crate::cli::{clock, launch, out};

/// Ends it. One that does not run is no failure.
pub fn run(dir: &Path, args: &StopArgs) -> Result<Exit, Failure> {
    let report = Report::of(dir)?;
    let pid = match report.found {
        Found::Server(note) => note.pid,
        Found::Hidden => return Err(hidden(dir)),
        Found::Nobody | Found::Stale(_) => {
            return told(args, None, Duration::ZERO, "the server is not running");
        }
    };
    let took = end(dir, pid, args.stop_agents, args.timeout)?;
    let agents = match (args.stop_agents, report.running_agents()) {
        (true, _) => String::from("its agents with it"),
        (false, Some(1)) => String::from("1 agent runs on"),
        (false, Some(count)) if count > 0 => format!("{count} agents run on"),
        (false, _) => String::from("no agent was running"),
    };
    let words = format!(
        "stopped after {:.1} s (pid {pid}); {agents}",
        took.as_secs_f64()
    );
    told(args, Some(pid), took, &words)
}

fn told(args: &StopArgs, pid: Option<u32>, took: Duration, words: &str) -> Result<Exit, Failure> {
    if args.json {
        out::json(&json!({
            "stopped": pid.is_some(),
            "pid": pid,
            "seconds": took.as_secs_f64(),
            "agentsStopped": pid.is_some() && args.stop_agents,
        }))?;
    } else {
        out::line(words)?;
    }
    Ok(Exit::Completed)
}

/// Ends this server in order and says how long that took.
///
/// # Errors
/// When it may not be signalled, or does not end in time.
pub fn end(dir: &Path, pid: u32, agents: bool, patience: Duration) -> Result<Duration, Failure> {
    let signal = if agents {
        // The server ends its agents too (boot/signals.rs).
        Signal::SIGUSR2
    } else {
        Signal::SIGTERM
    };
    let refused = |why: String| {
        Failure::new(
            Exit::Refused,
            format!("the server (pid {pid}) cannot be stopped"),
        )
        .because(why)
    };
    let target = i32::try_from(pid).map_err(|error| refused(error.to_string()))?;
    match kill(Pid::from_raw(target), signal) {
        Ok(()) | Err(nix::Error::ESRCH) => {}
        Err(error) => return Err(refused(error.to_string())),
    }
    let began = clock::now();
    while still_has(dir, pid) {
        if began.elapsed() >= patience {
            return Err(Failure::new(
                Exit::TimedOut,
                format!("the server (pid {pid}) is still stopping"),
            )
            .because(format!(
                "after {} s it finishes requests in flight; it goes on",
                patience.as_secs()
            ))
            .mend("wait, or run it again: a second signal ends it at once"));
        }
        clock::pause(launch::LOOK);
    }
    Ok(began.elapsed())
}
