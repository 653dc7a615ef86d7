//! The steps of the demo. Each checks what it shows, so that the demo is a test too.
//!
//! Never a step that passes without its effect having been seen.

use serde_json::json;

use super::super::client::Request;
use super::super::command::answer::{Verdict, answer};
use super::super::failure::Failure;
use super::super::find::short;
use super::super::render;
use super::super::wire::{Accepted, Agent, Event, Queue};
use super::super::{clock, find};
use super::claude;
use super::model::Model;
use super::server::Server;
use super::stage::{Stage, broken, turn_end};

/// Seconds between two lines of the command that runs while the server is killed.
const TICKS: &str = "for n in 1 2 3 4 5 6 7 8; do echo \"tick $n\"; sleep 0.5; done";

/// All steps in order.
///
/// # Errors
/// The first step that fails.
pub fn all(
    stage: &mut Stage<'_>,
    server: &mut Server,
    wish: &claude::Wish,
) -> Result<Option<Model>, Failure> {
    scripted(stage)?;
    let model = claude::show(stage, wish)?;
    let shell = shell(stage)?;
    queue(stage, &shell)?;
    crash(stage, server, &shell)?;
    list(stage)?;
    Ok(model)
}

/// A script agent plays a scenario, asks, and is answered.
fn scripted(stage: &mut Stage<'_>) -> Result<(), Failure> {
    stage.step("An agent works, and asks before it edits. You answer; here the demo says yes.");
    let body =
        json!({"agentType":"script","scenario":"demo","message":"The build is red, please look."});
    let agent = stage.agent(body)?;
    let Some(count) = answered(stage, &agent.id, 0)? else {
        return Err(broken("the agent never asked"));
    };
    stage.say(&format!("{count} events, numbered without a hole"));
    Ok(())
}

/// Reads an agent from behind `after` to the end of its turn and says yes to what it asks. The
/// number of events; `None` when it asked nothing.
pub fn answered(stage: &Stage<'_>, id: &str, after: u64) -> Result<Option<usize>, Failure> {
    let mut asked = false;
    let read = stage.read(id, after, |event| {
        tell(stage, event);
        if event.kind == "approval_requested" {
            let id = render::field(&event.data, &["requestId"])
                .ok_or_else(|| broken("a question without an id"))?;
            let yes = Verdict {
                approved: true,
                response: None,
                remember: None,
            };
            answer(&stage.client, &id, &yes)?;
            stage.say(&format!("$ callboard approve {}", find::tail(&id)));
            asked = true;
        }
        turn_end(event)
    })?;
    Ok(asked.then_some(read.len()))
}

/// A shell session runs a real command.
fn shell(stage: &mut Stage<'_>) -> Result<Agent, Failure> {
    stage.step("A shell agent is one interactive bash under supervision. A message is a command.");
    let command = "uname -sr; echo \"I am process $$\"";
    stage.say(&format!("$ callboard run '{command}'"));
    let body = json!({"agentType":"shell","permissionMode":"bypassPermissions","message":command});
    let agent = stage.agent(body)?;
    let mut output = String::new();
    stage.read(&agent.id, 0, |event| {
        if event.kind == "tool_result" {
            output = render::output(&event.data).unwrap_or_default();
        }
        turn_end(event)
    })?;
    for line in output.lines() {
        stage.say(line);
    }
    let agent = stage.look(&agent.id)?;
    let pid = agent
        .pid
        .ok_or_else(|| broken("the shell has no process"))?;
    if !output.contains("I am process ") {
        return Err(broken("the command printed nothing"));
    }
    stage.say(&format!("agent {}, pid {pid}", short(&agent.id)));
    Ok(agent)
}

