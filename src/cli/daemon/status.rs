//! `daemon status`: whether the server runs, and what the others say about it at their ends.
//!
//! Never calls a server running that does not hold its lock, and never ready that does not say so.

use std::path::Path;

use serde_json::{Value, json};

use super::log;
use super::look::{Found, look, url};
use crate::cli::args::StatusArgs;
use crate::cli::client::{Client, Request};
use crate::cli::failure::{Exit, Failure};
use crate::cli::{clock, launch, out};

/// Prints it. Exit 0 when the server is ready, else 5.
pub fn run(dir: &Path, args: &StatusArgs) -> Result<Exit, Failure> {
    let report = Report::of(dir)?;
    report.print(dir, args.json)?;
    Ok(if report.ready {
        Exit::Completed
    } else {
        Exit::Unreachable
    })
}

/// What is known about a server.
#[derive(Debug)]
pub struct Report {
    /// Who has the data directory.
    pub found: Found,
    /// Whether it takes work.
    pub ready: bool,
    /// What it says about itself.
    health: Value,
}

impl Report {
    /// Looks, and asks the server.
    ///
    /// # Errors
    /// When the lock cannot be read.
    pub fn of(dir: &Path) -> Result<Self, Failure> {
        let found = look(dir)?;
        let url = url_of(found);
        let ready = url.as_deref().is_some_and(launch::is_ready);
        let health = url.and_then(|url| health(&url)).unwrap_or_default();
        Ok(Self {
            found,
            ready,
            health,
        })
    }

    /// Where clients reach it.
    #[must_use]
    pub fn url(&self) -> Option<String> {
        url_of(self.found)
    }

    /// Agents that have a process.
    #[must_use]
    pub fn running_agents(&self) -> Option<u64> {
        self.health.pointer("/agents/running")?.as_u64()
    }

    /// Prints it for people or programs.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn print(&self, dir: &Path, json: bool) -> Result<(), Failure> {
        if json {
            return out::json(&self.document(dir));
        }
        out::line(&self.headline())?;
        for (name, value) in self.lines(dir) {
            out::line(&format!("  {name:<8}{value}"))?;
        }
        Ok(())
    }

    fn word(&self) -> &'static str {
        match (self.found, self.ready) {
            (Found::Server(_), true) => "running",
            (Found::Server(note), false) if note.address.is_none() => "starting",
            (Found::Server(_), false) => "not_ready",
            (Found::Stale(_), _) => "stale",
            (Found::Hidden, _) => "hidden",
            (Found::Nobody, _) => "stopped",
        }
    }

    fn headline(&self) -> String {
        let at = url_of(self.found).map(|url| format!(" at {url}"));
        let at = at.unwrap_or_default();
        match self.word() {
            "running" => format!("running{at}"),
            "starting" => String::from("starting: it recovers, and does not listen yet"),
            "not_ready" => format!("not ready{at}: it drains, or something of it is sick"),
            "hidden" => String::from("used by a server that cannot be seen from here"),
            _ => String::from("not running"),
        }
    }

    fn lines(&self, dir: &Path) -> Vec<(&'static str, String)> {
        let mut lines = Vec::new();
        if let Found::Server(note) = self.found {
            let uptime = self.health.get("uptime").and_then(Value::as_u64);
            let since = uptime.map(|seconds| format!(", for {}", clock::span(seconds)));
            lines.push(("pid", format!("{}{}", note.pid, since.unwrap_or_default())));
        }
        if let (Some(running), Some(total)) = (
            self.running_agents(),
            self.health.pointer("/agents/total").and_then(Value::as_u64),
        ) {
            lines.push(("agents", format!("{running} with a process, of {total}")));
        }
        lines.push(("data", dir.display().to_string()));
        let log = log::path(dir);
        if log.exists() {
            lines.push(("log", log.display().to_string()));
        }
        match self.found {
            Found::Stale(pid) => {
                let what = "did not end in order; the next start recovers";
                lines.push(("last", format!("process {pid} {what}")));
                lines.push(("do", String::from("callboard daemon start")));
            }
            Found::Nobody => lines.push(("do", String::from("callboard daemon start"))),
            Found::Hidden => lines.push((
                "why",
                String::from("a container's process, or one of another user, holds the lock"),
            )),
            Found::Server(_) => {}
        }
        lines
    }

    fn document(&self, dir: &Path) -> Value {
        let (pid, address) = match self.found {
            Found::Server(note) => (Some(note.pid), note.address),
            Found::Stale(_) | Found::Nobody | Found::Hidden => (None, None),
        };
        let last = match self.found {
            Found::Stale(pid) => Some(pid),
            Found::Server(_) | Found::Nobody | Found::Hidden => None,
        };
        let of_health = |key: &str| self.health.get(key).cloned().unwrap_or_default();
        json!({
            "state": self.word(),
            "ready": self.ready,
            "pid": pid,
            "url": url_of(self.found),
            "address": address,
            "dataDir": dir.display().to_string(),
            "log": log::path(dir).display().to_string(),
            "version": of_health("version"),
            "startedAt": of_health("startedAt"),
            "uptime": of_health("uptime"),
            "agents": of_health("agents"),
            "stalePid": last,
        })
    }
}

fn url_of(found: Found) -> Option<String> {
    match found {
        Found::Server(note) => note.address.map(url),
        Found::Stale(_) | Found::Nobody | Found::Hidden => None,
    }
}

fn health(url: &str) -> Option<Value> {
    let client = Client::new(url, None).ok()?;
    client.json(&Request::get("/health/detailed")).ok()
}
