//! The end of a turn: whether it went well, what it used and what it cost.
//!
//! Never calls a turn completed that carries an error anywhere: the program says `success` of a
//! failed one too.

use serde_json::{Map, Value};

use super::codec::ClaudeCodec;
use super::state::MISSING;
use super::wire::{at, event, items, mark, number, problem};
use crate::domain::{EventKind, Outcome, Timestamp};
use crate::drivers::{Limited, Output};

/// The program's names of token counts by turn, by model, and ours.
const TOKENS: [(&str, &str, &str); 4] = [
    ("input_tokens", "inputTokens", "inputTokens"),
    ("output_tokens", "outputTokens", "outputTokens"),
    (
        "cache_read_input_tokens",
        "cacheReadInputTokens",
        "cacheReadTokens",
    ),
    (
        "cache_creation_input_tokens",
        "cacheCreationInputTokens",
        "cacheWriteTokens",
    ),
];

impl ClaudeCodec {
    /// A result: the end of our turn, or of one that the program began by itself.
    pub(super) fn result(&mut self, line: &Value, out: &mut Vec<Output>) {
        let errors: Vec<&str> = items(line, "/errors").filter_map(Value::as_str).collect();
        let errors = errors.join("\n");
        if errors.to_lowercase().contains(MISSING) {
            // The next process begins a conversation of its own.
            self.state.missing = true;
            out.push(problem("conversation_missing", &errors));
            return;
        }
        if self.names_ours(line) {
            self.started(out);
        }
        self.conversation(line, out);
        let ours = self.is_ours(line);
        let usage = self.used(line, ours, out);
        if !ours {
            return;
        }
        let status = line.get("api_error_status").and_then(Value::as_u64);
        let (outcome, reason) = self.outcome(line, status);
        let said = line.get("result").and_then(Value::as_str);
        let said = said.or_else(|| Some(errors.as_str()).filter(|_| outcome == Outcome::Failed));
        let said = said.filter(|said| !said.is_empty()).map(str::to_owned);
        let limited = self.limited(outcome, status);
        let last = self.state.turn.as_mut().and_then(|turn| turn.last.take());
        self.end(
            outcome,
            (reason, said.or(last)),
            Some((usage, limited)),
            out,
        );
    }

    /// Whether a result ends the turn that was handed over.
    fn is_ours(&self, line: &Value) -> bool {
        let Some(turn) = &self.state.turn else {
            return false;
        };
        let of_another =
            self.state.names_prompts || line.get("origin").is_some_and(|o| !o.is_null());
        turn.started && (self.names_ours(line) || !of_another)
    }

    fn outcome(&self, line: &Value, status: Option<u64>) -> (Outcome, Option<String>) {
        let (subtype, end) = (at(line, "/subtype"), at(line, "/terminal_reason"));
        let failed = line.get("is_error") != Some(&Value::Bool(false));
        let failure = self
            .state
            .turn
            .as_ref()
            .and_then(|turn| turn.failure.clone());
        if end.starts_with("aborted") {
            (Outcome::Stopped, Some("interrupted".into()))
        } else if !failed && subtype == "success" && status.is_none() && end != "api_error" {
            (Outcome::Completed, None)
        } else if status.is_some() {
            (Outcome::Failed, Some(code(status, "")))
        } else if let (Some(failure), "success" | "") = (failure, subtype) {
            (Outcome::Failed, Some(failure))
        } else {
            let reason = match subtype {
                "success" | "" if end.is_empty() || end == "completed" => "error",
                "success" | "" => end,
                other => other
                    .strip_prefix("error_max_")
                    .map_or(other, |_| other.get(6..).unwrap_or(other)),
            };
            (Outcome::Failed, Some(reason.chars().take(64).collect()))
        }
    }

    fn limited(&self, outcome: Outcome, status: Option<u64>) -> Option<Limited> {
        let turn = self.state.turn.as_ref()?;
        let refused = matches!(status, Some(429 | 529)) || turn.limit.is_some();
        (outcome == Outcome::Failed && refused).then(|| Limited {
            until: turn.limit.flatten().map(Timestamp),
            acted: turn.acted,
        })
    }

