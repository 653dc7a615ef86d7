//! `send`: a message to an agent, and the wait for its turn.
//!
//! Never sends twice: every message carries a key.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::args::SendArgs;
use super::super::client::{Client, Request};
use super::super::failure::{Exit, Failure};
use super::super::wire::{Accepted, Task};
use super::super::{clock, find, out, plain, terminal};

/// Longest wait of one request.
const WAIT: Duration = Duration::from_secs(20);
/// Pause after a lost connection.
const PAUSE: Duration = Duration::from_millis(500);

/// Sends, and waits when asked to.
pub fn send(client: &Client, args: &SendArgs) -> Result<Exit, Failure> {
    let deadline = args.timeout.map(|time| clock::now() + time);
    let id = find::agent(client, &args.id)?;
    let text = terminal::text_or_stdin(&args.text)?;
    let key = args
        .idempotency_key
        .clone()
        .unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
    let mut request = Request::post(format!("/api/agents/{id}/message"))
        .body(json!({ "message": text }))
        .key(key);
    if args.no_queue {
        request = request.with("queue", "false");
    }
    let reply: Value = client.json(&request)?;
    let accepted: Accepted = serde_json::from_value(reply.clone()).map_err(|error| {
        Failure::new(Exit::Failed, "the server's answer cannot be read").because(error.to_string())
    })?;
    if !args.wait {
        return tell(&reply, &accepted, args);
    }
    let task = Waited {
        client,
        path: format!("/api/agents/{id}/tasks/{}", accepted.task_id),
        deadline,
    };
    let task = task.until_end()?;
    ended(&task, args)
}

fn tell(reply: &Value, accepted: &Accepted, args: &SendArgs) -> Result<Exit, Failure> {
    if args.json {
        out::json(reply)?;
        return Ok(Exit::Completed);
    }
    let place = match accepted.position {
        Some(position) if accepted.queued => format!("queued at {position}"),
        _ if accepted.queued => String::from("queued"),
        _ => String::from("running"),
    };
    out::note(&format!("{place}: task {}", accepted.task_id));
    Ok(Exit::Completed)
}

fn ended(task: &Value, args: &SendArgs) -> Result<Exit, Failure> {
    let read: Task = serde_json::from_value(task.clone()).unwrap_or_default();
    let exit = read.state().and_then(Exit::of_task).unwrap_or(Exit::Failed);
    if args.json {
        out::json(task)?;
        return Ok(exit);
    }
    if let Some(text) = read.text.as_deref().filter(|text| !text.is_empty()) {
        out::line(text)?;
    }
    let reason = read
        .reason
        .map_or_else(String::new, |reason| format!(" ({reason})"));
    out::note(&plain::line(&format!("{}{reason}", read.state)));
    Ok(exit)
}

/// The wait for one task's end.
struct Waited<'a> {
    client: &'a Client,
    path: String,
    deadline: Option<Instant>,
}

impl Waited<'_> {
    /// The task once it has ended, or nobody can place it. A lost server is waited for.
    fn until_end(&self) -> Result<Value, Failure> {
        loop {
            let left = self.left()?;
            let wait = left.min(WAIT);
            // Whole seconds on the wire; a rest below one is paused here.
            let request = Request::get(&self.path)
                .with("wait", wait.as_secs())
                .waits(wait);
            match self.client.json::<Value>(&request) {
                Ok(task) => {
                    let read: Task = serde_json::from_value(task.clone()).unwrap_or_default();
                    if read.state().and_then(Exit::of_task).is_some() {
                        return Ok(task);
                    }
                    if wait.as_secs() == 0 {
                        clock::pause(PAUSE.min(left));
                    }
                }
                Err(failure) if failure.transient() => clock::pause(PAUSE.min(left)),
                Err(failure) => return Err(failure),
            }
        }
    }

    fn left(&self) -> Result<Duration, Failure> {
        let Some(deadline) = self.deadline else {
            return Ok(WAIT);
        };
        let left = deadline.saturating_duration_since(clock::now());
        if left.is_zero() {
            return Err(
                Failure::new(Exit::TimedOut, "the turn has not ended in time")
                    .mend("it goes on; follow it with `callboard events ID --follow`"),
            );
        }
        Ok(left)
    }
}