/// Messages to a busy agent wait their turn, in order.
fn queue(stage: &mut Stage<'_>, shell: &Agent) -> Result<(), Failure> {
    stage.step("Messages to a busy agent wait in its queue, and run one after the other.");
    let before = stage.look(&shell.id)?.last_seq;
    let mut tasks = Vec::new();
    for text in ["sleep 2; echo first", "echo second", "echo third"] {
        let accepted = message(stage, &shell.id, text)?;
        let place = accepted.position.filter(|_| accepted.queued).map_or_else(
            || String::from("runs"),
            |at| format!("waits, position {at}"),
        );
        stage.say(&format!(
            "$ callboard send {} '{text}'  -> {place}",
            short(&shell.id)
        ));
        tasks.push(accepted.task_id);
    }
    let path = format!("/api/agents/{}/queue", shell.id);
    let queue: Queue = stage.client.json(&Request::get(path))?;
    if queue.queue.len() < 2 {
        return Err(broken("the messages did not wait"));
    }
    let mut ended = Vec::new();
    stage.read(&shell.id, before, |event| {
        if event.kind == "tool_result" {
            stage.say(render::output(&event.data).unwrap_or_default().trim());
        }
        if turn_end(event)? {
            ended.extend(render::field(&event.data, &["taskId"]));
        }
        Ok(ended.len() == tasks.len())
    })?;
    if ended != tasks {
        return Err(broken(
            "they did not end in the order in which they were sent",
        ));
    }
    Ok(())
}

/// The server is killed while a turn runs, and started again.
fn crash(stage: &mut Stage<'_>, server: &mut Server, shell: &Agent) -> Result<(), Failure> {
    stage.step("The server is killed (SIGKILL) while a turn runs. The agent must not notice.");
    let agent = stage.look(&shell.id)?;
    let before = agent.last_seq;
    message(stage, &shell.id, TICKS)?;
    let read = stage.read(&shell.id, before, |event| Ok(event.kind == "turn_started"))?;
    let seen = read.last().map_or(before, |event| event.seq);
    let was = server.pid().unwrap_or_default();
    server.crash()?;
    stage.say(&format!(
        "$ kill -9 {was}    (the last event that was read is {seen})"
    ));
    clock::pause(std::time::Duration::from_millis(700));
    server.up()?;
    let now = server.pid().unwrap_or_default();
    stage.say(&format!("$ callboard serve    (pid {now})"));
    let mut output = String::new();
    stage.read(&shell.id, seen, |event| {
        if event.kind == "tool_result" {
            output = render::output(&event.data).unwrap_or_default();
        }
        turn_end(event)
    })?;
    let after = stage.look(&shell.id)?;
    if after.pid != agent.pid || after.incarnation != agent.incarnation {
        return Err(broken("the agent's process is another one now"));
    }
    let ticks: Vec<&str> = output
        .lines()
        .filter(|line| line.starts_with("tick "))
        .collect();
    if ticks.len() != 8 {
        return Err(broken(&format!("of 8 lines {} came", ticks.len())));
    }
    stage.say(&format!(
        "the same process (pid {}) ran on: {}",
        after.pid.unwrap_or_default(),
        ticks.join(", ")
    ));
    stage.say(&format!(
        "the events go on at {}, none is missing, none came twice",
        seen.saturating_add(1)
    ));
    Ok(())
}

/// What there is.
fn list(stage: &mut Stage<'_>) -> Result<(), Failure> {
    stage.step("What there is now.");
    let agents: Vec<Agent> = find::all_agents(&stage.client)?
        .into_iter()
        .filter_map(find::read)
        .collect();
    if agents.len() < 2 {
        return Err(broken("the list lacks an agent"));
    }
    stage.say("$ callboard ps --all");
    for line in render::agents(&agents).lines() {
        stage.say(line);
    }
    Ok(())
}

/// Sends a message.
pub fn message(stage: &Stage<'_>, id: &str, text: &str) -> Result<Accepted, Failure> {
    let request = Request::post(format!("/api/agents/{id}/message"))
        .body(json!({ "message": text }))
        .key(uuid::Uuid::new_v4().to_string());
    stage.client.json(&request)
}

fn tell(stage: &Stage<'_>, event: &Event) {
    let words = match event.kind.as_str() {
        "assistant_message" => render::words(event),
        "thinking" => format!("~ {}", render::words(event)),
        "tool_call" => format!(
            "> {} {}",
            render::tool(&event.data),
            render::arguments(&event.data)
        ),
        "tool_result" => format!("  {}", render::result(&event.data)),
        "approval_requested" => format!(
            "? {}",
            render::field(&event.data, &["summary", "question"]).unwrap_or_default()
        ),
        _ => return,
    };
    stage.say(&render::cut(&words.replace('\n', " "), 140));
}
