//! Why an agent's status is what it is: the facts in the order in which they decide.
//!
//! Never a fact that is not in the row.

use serde_json::{Value, json};

use super::{App, Overview, SupervisorRow};
use crate::domain::limit::usd;
use crate::domain::status::Intent;
use crate::domain::{Facts, Principal, Process, Result, SessionId, Timestamp};
use crate::store::supervisor_log;

/// Lines of the supervisors' log that are shown.
const LINES: usize = 20;
/// Rows read at one time.
const SWEEP: usize = 1_000;

/// One fact.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    /// Which.
    pub fact: &'static str,
    /// What it is.
    pub value: Value,
    /// Since when, or when.
    pub at: Option<Timestamp>,
}

/// An agent with the reasons for its status.
#[derive(Debug, Clone)]
pub struct Why {
    /// The agent.
    pub agent: Overview,
    /// The facts in the order in which they decide.
    pub because: Vec<Fact>,
    /// The last decisions about it, oldest first.
    pub decisions: Vec<SupervisorRow>,
}

impl App {
    /// Explains an agent's status.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn why(&self, who: &Principal, id: SessionId) -> Result<Why> {
        let agent = self.agent(who, id).await?;
        let decisions = self
            .store()
            .read(move |conn| {
                let mut found: Vec<SupervisorRow> = Vec::new();
                let mut after = 0;
                loop {
                    let page = supervisor_log::page(conn, after, SWEEP)?;
                    let last = page.len() < SWEEP;
                    after = page.last().map_or(after, |row| row.id);
                    found.extend(page.into_iter().filter(|row| row.session == Some(id)));
                    let over = found.len().saturating_sub(LINES);
                    found.drain(..over);
                    if last {
                        return Ok(found);
                    }
                }
            })
            .await?;
        let because = facts(&agent);
        Ok(Why {
            agent,
            because,
            decisions,
        })
    }
}

fn facts(agent: &Overview) -> Vec<Fact> {
    let facts = &agent.session.facts;
    let mut because = vec![
        fact("intent", intent(facts.intent), None),
        fact("paused", facts.paused.into(), None),
        process(facts),
    ];
    if let Some(turn) = &facts.turn {
        let value = json!({"taskId": turn.task, "phase": turn.phase, "cut": turn.cut});
        because.push(fact("turn", value, Some(turn.since)));
    }
    if let Some(stall) = facts.stall {
        let value = json!({"kind": stall.kind});
        because.push(fact("stall", value, Some(stall.since)));
    }
    if let Some(at) = facts.limited_until {
        let value = json!({"retryAt": at.rfc3339(), "inARow": facts.limited});
        because.push(fact("rate_limited", value, Some(at)));
    }
    if let Some(limit) = facts.limit {
        because.push(fact("limit_reached", limit.name().into(), None));
    }
    because.push(fact("queued", agent.queue_depth.into(), None));
    because.push(fact("approvals", agent.pending_approvals.into(), None));
    if let Some(task) = facts.uncertain {
        because.push(fact("uncertain", json!({ "taskId": task }), None));
    }
    if let Some(outcome) = facts.last_outcome {
        because.push(fact("last_outcome", outcome.name().into(), None));
    }
    if let Some(exit) = &facts.last_exit {
        let value = json!({
            "reason": exit.reason.name(), "exitCode": exit.exit_code, "signal": exit.signal,
            "by": exit.by, "incarnation": exit.incarnation, "lifetimeMs": exit.lifetime_ms(),
            "stderrTail": exit.stderr_tail,
        });
        because.push(fact("last_exit", value, Some(exit.ended_at)));
    }
    let used = json!({
        "turns": facts.turns, "spentUsd": usd(facts.spent_micro_usd), "busyMs": facts.busy_ms,
    });
    because.push(fact("used", used, None));
    because.push(fact("short_lives", facts.short_lives.into(), None));
    because
}

fn fact(fact: &'static str, value: Value, at: Option<Timestamp>) -> Fact {
    Fact { fact, value, at }
}

fn intent(intent: Intent) -> Value {
    Value::from(match intent {
        Intent::Run => "run",
        Intent::Stop => "stop",
    })
}

fn process(facts: &Facts) -> Fact {
    let n = facts.incarnation.0;
    let (value, at) = match &facts.process {
        Process::None => (json!({"state": "none", "incarnation": n}), None),
        Process::Waiting { since } => (json!({"state": "waiting"}), Some(*since)),
        Process::Starting { since, pid } => (
            json!({"state": "starting", "pid": pid, "incarnation": n}),
            Some(*since),
        ),
        Process::Live { pid, since } => (
            json!({"state": "live", "pid": pid, "incarnation": n}),
            Some(*since),
        ),
        Process::Unattached { pid, since } => (
            json!({"state": "unattached", "pid": pid, "incarnation": n}),
            Some(*since),
        ),
        Process::Backoff { next_at } => (
            json!({"state": "backoff", "nextAt": next_at.rfc3339()}),
            Some(*next_at),
        ),
        Process::CrashLoop => (json!({"state": "crash_loop", "incarnation": n}), None),
        Process::Failed { code, text } => {
            (json!({"state": "failed", "code": code, "text": text}), None)
        }
    };
    fact("process", value, at)
}
