//! What the program says of itself: that it is up, what became of a prompt, its state, its
//! provider's limits.
//!
//! Never takes the words of one turn for those of another: prompts are known by their ids.

use serde_json::{Value, json};

use super::codec::ClaudeCodec;
use super::state::State;
use super::wire::{INITIALIZE, at, digest, event, items, mark, number, problem};
use crate::domain::{EventKind, Outcome, Timestamp};
use crate::drivers::Output;

impl ClaudeCodec {
    /// The answer to one of our requests.
    pub(super) fn answered(&mut self, line: &Value, out: &mut Vec<Output>) {
        let id = at(line, "/response/request_id");
        let failed = at(line, "/response/subtype") == "error";
        if failed {
            let code = at(line, "/response/error_code");
            let code = if code.is_empty() {
                "order_refused"
            } else {
                code
            };
            let mut output = problem(code, at(line, "/response/error"));
            if let Output::Event { data, .. } = &mut output {
                let order = id.split(':').next().unwrap_or_default();
                mark(data, "order", Value::from(order));
            }
            out.push(output);
        } else if id == INITIALIZE && !std::mem::replace(&mut self.state.ready, true) {
            out.push(Output::Ready);
        }
    }

    /// What becomes of a prompt.
    pub(super) fn lifecycle(&mut self, line: &Value, out: &mut Vec<Output>) {
        self.state.names_prompts = true;
        let prompt = at(line, "/command_uuid");
        let Some(turn) = self
            .state
            .turn
            .as_ref()
            .filter(|turn| turn.prompt == prompt)
        else {
            return;
        };
        match (at(line, "/state"), turn.started) {
            ("started", false) => self.started(out),
            ("cancelled", started) => {
                if !started {
                    self.started(out);
                }
                let asked = self.state.turn.as_ref().map_or(0, |turn| turn.interrupts) > 0;
                let outcome = if asked {
                    Outcome::Stopped
                } else {
                    Outcome::Failed
                };
                self.end(outcome, (Some("cancelled".into()), None), None, out);
            }
            // It ran in an earlier process of this conversation, and is not run again.
            ("completed", false) => {
                self.started(out);
                self.end(
                    Outcome::Failed,
                    (Some("already_run".into()), None),
                    None,
                    out,
                );
            }
            // A result ends the turn before: this one was lost, for its length or in a gap of the log.
            ("completed", true) => {
                let reason = Some("result_lost".into());
                self.end(Outcome::Failed, (reason, None), None, out);
            }
            _ => {}
        }
    }

    /// The program works on our prompt.
    pub(super) fn started(&mut self, out: &mut Vec<Output>) {
        if let Some(turn) = self.state.turn.as_mut().filter(|turn| !turn.started) {
            turn.started = true;
            out.push(Output::TurnStarted { task: turn.task });
        }
    }

    /// Whether a line names our prompt.
    pub(super) fn names_ours(&self, line: &Value) -> bool {
        let ours = |uuid: &str| {
            let turn = self.state.turn.as_ref();
            turn.is_some_and(|turn| turn.prompt == uuid)
        };
        ours(at(line, "/user_message_uuid"))
            || items(line, "/user_message_uuids").any(|uuid| uuid.as_str().is_some_and(ours))
    }

    /// A line about the program itself.
    pub(super) fn system(&mut self, line: &Value, out: &mut Vec<Output>) {
        match at(line, "/subtype") {
            "init" => self.initialized(line, out),
            "status" => {
                if self.names_ours(line) {
                    self.started(out);
                }
                self.mode(line, out);
            }
            "api_retry" => retry(line, out),
            "compact_boundary" => {
                let of = |key| line.pointer(&format!("/compact_metadata/{key}")).cloned();
                let data = json!({
                    "action": "compacted", "trigger": of("trigger"),
                    "tokensBefore": of("pre_tokens"), "tokensAfter": of("post_tokens"),
                });
                out.push(event(EventKind::Session, data));
            }
            _ => {}
        }
    }

    /// A turn begins: the program tells how it is set up. Told when it changed.
    fn initialized(&mut self, line: &Value, out: &mut Vec<Output>) {
        // A program that names prompts says more certainly whose turn it is.
        if !self.state.names_prompts {
            self.started(out);
        }
        let servers: Vec<Value> = items(line, "/mcp_servers")
            .map(|server| json!({ "name": at(server, "/name"), "status": at(server, "/status") }))
            .collect();
        let data = json!({
            "action": "initialized",
            "conversation": at(line, "/session_id"),
            "model": at(line, "/model"),
            "permissionMode": at(line, "/permissionMode"),
            "version": at(line, "/claude_code_version"),
            "cwd": at(line, "/cwd"),
            "tools": items(line, "/tools").count(),
            "mcpServers": servers,
        });
        self.state.mode = State::name(at(line, "/permissionMode"));
        self.state.model = State::name(at(line, "/model"));
        let shown = digest(&data.to_string());
        if self.state.shown != shown {
            self.state.shown = shown;
            out.push(event(EventKind::Session, data));
        }
    }

    fn mode(&mut self, line: &Value, out: &mut Vec<Output>) {
        let mode = at(line, "/permissionMode");
        if !mode.is_empty() && self.state.mode != mode {
            self.state.mode = State::name(mode);
            let data = json!({ "action": "mode_changed", "permissionMode": mode });
            out.push(event(EventKind::Session, data));
        }
    }

    /// How near the provider's limits are.
    pub(super) fn limits(&mut self, line: &Value, out: &mut Vec<Output>) {
        let info = line.get("rate_limit_info").unwrap_or(&Value::Null);
        let state = at(info, "/status");
        let refused = state == "rejected";
        if state.is_empty() || state == "allowed" {
            return;
        }
        // Seconds since 1970.
        let resets = info.get("resetsAt").and_then(Value::as_i64);
        let until = resets.map(|seconds| seconds.saturating_mul(1_000));
        if refused && let Some(turn) = self.state.running() {
            turn.limit = Some(until);
        }
        let data = json!({
            "status": state, "limited": refused, "limit": info.get("rateLimitType"),
            "utilization": info.get("utilization"),
            "until": until.map(|until| Timestamp(until).rfc3339()),
        });
        out.push(event(EventKind::RateLimited, data));
    }
}

/// The program tries again by itself.
fn retry(line: &Value, out: &mut Vec<Output>) {
    let status = line.get("error_status").and_then(Value::as_u64);
    let word = at(line, "/error");
    let limited = matches!(status, Some(429 | 529)) || matches!(word, "rate_limit" | "overloaded");
    let mut data = json!({
        "code": super::turn::code(status, word), "status": status, "willRetry": true,
        "attempt": number(line, "attempt"), "maxRetries": number(line, "max_retries"),
        "delayMs": number(line, "retry_delay_ms"),
    });
    let kind = if limited {
        mark(&mut data, "limited", Value::Bool(true));
        EventKind::RateLimited
    } else {
        let message = format!("the model's provider gave an error ({word}); it is asked again");
        mark(&mut data, "message", Value::from(message));
        EventKind::Error
    };
    out.push(event(kind, data));
}
