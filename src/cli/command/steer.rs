//! `interrupt`, `start`, `stop`, `kill`, `pause`, `resume` and `rm`.
//!
//! Never waits for more than the server's answer.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;

use super::super::args::{AgentId, PauseArgs};
use super::super::client::{Client, Request};
use super::super::failure::{Exit, Failure};
use super::super::{find, out, render};

/// The stop ladder takes its time (config `agents.interrupt_grace` and `stop_grace`).
pub const LADDER: Duration = Duration::from_secs(60);

/// Ends the running turn.
pub fn interrupt(client: &Client, args: &AgentId) -> Result<Exit, Failure> {
    let id = find::agent(client, &args.id)?;
    let reply: Value = client.json(&Request::post(format!("/api/agents/{id}/interrupt")))?;
    told(&reply, Form::of(args), || {
        String::from("the turn is being ended")
    })
}

/// Starts the process.
pub fn start(client: &Client, args: &AgentId) -> Result<Exit, Failure> {
    let id = find::agent(client, &args.id)?;
    let reply: Value =
        client.json(&Request::post(format!("/api/agents/{id}/start")).waits(LADDER))?;
    told(&reply, Form::of(args), || stands(&reply))
}

/// Ends the process in order.
pub fn stop(client: &Client, args: &AgentId) -> Result<Exit, Failure> {
    end(client, args, "stop")
}

/// Ends the process at once.
pub fn kill(client: &Client, args: &AgentId) -> Result<Exit, Failure> {
    end(client, args, "kill")
}

/// Holds the queue.
pub fn pause(client: &Client, args: &PauseArgs) -> Result<Exit, Failure> {
    let id = find::agent(client, &args.id)?;
    let mode = if args.now { "now" } else { "turn" };
    let request = Request::post(format!("/api/agents/{id}/pause")).with("mode", mode);
    let reply: Value = client.json(&request)?;
    let form = if args.json { Form::Json } else { Form::Words };
    told(&reply, form, || status(&reply))
}

/// Takes from the queue again.
pub fn resume(client: &Client, args: &AgentId) -> Result<Exit, Failure> {
    let id = find::agent(client, &args.id)?;
    let reply: Value = client.json(&Request::post(format!("/api/agents/{id}/resume")))?;
    told(&reply, Form::of(args), || status(&reply))
}

/// Takes the agent from the lists.
pub fn rm(client: &Client, args: &AgentId) -> Result<Exit, Failure> {
    let id = find::agent(client, &args.id)?;
    let reply = remove(client, &id)?;
    told(&reply, Form::of(args), || format!("removed {id}"))
}

/// Removes this agent.
///
/// # Errors
/// What the server refuses.
pub fn remove(client: &Client, id: &str) -> Result<Value, Failure> {
    let request = Request::of(Method::DELETE, format!("/api/agents/{id}")).waits(LADDER);
    client.json(&request)
}

fn end(client: &Client, args: &AgentId, how: &str) -> Result<Exit, Failure> {
    let id = find::agent(client, &args.id)?;
    let request = Request::post(format!("/api/agents/{id}/{how}")).waits(LADDER);
    let reply: Value = client.json(&request)?;
    told(&reply, Form::of(args), || {
        if reply.get("stopped").and_then(Value::as_bool) == Some(false) {
            return String::from("nothing was running");
        }
        reply
            .get("agent")
            .map_or_else(|| String::from("stopped"), stands)
    })
}

/// How the answer is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Words,
    Json,
}

impl Form {
    fn of(args: &AgentId) -> Self {
        if args.json { Self::Json } else { Self::Words }
    }
}

fn told(reply: &Value, form: Form, words: impl FnOnce() -> String) -> Result<Exit, Failure> {
    if form == Form::Json {
        out::json(reply)?;
    } else {
        out::note(&super::super::plain::line(&words()));
    }
    Ok(Exit::Completed)
}

fn status(reply: &Value) -> String {
    render::field(reply, &["status"]).unwrap_or_else(|| String::from("done"))
}

fn stands(agent: &Value) -> String {
    let words = [
        render::field(agent, &["detail", "status"]),
        agent
            .get("pid")
            .and_then(Value::as_u64)
            .map(|pid| format!("pid {pid}")),
    ];
    words.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
