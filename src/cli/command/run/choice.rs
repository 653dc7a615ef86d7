//! Which program gets a prompt when nobody names one.
//!
//! Never chosen here: the server knows what is installed on its machine.

use super::super::super::args::RunArgs;
use super::super::super::client::{Client, Request};
use super::super::super::failure::{Exit, Failure};
use super::super::super::out;
use super::super::super::wire::Programs;

/// The kind to ask for; `None` leaves it to the server. What was chosen is told on stderr.
pub fn kind(client: &Client, args: &RunArgs) -> Result<Option<String>, Failure> {
    if let Some(kind) = &args.agent {
        return Ok(Some(kind.clone()));
    }
    if args.scenario.is_some() {
        return Ok(Some(String::from("script")));
    }
    if args.fork.is_some() {
        return Ok(None);
    }
    let mut request = Request::get("/api/models/cli/status");
    if !args.making.env.is_empty() {
        let names = args.making.env.iter().map(|word| name(word));
        request = request.with("env", names.collect::<Vec<_>>().join(","));
    }
    let choice = match client.json::<Programs>(&request) {
        Ok(programs) => programs.choice,
        // A server of an earlier version has no such route, and nothing but its default.
        Err(failure) if failure.exit == Exit::NotFound => return Ok(None),
        Err(failure) => return Err(failure),
    };
    if !args.json {
        out::note(&format!("callboard: {}", choice.says));
    }
    Ok(Some(choice.agent_type))
}

/// The name in `NAME` or `NAME=VALUE`.
fn name(word: &str) -> &str {
    word.split_once('=').map_or(word, |(name, _)| name)
}
