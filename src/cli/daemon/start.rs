//! `daemon start` and `daemon restart`: a server of its own session, waited for until it is ready.
//!
//! Never starts a second one on a data directory, and never kills one that takes long.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;

use super::look::{Found, look, note_of, url};
use super::status::Report;
use super::{absolute, hidden, log, stop};
use crate::cli::Programs;
use crate::cli::args::{Cli, Command, ServeArgs, StartArgs};
use crate::cli::failure::{Exit, Failure};
use crate::cli::launch::{self, Waited};
use crate::cli::{clock, credentials, out};

/// How long a server that has taken the directory may stay without a note of itself.
const NOTED: Duration = Duration::from_secs(2);

/// Starts it. One that runs already is no failure.
pub fn start(args: &StartArgs, programs: Programs) -> Result<Exit, Failure> {
    let dir = (programs.data_dir)(&args.serve)?;
    match settled(&dir)? {
        Found::Server(note) => already(&dir, note.pid, args),
        Found::Hidden => Err(hidden(&dir)),
        Found::Nobody | Found::Stale(_) => up(&dir, &args.serve, args),
    }
}

/// Ends it and starts it again as it was, but for what the command line says.
pub fn restart(args: &StartArgs, programs: Programs) -> Result<Exit, Failure> {
    let dir = (programs.data_dir)(&args.serve)?;
    let note = match look(&dir)? {
        Found::Server(note) => note,
        Found::Hidden => return Err(hidden(&dir)),
        Found::Nobody | Found::Stale(_) => return up(&dir, &args.serve, args),
    };
    let before = arguments(note.pid);
    if before.as_ref().is_some_and(|before| before.stop_agents) {
        out::note("callboard: it was started with --stop-agents: its agents end with it");
    }
    let serve = merged(&args.serve, before.unwrap_or_default(), note.address);
    stop::end(&dir, note.pid, false, args.timeout)?;
    up(&dir, &serve, args)
}

/// Who uses the directory: a server that has just taken it says so in a moment.
fn settled(dir: &Path) -> Result<Found, Failure> {
    let until = clock::now() + NOTED;
    loop {
        let found = look(dir)?;
        if found != Found::Hidden || clock::now() >= until {
            return Ok(found);
        }
        clock::pause(launch::LOOK);
    }
}

/// It runs, or is about to.
fn already(dir: &Path, pid: u32, args: &StartArgs) -> Result<Exit, Failure> {
    let until = clock::now() + args.timeout;
    loop {
        let report = Report::of(dir)?;
        if report.ready {
            if !args.json {
                out::line("already running")?;
            }
            report.print(dir, args.json)?;
            return Ok(Exit::Completed);
        }
        let gone = match report.found {
            Found::Server(note) => note.pid != pid,
            // Another one may just be taking the directory.
            Found::Hidden => false,
            Found::Nobody | Found::Stale(_) => true,
        };
        if gone || clock::now() >= until {
            return Err(Failure::new(
                Exit::Unreachable,
                format!("a server (pid {pid}) is there and does not become ready"),
            )
            .because("it still recovers, drains, or something of it is sick")
            .mend("look at `callboard daemon status` and `callboard daemon logs`"));
        }
        clock::pause(launch::LOOK);
    }
}

fn up(dir: &Path, serve: &ServeArgs, args: &StartArgs) -> Result<Exit, Failure> {
    let log = log::path(dir);
    let failed = |why: String| {
        Failure::new(Exit::Failed, "the server does not start")
            .because(why)
            .mend(format!("read {}", log.display()))
    };
    let from = log::prepare(dir).map_err(|error| failed(error.to_string()))?;
    let mut command = launch::serve(&log).map_err(|error| failed(error.to_string()))?;
    command.arg("--detached").arg("--data-dir").arg(dir);
    let config = serve.config.as_deref().map(absolute).transpose()?;
    launch::flag(&mut command, "--config", config);
    launch::flag(
        &mut command,
        "--bind",
        serve.bind.map(|bind| bind.to_string()),
    );
    launch::flag(&mut command, "--log", serve.log.as_deref());
    for (given, name) in [
        (serve.behind_proxy, "--behind-proxy"),
        (serve.stop_agents, "--stop-agents"),
    ] {
        if given {
            command.arg(name);
        }
    }
    let began = clock::now();
    let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
    let pid = child.id();
    let noted = || note_of(dir, pid)?.address.map(url);
    match launch::wait_ready(&mut child, args.timeout, noted) {
        Waited::Ready => started(dir, began.elapsed(), args),
        Waited::Ended(how) => match look(dir)? {
            // Somebody else started one at the same time.
            Found::Server(note) => already(dir, note.pid, args),
            Found::Nobody | Found::Stale(_) | Found::Hidden => {
                Err(failed(launch::with_last_words(&how, &log, from)))
            }
        },
        Waited::Late => Err(Failure::new(
            Exit::TimedOut,
            format!(
                "the server (pid {pid}) is not ready after {} s; it goes on",
                args.timeout.as_secs()
            ),
        )
        .mend("look at `callboard daemon status` and `callboard daemon logs`")),
    }
}

