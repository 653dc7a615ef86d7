//! `events`: an agent's events, and new ones as they come.
//!
//! Never skips a hole in silence.

use std::time::Duration;

use serde_json::json;

use super::super::args::EventsArgs;
use super::super::client::Client;
use super::super::failure::{Exit, Failure};
use super::super::follow::{Batch, Follower, Patience};
use super::super::{find, out, render};

/// Longest long poll.
const WAIT: Duration = Duration::from_secs(30);

/// Prints events, and follows them.
pub fn events(client: &Client, args: &EventsArgs) -> Result<Exit, Failure> {
    let id = find::agent(client, &args.id)?;
    let mut follower = Follower::new(client, &id, &args.after).only(args.types.clone());
    let mut caught_up = false;
    loop {
        let (wait, patience) = match (args.follow, caught_up) {
            (true, true) => (WAIT, Patience::Endless),
            (true, false) => (Duration::ZERO, Patience::Endless),
            (false, _) => (Duration::ZERO, Patience::None),
        };
        let batch = follower.next(wait, patience)?;
        print(&batch, args)?;
        caught_up = !batch.more;
        if caught_up && !args.follow {
            return Ok(Exit::Completed);
        }
    }
}

fn print(batch: &Batch, args: &EventsArgs) -> Result<(), Failure> {
    if let Some(gap) = &batch.gap {
        if args.json {
            let line = json!({"type":"gap","from":gap.from,"to":gap.to,"reason":gap.reason});
            out::json_line(&line.to_string())?;
        } else {
            out::line(&render::gap(gap))?;
        }
    }
    for seen in &batch.events {
        if args.json {
            out::json_line(seen.raw.get())?;
        } else {
            out::line(&render::event(&seen.event))?;
        }
    }
    Ok(())
}
