//! `ps`, `tree` and `why`: what there is and why it stands as it does.
//!
//! Never changes anything.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::args::{JsonArgs, ListArgs, WhyArgs};
use super::super::client::{Client, Request};
use super::super::failure::{Exit, Failure};
use super::super::wire::Agent;
use super::super::{clock, find, out, render, terminal};

/// Pause between two lists of `--watch`.
const EVERY: Duration = Duration::from_secs(2);

/// Lists agents.
pub fn ps(client: &Client, args: &ListArgs) -> Result<Exit, Failure> {
    let mut shown = false;
    loop {
        match listed(client, args) {
            Ok(agents) => show(&agents, args)?,
            // Watching goes on over a restart of the server.
            Err(failure) if args.watch && shown && failure.transient() => failure.print(),
            Err(failure) => return Err(failure),
        }
        shown = true;
        if !args.watch {
            return Ok(Exit::Completed);
        }
        clock::pause(EVERY);
    }
}

fn listed(client: &Client, args: &ListArgs) -> Result<Vec<Value>, Failure> {
    let mut agents = find::all_agents(client)?;
    if !args.all {
        agents.retain(|agent| find::read(agent.clone()).is_none_or(|agent| current(&agent)));
    }
    Ok(agents)
}

/// Whether it has a process, work, or a trouble that somebody must see.
fn current(agent: &Agent) -> bool {
    let at_rest = matches!(agent.detail.as_str(), "stopped" | "created" | "interrupted");
    agent.pid.is_some() || agent.queue_depth > 0 || !at_rest
}

fn show(agents: &[Value], args: &ListArgs) -> Result<(), Failure> {
    if args.json {
        let list = json!({ "agents": agents, "total": agents.len() });
        return if args.watch {
            out::json_line(&list.to_string())
        } else {
            out::json(&list)
        };
    }
    if args.watch && terminal::on_stdout() {
        // Home, and clear to the end of the screen (ECMA-48 CUP, ED).
        out::bytes(b"\x1b[H\x1b[2J")?;
    }
    let read: Vec<Agent> = agents.iter().cloned().filter_map(find::read).collect();
    out::line(&render::agents(&read))?;
    if read.is_empty() && !args.watch {
        let others = if args.all {
            ""
        } else {
            " (--all lists those at rest too)"
        };
        out::note(&format!(
            "no agents{others}; start one: callboard run \"ls\""
        ));
    }
    Ok(())
}

/// Draws the supervisor tree.
pub fn tree(client: &Client, args: JsonArgs) -> Result<Exit, Failure> {
    let root: Value = client.json(&Request::get("/api/supervisor/tree"))?;
    if args.json {
        out::json(&root)?;
    } else {
        out::line(&drawn(&root, node))?;
    }
    Ok(Exit::Completed)
}

/// A tree of nodes with `children`, each on the line that `word` gives.
pub fn drawn(root: &Value, word: fn(&Value) -> String) -> String {
    let mut lines = vec![word(root)];
    draw(root, (word, ""), &mut lines);
    lines.join("\n")
}

fn draw(parent: &Value, (word, indent): (fn(&Value) -> String, &str), lines: &mut Vec<String>) {
    let children = parent.get("children").and_then(Value::as_array);
    let children = children.map(Vec::as_slice).unwrap_or_default();
    for (at, child) in children.iter().enumerate() {
        let last = at.saturating_add(1) == children.len();
        let (knot, stem) = if last {
            ("\u{2514}\u{2500} ", "   ")
        } else {
            ("\u{251c}\u{2500} ", "\u{2502}  ")
        };
        lines.push(format!("{indent}{knot}{}", word(child)));
        draw(child, (word, &format!("{indent}{stem}")), lines);
    }
}

fn node(node: &Value) -> String {
    let id = render::field(node, &["id", "path"]).unwrap_or_default();
    let mut words = vec![id];
    words.extend(render::field(node, &["kind"]));
    words.extend(render::field(node, &["state"]));
    let number = |key: &str| node.get(key).and_then(Value::as_u64);
    if let Some(generation) = number("generation") {
        words.push(format!("generation {generation}"));
    }
    if let Some(restarts) = number("restarts").filter(|restarts| *restarts > 0) {
        words.push(format!("restarts {restarts}"));
    }
    if let Some(up) = number("uptimeMs") {
        words.push(format!("up {}", clock::span(up / 1000)));
    }
    words.join("  ")
}

/// Prints the facts behind a status.
pub fn why(client: &Client, args: &WhyArgs) -> Result<Exit, Failure> {
    let id = find::agent(client, &args.id)?;
    let why: Value = client.json(&Request::get(format!("/api/agents/{id}/why")))?;
    if args.json {
        out::json(&why)?;
        return Ok(Exit::Completed);
    }
    let word = |key: &str| render::field(&why, &[key]).unwrap_or_default();
    out::line(&format!(
        "{id} is {} ({}), because",
        word("status"),
        word("detail")
    ))?;
    for fact in list(&why, "because") {
        let name = render::field(fact, &["fact"]).unwrap_or_default();
        let value = fact.get("value").map(render::fields).unwrap_or_default();
        let at = render::field(fact, &["at"]).map_or_else(String::new, |at| format!("  at {at}"));
        out::line(&format!("  {name:<14} {value}{at}"))?;
    }
    let decisions = list(&why, "supervisor");
    if !decisions.is_empty() {
        out::line("the supervisor said")?;
        for decision in decisions {
            out::line(&format!("  {}", decided(decision)))?;
        }
    }
    Ok(Exit::Completed)
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value
        .get(key)
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
}

fn decided(line: &Value) -> String {
    if let Value::String(text) = line {
        return text.clone();
    }
    let keys = ["at", "path", "event", "reason", "decision", "nextAt"];
    keys.into_iter()
        .filter_map(|key| line.get(key))
        .map(render::compact)
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join("  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_drawn_with_its_branches() {
        let root = json!({"id":"root","state":"running","children":[
            {"id":"journal","restarts":2,"children":[]},
            {"id":"sessions","children":[{"id":"s1","uptimeMs":61_000}]}]});
        assert_eq!(
            drawn(&root, node),
            "root  running\n\u{251c}\u{2500} journal  restarts 2\n\u{2514}\u{2500} sessions\n   \u{2514}\u{2500} s1  up 1m01s"
        );
    }

    #[test]
    fn agents_at_rest_are_left_out_unless_they_have_work() {
        let agent = |detail: &str, queue_depth| Agent {
            detail: detail.into(),
            queue_depth,
            ..Agent::default()
        };
        assert!(!current(&agent("stopped", 0)));
        assert!(current(&agent("stopped", 1)));
        assert!(current(&agent("crash_loop", 0)));
        assert!(current(&agent("idle", 0)));
    }
}
