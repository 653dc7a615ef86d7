//! `attach`: this terminal becomes the agent's, until somebody leaves or the program ends.
//!
//! Never ends the program on the other side.

mod connection;
mod detach;
mod frame;
mod keyboard;
mod place;
mod pump;
mod screen;
pub mod socket;
mod tty;
mod verdict;

use std::io::IsTerminal;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use super::args::AttachArgs;
use super::client::{Client, Request};
use super::failure::{Exit, Failure};
use super::{credentials, find, interrupt, out};
use frame::{Ended, Hello};
use pump::{Attached, Greeting, Over};

/// How long a start may take.
const START: Duration = Duration::from_secs(60);

/// Attaches, and says how it ended.
pub fn run(url: Option<&str>, args: &AttachArgs) -> Result<Exit, Failure> {
    // Before the first thread: the loop takes them.
    let held = interrupt::hold(&[
        Signal::SIGINT,
        Signal::SIGTERM,
        Signal::SIGHUP,
        Signal::SIGWINCH,
        Signal::SIGCONT,
    ])?;
    let client = credentials::signed_in(url)?;
    let id = find::agent(&client, &args.id)?;
    let mut attached = Attached::new(&client, &id, args, held.descriptor()?);
    let mut started = false;
    let over = attached.run(|hello| {
        let greeting = greet(&client, &id, args, hello, started)?;
        match greeting {
            Greeting::Again => started = true,
            Greeting::Stay => out::note(&introduction(args, hello)),
        }
        Ok(greeting)
    });
    attached.give_back();
    over.map(|over| tell(&client, &id, args, over))
}

/// Whether this agent has a terminal to attach to; starts its process when that was asked for.
fn greet(
    client: &Client,
    id: &str,
    args: &AttachArgs,
    hello: &Hello,
    started: bool,
) -> Result<Greeting, Failure> {
    let name = &args.id;
    if hello.session_type == "stream" {
        return Err(
            Failure::new(Exit::Usage, format!("`{name}` is no terminal"))
                .because(format!(
                    "an agent of the kind {} speaks in messages",
                    hello.agent_type
                ))
                .mend(format!("callboard events {name} --follow")),
        );
    }
    if hello.has_process() {
        return Ok(Greeting::Stay);
    }
    if args.start && !started {
        let request = Request::post(format!("/api/agents/{id}/start")).waits(START);
        let _agent: Value = client.json(&request)?;
        return Ok(Greeting::Again);
    }
    let word = hello.detail.as_deref().unwrap_or(&hello.status);
    Err(
        Failure::new(Exit::Refused, format!("`{name}` is not running"))
            .because(format!("it is {}", word.replace('_', " ")))
            .mend(format!("callboard attach {name} --start")),
    )
}

fn introduction(args: &AttachArgs, hello: &Hello) -> String {
    let pid = hello
        .pid
        .filter(|pid| *pid > 0)
        .map(|pid| format!(" (pid {pid})"))
        .unwrap_or_default();
    let only = if args.read_only || !hello.writable {
        ", read only"
    } else {
        ""
    };
    let leave = match (args.no_stdin, std::io::stdin().is_terminal(), only) {
        (true, ..) => "; Ctrl-C ends this command".to_owned(),
        (false, false, _) => String::new(),
        (false, true, "") if args.detach_keys.bytes().is_empty() => String::new(),
        (false, true, "") => format!("; {} detaches", args.detach_keys),
        (false, true, _) => "; Ctrl-C detaches".to_owned(),
    };
    format!("[callboard: attached to {}{pid}{only}{leave}]", args.id)
}

/// Says how it ended.
fn tell(client: &Client, id: &str, args: &AttachArgs, over: Over) -> Exit {
    let (exit, words) = match over {
        Over::Detached => (Exit::Completed, format!("detached; {} runs on", args.id)),
        Over::Signal => (Exit::Interrupted, format!("left; {} runs on", args.id)),
        Over::Removed => (Exit::Stopped, String::from("somebody removed the session")),
        Over::Ended(ended) => {
            let ended = ended.or_else(|| last_exit(client, id)).unwrap_or_default();
            verdict::judge(&ended)
        }
    };
    out::note(&format!("\n[callboard: {words}]"));
    exit
}

/// How its last process ended, when the connection did not say it.
fn last_exit(client: &Client, id: &str) -> Option<Ended> {
    let agent: Value = client
        .json(&Request::get(format!("/api/agents/{id}")))
        .ok()?;
    serde_json::from_value(agent.get("lastExit")?.clone()).ok()
}
