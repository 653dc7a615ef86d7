//! `queue`: lists and changes what waits for an agent.
//!
//! Never touches the running task.

use reqwest::Method;
use serde_json::{Value, json};

use super::super::args::{QueueAction, QueueArgs};
use super::super::client::{Client, Request};
use super::super::failure::{Exit, Failure};
use super::super::find::{self, tail};
use super::super::wire::{Queue, Task};
use super::super::{clock, out, render, terminal};

/// Longest prompt in the table, in characters.
const WORDS: usize = 70;

/// Lists, or does what was asked and lists then.
pub fn queue(client: &Client, args: QueueArgs) -> Result<Exit, Failure> {
    let id = find::agent(client, &args.id)?;
    let path = format!("/api/agents/{id}/queue");
    if let Some(action) = args.action {
        let before: Queue = client.json(&Request::get(&path))?;
        act(client, &path, &before.queue, action)?;
    }
    let raw: Value = client.json(&Request::get(&path))?;
    if args.json {
        out::json(&raw)?;
        return Ok(Exit::Completed);
    }
    let queue: Queue = serde_json::from_value(raw).unwrap_or_default();
    out::line(&table(&queue))?;
    if queue.paused {
        out::note("the queue is paused; `callboard resume` goes on");
    }
    Ok(Exit::Completed)
}

fn act(client: &Client, path: &str, waiting: &[Task], action: QueueAction) -> Result<(), Failure> {
    let ids: Vec<&str> = waiting.iter().map(|task| task.task_id.as_str()).collect();
    let pick = |typed: &str| find::pick(&ids, typed, "waiting task");
    let request = match action {
        QueueAction::Edit { task, text } => {
            let text = terminal::text_or_stdin(&text)?;
            Request::of(Method::PATCH, format!("{path}/{}", pick(&task)?))
                .body(json!({ "message": text }))
        }
        QueueAction::Cancel { task } => {
            Request::of(Method::DELETE, format!("{path}/{}", pick(&task)?))
        }
        QueueAction::Move { task, position } => Request::of(Method::PUT, format!("{path}/order"))
            .body(json!({ "order": moved(&ids, pick(&task)?, position) })),
    };
    client.send(&request).map(drop)
}

/// The order with `id` at `position`, counted from 1; a place behind the end is the end.
fn moved<'a>(ids: &[&'a str], id: &'a str, position: u64) -> Vec<&'a str> {
    let mut order: Vec<&str> = ids.iter().copied().filter(|other| *other != id).collect();
    let at = usize::try_from(position.saturating_sub(1)).unwrap_or(usize::MAX);
    order.insert(at.min(order.len()), id);
    order
}

fn table(queue: &Queue) -> String {
    let running = queue.current.iter().map(|task| row("now", task));
    let waiting = queue.queue.iter().zip(1_u64..).map(|(task, at)| {
        let position = task.position.unwrap_or(at);
        row(&position.to_string(), task)
    });
    let rows = running.chain(waiting).collect();
    out::table(&["POS", "TASK", "STATE", "AGE", "MESSAGE"], rows)
}

fn row(position: &str, task: &Task) -> Vec<String> {
    let state = if task.state.is_empty() {
        &task.status
    } else {
        &task.state
    };
    vec![
        position.to_owned(),
        tail(&task.task_id).to_owned(),
        state.clone(),
        clock::age(&task.created_at),
        render::cut(&task.message, WORDS),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_moves_to_a_place_counted_from_one() {
        let ids = ["a", "b", "c"];
        assert_eq!(moved(&ids, "c", 1), ["c", "a", "b"]);
        assert_eq!(moved(&ids, "a", 2), ["b", "a", "c"]);
        assert_eq!(moved(&ids, "a", 99), ["b", "c", "a"]);
    }
}
