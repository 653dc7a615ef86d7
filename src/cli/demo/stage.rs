//! What the demo's steps share: titles, lines, and reading an agent until something happens.
//!
//! Never waits without an end: each step has a deadline.

use std::sync::mpsc::Receiver;
use std::time::Duration;

use serde_json::Value;

use super::super::client::{Client, Request};
use super::super::command::steer;
use super::super::failure::{Exit, Failure};
use super::super::follow::{Follower, Patience};
use super::super::wire::{Agent, Event};
use super::super::{clock, find, out, render};

/// How long one step may take.
const STEP: Duration = Duration::from_secs(90);

/// The demo as it runs.
pub struct Stage<'a> {
    /// The signed-in client.
    pub client: Client,
    signal: &'a Receiver<()>,
    step: u32,
}

impl<'a> Stage<'a> {
    /// Before the first step.
    pub fn new(client: Client, signal: &'a Receiver<()>) -> Self {
        Self {
            client,
            signal,
            step: 0,
        }
    }

    /// A line that stands out.
    pub fn title(&self, text: &str) {
        out::note(&format!("\n{text}"));
    }

    /// The next numbered step.
    pub fn step(&mut self, text: &str) {
        self.step = self.step.saturating_add(1);
        self.title(&format!("{}. {text}", self.step));
    }

    /// A line below a step.
    pub fn say(&self, text: &str) {
        out::note(&format!("   {}", super::super::plain::line(text)));
    }

    /// Makes an agent.
    pub fn agent(&self, body: Value) -> Result<Agent, Failure> {
        self.client.json(&Request::post("/api/agents").body(body))
    }

    /// The agent as it stands.
    pub fn look(&self, id: &str) -> Result<Agent, Failure> {
        self.client.json(&Request::get(format!("/api/agents/{id}")))
    }

    /// Reads an agent's events from behind `after` until `done` says so; returns all that were
    /// read. A hole or a double number is a failure: nothing may be missing.
    pub fn read(
        &self,
        id: &str,
        after: u64,
        mut done: impl FnMut(&Event) -> Result<bool, Failure>,
    ) -> Result<Vec<Event>, Failure> {
        let mut follower = Follower::new(&self.client, id, &after.to_string());
        let mut read: Vec<Event> = Vec::new();
        let until = clock::now() + STEP;
        while clock::now() < until {
            self.check_signal()?;
            let batch = follower.next(Duration::from_secs(1), Patience::None)?;
            if let Some(gap) = &batch.gap {
                return Err(broken(&format!("events are missing: {}", render::gap(gap))));
            }
            for seen in batch.events {
                let expected = read
                    .last()
                    .map_or(after, |event| event.seq)
                    .saturating_add(1);
                if seen.event.seq != expected {
                    let found = seen.event.seq;
                    return Err(broken(&format!("event {found} where {expected} was due")));
                }
                let end = done(&seen.event)?;
                read.push(seen.event);
                if end {
                    return Ok(read);
                }
            }
        }
        Err(broken("what was waited for did not happen in time"))
    }

    /// Ends every agent, so that none is left behind whatever becomes of the server.
    pub fn clear(&self) {
        let agents = find::all_agents(&self.client).unwrap_or_default();
        for agent in agents.into_iter().filter_map(find::read) {
            if let Err(failure) = steer::remove(&self.client, &agent.id) {
                failure.print();
            }
        }
    }

    /// Ends the demo when the person wants that.
    pub fn check_signal(&self) -> Result<(), Failure> {
        match self.signal.try_recv() {
            Ok(()) => Err(Failure::new(Exit::Interrupted, "the demo was broken off")),
            Err(_nothing) => Ok(()),
        }
    }
}

/// The step did not go as it must.
pub fn broken(why: &str) -> Failure {
    Failure::new(Exit::Failed, "the demo failed").because(why)
}

/// Whether this is the end of a turn; a bad end is a failure.
pub fn turn_end(event: &Event) -> Result<bool, Failure> {
    if event.kind != "turn_ended" {
        return Ok(false);
    }
    match render::field(&event.data, &["outcome"]).as_deref() {
        Some("completed") => Ok(true),
        _ => Err(broken(&format!("the turn ended: {}", render::words(event)))),
    }
}