fn started(dir: &Path, took: Duration, args: &StartArgs) -> Result<Exit, Failure> {
    if !args.json {
        out::line(&format!("ready after {:.1} s", took.as_secs_f64()))?;
    }
    let report = Report::of(dir)?;
    report.print(dir, args.json)?;
    if let (Some(url), false) = (report.url(), args.json) {
        next(dir, &url)?;
    }
    Ok(Exit::Completed)
}

/// How to go on, for a person who is not signed in there.
fn next(dir: &Path, url: &str) -> Result<(), Failure> {
    let stored = credentials::stored().ok().flatten();
    if stored.is_some_and(|stored| stored.url == url) {
        return Ok(());
    }
    let mut words = String::from("callboard login");
    if url != credentials::DEFAULT_URL {
        words.push_str(&format!(" --url {url}"));
    }
    if credentials::data_dir(None).as_deref() != Some(dir) {
        words.push_str(&format!(" --data-dir {}", dir.display()));
    }
    out::line(&format!("  next    {words}"))
}

/// What a running server was started with.
fn arguments(pid: u32) -> Option<ServeArgs> {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let words = line
        .split(|byte| *byte == 0)
        .map(|word| String::from_utf8_lossy(word).into_owned());
    let mut serve = served(words)?;
    let cwd = std::fs::read_link(format!("/proc/{pid}/cwd")).ok();
    serve.config = serve.config.map(|config| in_directory(cwd, config));
    Some(serve)
}

fn served(words: impl Iterator<Item = String>) -> Option<ServeArgs> {
    let words: Vec<String> = words.collect();
    // Arguments end with a zero byte each, so that the last piece is empty.
    let words = words.split_last().map(|(_, words)| words)?;
    let Command::Serve(serve) = Cli::try_parse_from(words).ok()?.command else {
        return None;
    };
    Some(serve)
}

fn in_directory(cwd: Option<PathBuf>, path: PathBuf) -> PathBuf {
    match cwd {
        Some(cwd) => cwd.join(path),
        None => path,
    }
}

/// The new arguments, and where they say nothing the old ones. It listens where it did.
fn merged(new: &ServeArgs, old: ServeArgs, bound: Option<SocketAddr>) -> ServeArgs {
    ServeArgs {
        data_dir: new.data_dir.clone().or(old.data_dir),
        bind: new.bind.or(bound).or(old.bind),
        config: new.config.clone().or(old.config),
        behind_proxy: new.behind_proxy || old.behind_proxy,
        stop_agents: new.stop_agents || old.stop_agents,
        log: new.log.clone().or(old.log),
        detached: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> impl Iterator<Item = String> {
        line.split(' ').chain([""]).map(str::to_owned)
    }

    #[test]
    fn a_restart_keeps_what_the_server_was_started_with() {
        let old = served(words(
            "/bin/callboard serve --bind 127.0.0.1:0 --config c.toml --log debug",
        ))
        .unwrap();
        let bound = Some("127.0.0.1:4321".parse().unwrap());
        let same = merged(&ServeArgs::default(), old.clone(), bound);
        assert_eq!(same.bind, bound);
        assert_eq!(same.config, Some("c.toml".into()));
        assert_eq!(same.log.as_deref(), Some("debug"));

        let new = ServeArgs {
            bind: Some("127.0.0.1:1".parse().unwrap()),
            ..ServeArgs::default()
        };
        assert_eq!(merged(&new, old, bound).bind, new.bind);
    }

    #[test]
    fn another_program_has_no_arguments_of_a_server() {
        assert!(served(words("/bin/sleep 9")).is_none());
        assert!(served(words("callboard ps")).is_none());
    }

    #[test]
    fn a_settings_file_is_found_from_where_the_server_was_started() {
        let at = |path: &str| in_directory(Some("/srv".into()), path.into());
        assert_eq!(at("c.toml"), PathBuf::from("/srv/c.toml"));
        assert_eq!(at("/etc/c.toml"), PathBuf::from("/etc/c.toml"));
    }
}
