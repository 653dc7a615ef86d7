//! `run`: starts an agent with a prompt and follows the turn to its end.
//!
//! Never leaves the outcome open: its exit code is the turn's.

mod choice;
mod options;
mod question;
mod turn;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::super::args::RunArgs;
use super::super::client::{Client, Request};
use super::super::failure::{Exit, Failure};
use super::super::view::{Form, View};
use super::super::wire::{Agent, Task};
use super::super::{credentials, find, glance, interrupt, out, terminal};
use super::steer;
use turn::Turn;

pub use options::{made_with, variables};

/// What Ctrl-C needs to know.
#[derive(Debug, Default)]
struct Stop {
    agent: OnceLock<(Client, String)>,
    asked: AtomicBool,
}

/// Starts, follows and tells how it ended.
pub fn run(url: Option<&str>, args: &RunArgs) -> Result<Exit, Failure> {
    let held = interrupt::hold(&[Signal::SIGINT])?;
    let stop = Arc::new(Stop::default());
    let theirs = Arc::clone(&stop);
    held.each(move |count| theirs.signal(count));
    let client = credentials::signed_in(url)?;
    let prompt = terminal::text_or_stdin(&args.prompt)?;
    let agent = create(&client, args, prompt)?;
    let task = agent.task_id.clone().ok_or_else(|| {
        Failure::new(
            Exit::Failed,
            "the server started the agent without the prompt",
        )
    })?;
    drop(stop.agent.set((client.clone(), agent.id.clone())));
    let form = if args.json { Form::Json } else { Form::People };
    let ended = Turn::new(
        &client,
        &agent,
        &task,
        View::new(form).with_pieces(args.deltas),
    )
    .follow(args.timeout);
    if args.rm {
        let removed = steer::remove(&client, &agent.id);
        let ended = ended?;
        removed?;
        return finish(&agent, &ended, args, &stop);
    }
    finish(&agent, &ended?, args, &stop)
}

/// How a turn ended.
#[derive(Debug)]
struct Ended {
    task: Value,
    exit: Exit,
}

impl Stop {
    fn signal(&self, count: u32) {
        match self.agent.get() {
            Some((client, id)) if count == 1 => {
                self.asked.store(true, Ordering::Relaxed);
                out::note("\ncallboard: ending the turn; Ctrl-C again leaves it running and quits");
                let request = Request::post(format!("/api/agents/{id}/interrupt"));
                if let Err(failure) = client.send(&request) {
                    failure.print();
                }
            }
            _ => interrupt::quit(),
        }
    }
}

fn create(client: &Client, args: &RunArgs, prompt: String) -> Result<Agent, Failure> {
    let mut body = options::body(client, args)?;
    if let Some(kind) = choice::kind(client, args)? {
        body.insert("agentType".into(), Value::from(kind));
    }
    body.insert("message".into(), Value::from(prompt));
    for (key, value) in [("model", &args.model), ("name", &args.name)] {
        if let Some(value) = value {
            body.insert(key.into(), Value::from(value.clone()));
        }
    }
    if let Some(scenario) = &args.scenario {
        body.insert("scenario".into(), Value::from(place(scenario)?));
    }
    if let Some(cwd) = cwd(client, args)? {
        body.insert("cwd".into(), Value::from(cwd));
    }
    let request = Request::post("/api/agents")
        .body(Value::Object(body))
        .key(uuid::Uuid::new_v4().to_string());
    client.json(&request)
}

/// A scenario's name as it is; a file's path made absolute, because the server is elsewhere.
pub fn place(scenario: &str) -> Result<String, Failure> {
    if scenario.contains('/') || Path::new(scenario).is_file() {
        return absolute(Path::new(scenario));
    }
    Ok(scenario.to_owned())
}

/// The working directory: as given, or this one when the server shares the machine. A fork works
/// where its origin does.
fn cwd(client: &Client, args: &RunArgs) -> Result<Option<String>, Failure> {
    match &args.cwd {
        Some(cwd) => absolute(cwd).map(Some),
        None if args.fork.is_some() => Ok(None),
        None if client.is_local() => absolute(Path::new(".")).map(Some),
        None => Ok(None),
    }
}

pub fn absolute(path: &Path) -> Result<String, Failure> {
    let wrong = |why: String| {
        Failure::new(Exit::Usage, format!("{} cannot be used", path.display())).because(why)
    };
    let whole = std::fs::canonicalize(path)
        .or_else(|_missing_here| std::path::absolute(path))
        .map_err(|error| wrong(error.to_string()))?;
    whole
        .into_os_string()
        .into_string()
        .map_err(|_bytes| wrong(String::from("its name is no UTF-8")))
}

fn finish(agent: &Agent, ended: &Ended, args: &RunArgs, stop: &Stop) -> Result<Exit, Failure> {
    let read: Task = serde_json::from_value(ended.task.clone()).unwrap_or_default();
    let short = find::short(&agent.id);
    if args.json {
        let mut line = ended.task.clone();
        if let Value::Object(map) = &mut line {
            map.insert("type".into(), Value::from("result"));
            map.insert("exitCode".into(), json!(ended.exit.code()));
        }
        out::json_line(&line.to_string())?;
    } else {
        let reason = read
            .reason
            .as_deref()
            .map_or_else(String::new, |reason| format!(" ({reason})"));
        out::note(&format!("callboard: {}{reason}", read.state));
        if let Some(used) = glance::used(&ended.task) {
            out::note(&format!("callboard: {used}"));
        }
        if !args.rm {
            out::note(&format!(
                "callboard: agent {short} stays; `callboard send {short} TEXT`, `callboard rm {short}`"
            ));
        }
        if ended.exit == Exit::Uncertain {
            out::note(
                "callboard: nobody knows whether it was received; `callboard approve` decides",
            );
        }
    }
    let by_us = stop.asked.load(Ordering::Relaxed) && ended.exit == Exit::Stopped;
    Ok(if by_us { Exit::Interrupted } else { ended.exit })
}