    /// The turn is over. What it left open is closed.
    pub(super) fn end(
        &mut self,
        outcome: Outcome,
        (reason, text): (Option<String>, Option<String>),
        figures: Option<(Value, Option<Limited>)>,
        out: &mut Vec<Output>,
    ) {
        let Some(turn) = self.state.turn.take() else {
            return;
        };
        self.withdraw_all(true, out);
        self.state.blocks.clear();
        let (usage, limited) = figures.unzip();
        out.push(Output::TurnEnded {
            task: turn.task,
            outcome,
            reason,
            text,
            usage,
            limited: limited.flatten(),
        });
    }

    /// What was used since the last result, as an event and for the task, if it is of ours.
    fn used(&mut self, line: &Value, ours: bool, out: &mut Vec<Output>) -> Value {
        let recent = line
            .get("model_usage_since_last_result")
            .and_then(Value::as_object);
        let mut usage = Map::new();
        for (of_turn, of_model, ours) in TOKENS {
            // By model it counts sub-agents and aborted answers too.
            let count = match recent.filter(|models| !models.is_empty()) {
                Some(models) => models
                    .values()
                    .map(|model| number(model, of_model))
                    .fold(0, u64::saturating_add),
                None => line.get("usage").map_or(0, |usage| number(usage, of_turn)),
            };
            usage.insert(ours.to_owned(), Value::from(count));
        }
        let mut usage = Value::Object(usage);
        if let Some(cost) = self.cost(line, recent) {
            mark(&mut usage, "costUsd", Value::from(cost));
        }
        if let Some(total) = line.get("total_cost_usd") {
            mark(&mut usage, "totalCostUsd", total.clone());
        }
        let model = self.state.model.as_str();
        if !model.is_empty() {
            mark(&mut usage, "model", Value::from(model));
        }
        let window = line.get("modelUsage").and_then(|models| models.get(model));
        let window = window.map_or(0, |model| number(model, "contextWindow"));
        if window > 0 {
            mark(&mut usage, "contextWindow", Value::from(window));
        }
        if self.state.context > 0 {
            mark(&mut usage, "contextTokens", Value::from(self.state.context));
        }
        let mut told = usage.clone();
        if !ours {
            // No task has it: the session counts it by this event.
            mark(&mut told, "outsideTurn", Value::Bool(true));
        }
        out.push(event(EventKind::Usage, told));
        usage
    }

    /// The cost since the last result. The program's total counts on over processes that ended in
    /// order, and begins again after one that was killed.
    fn cost(&mut self, line: &Value, recent: Option<&Map<String, Value>>) -> Option<f64> {
        let total = line.get("total_cost_usd").and_then(Value::as_f64)?;
        let before = self.state.cost.replace(total.to_string());
        let before = before.and_then(|before| before.parse::<f64>().ok());
        let unknown = std::mem::take(&mut self.state.cost_unknown);
        let own = |model: &Value| model.get("costUSD").and_then(Value::as_f64);
        let cost = match (recent, before) {
            (Some(models), _) => models
                .values()
                .filter_map(own)
                .fold(0.0, |sum, own| sum + own),
            (None, Some(before)) if before <= total => total - before,
            (None, None) if unknown => return None,
            (None, _) => total,
        };
        // To a billionth, so that a difference shows no dust.
        Some((cost * 1e9).round() / 1e9)
    }
}

/// The stable word for an error of the provider.
pub(super) fn code(status: Option<u64>, word: &str) -> String {
    match (status, word) {
        (Some(401 | 403), _) | (_, "authentication_failed" | "oauth_org_not_allowed") => {
            String::from("auth")
        }
        (Some(status), _) => format!("api_error_{status}"),
        (None, "billing_error") => String::from("billing"),
        (None, "rate_limit") => String::from("rate_limited"),
        (None, "max_output_tokens") => String::from("max_output_tokens"),
        (None, _) => String::from("api_error"),
    }
}
