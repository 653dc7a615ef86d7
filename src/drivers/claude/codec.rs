//! The codec of the `claude` program: lines to outputs, commands to lines.
//!
//! Never parses the same byte into two outputs: what it took, it reports as taken.

use serde_json::{Value, json};

use super::MAX_UNIT_BYTES;
use super::state::State;
use super::wire::{INITIALIZE, at, control, event, mark, problem, prompt};
use crate::domain::{EventKind, PermissionMode, TaskId};
use crate::drivers::lines::{self, Lines};
use crate::drivers::{Codec, Command, Output, ids, text};

/// JSON bytes of a cut line that are shown.
const MAX_SHOWN: usize = 16 * 1024;

/// See the module.
pub(super) struct ClaudeCodec {
    pub(super) nonce: String,
    pub(super) state: State,
}

impl ClaudeCodec {
    pub(super) fn new(nonce: &str, state: State) -> Self {
        Self {
            nonce: nonce.to_owned(),
            state,
        }
    }

    fn message(&mut self, line: &Value, out: &mut Vec<Output>) {
        match at(line, "/type") {
            "stream_event" => self.streamed(line, out),
            "assistant" => self.assistant(line, out),
            "user" => self.user(line, out),
            "system" => self.system(line, out),
            "result" => self.result(line, out),
            "command_lifecycle" => self.lifecycle(line, out),
            "control_request" => self.asked(line, out),
            "control_cancel_request" => self.cancelled(line, out),
            "control_response" => self.answered(line, out),
            "rate_limit_event" => self.limits(line, out),
            // A newer program's word; keep-alives.
            _ => {}
        }
    }

    /// The user's side: our own words again, or results of tools.
    fn user(&mut self, line: &Value, out: &mut Vec<Output>) {
        let prompt = self.state.turn.as_ref().map(|turn| turn.prompt.as_str());
        let again = line.get("isReplay") == Some(&Value::Bool(true));
        if again && prompt == Some(at(line, "/uuid")) {
            self.started(out);
        }
        self.results(line, out);
    }

    fn raw(&mut self, bytes: &[u8], cut: bool, out: &mut Vec<Output>) {
        let words = String::from_utf8_lossy(bytes);
        let shown = if cut {
            text::head(&words, MAX_SHOWN)
        } else {
            words.into_owned()
        };
        let mut data = json!({
            "messageId": self.state.message_id(&self.nonce),
            "role": "assistant",
            "content": shown,
            "raw": true,
        });
        if cut {
            mark(&mut data, "truncated", Value::Bool(true));
        }
        out.push(event(EventKind::AssistantMessage, data));
    }

    fn order(&mut self, what: &str, request: &Value, out: &mut Vec<Output>) {
        let id = format!("{what}:{}", self.state.order());
        let bytes = control(&id, request);
        out.push(Output::Send { id, bytes });
    }

    fn interrupt(&mut self, out: &mut Vec<Output>) {
        let Some(turn) = &mut self.state.turn else {
            return;
        };
        let id = ids::interrupt_frame(Some(turn.task), turn.interrupts);
        turn.interrupts = turn.interrupts.saturating_add(1);
        let bytes = control(&id, &json!({ "subtype": "interrupt" }));
        out.push(Output::Send { id, bytes });
    }
}

impl Lines for ClaudeCodec {
    fn skipping(&mut self) -> &mut bool {
        &mut self.state.skipping
    }

    fn line(&mut self, bytes: &[u8], out: &mut Vec<Output>) {
        let bytes = bytes.trim_ascii();
        if bytes.is_empty() {
            return;
        }
        match serde_json::from_slice::<Value>(bytes) {
            Ok(line) if line.is_object() => self.message(&line, out),
            // A stray print. Shown as it is.
            Ok(_) | Err(_) => self.raw(bytes, false, out),
        }
    }

    /// A line that does not fit: it is told of, its rest is skipped.
    fn too_long(&mut self, bytes: &[u8], out: &mut Vec<Output>) {
        if let Some(result) = self.cut_result(bytes) {
            out.push(result);
        } else if bytes.trim_ascii_start().starts_with(b"{") {
            // A message whose sense is lost.
            let most = MAX_UNIT_BYTES;
            let words =
                format!("the program printed a line of more than {most} bytes; it is left out");
            out.push(problem("line_too_long", &words));
        } else {
            self.raw(bytes, true, out);
        }
    }
}

impl Codec for ClaudeCodec {
    fn start(&mut self, out: &mut Vec<Output>) {
        out.push(Output::Send {
            id: INITIALIZE.to_owned(),
            bytes: control(INITIALIZE, &json!({ "subtype": "initialize" })),
        });
    }

    fn decode(&mut self, input: &[u8], out: &mut Vec<Output>) -> usize {
        lines::decode(self, input, out)
    }

    fn finish(&mut self, rest: &[u8], out: &mut Vec<Output>) {
        lines::last(self, rest, out);
        self.withdraw_all(false, out);
    }

    fn command(&mut self, command: &Command, out: &mut Vec<Output>) {
        match command {
            Command::Prompt {
                task,
                input_id,
                text,
            } => {
                let uuid = ids::prompt(input_id);
                out.push(Output::Send {
                    id: input_id.clone(),
                    bytes: prompt(&uuid, text),
                });
                self.state.begin(*task, uuid);
            }
            Command::Answer {
                request,
                approved,
                response,
                args,
            } => self.answer(request, (*approved, response.as_deref()), args, out),
            Command::SetModel(model) => {
                let request = json!({ "subtype": "set_model", "model": model });
                self.order("set_model", &request, out);
            }
            Command::SetMode(mode) => self.set_mode(*mode, out),
            Command::Interrupt => self.interrupt(out),
            // Its orders come over a pipe that nobody else reads.
            Command::Remind => {}
        }
    }

    fn snapshot(&self) -> String {
        serde_json::to_string(&self.state).unwrap_or_default()
    }

    fn turn(&self) -> Option<TaskId> {
        self.state.turn.as_ref().map(|turn| turn.task)
    }
}

impl ClaudeCodec {
    fn set_mode(&mut self, mode: PermissionMode, out: &mut Vec<Output>) {
        let request = json!({ "subtype": "set_permission_mode", "mode": mode.name() });
        self.order("set_mode", &request, out);
    }
}
