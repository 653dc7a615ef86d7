//! The codec of the `script` agent: lines to events, commands to lines.
//!
//! Never parses the same byte into two events: what it took, it reports as taken.

use serde_json::{Value, json};

use super::state::{Open, State};
use super::wire::{Line, Order, encode};
use crate::domain::{ApprovalKind, EventKind, Outcome, TaskId};
use crate::drivers::lines::{self, Lines};
use crate::drivers::{Codec, Command, Delta, Output, Question, ids, risk, text};

/// Most JSON bytes of a tool's name.
const MAX_TOOL: usize = 128;

pub(super) struct ScriptCodec {
    nonce: String,
    state: State,
}

impl ScriptCodec {
    pub(super) fn new(nonce: &str, state: State) -> Self {
        Self {
            nonce: nonce.to_owned(),
            state,
        }
    }

    fn raw(&mut self, bytes: &[u8], out: &mut Vec<Output>) {
        let words = String::from_utf8_lossy(bytes);
        let data = json!({
            "messageId": self.message_id(),
            "role": "assistant",
            "content": words,
            "raw": true,
        });
        out.push(event(EventKind::AssistantMessage, data));
    }

    fn message(&mut self, line: Line, out: &mut Vec<Output>) {
        match line {
            Line::Say { text } => {
                self.state.say(&text);
                out.push(self.whole(text, false));
            }
            Line::Think { text } => out.push(self.whole(text, true)),
            Line::Piece { thought, text } => out.push(self.piece(text, thought)),
            Line::Flood { line, of, text } => {
                let data = self.flooded(text, (line, of));
                out.push(event(EventKind::AssistantMessage, data));
            }
            Line::Usage { usage } => {
                self.state.add_usage(&usage);
                out.push(event(EventKind::Usage, Value::Object(usage)));
            }
            Line::Error { message } => out.push(problem(&message)),
            Line::Tool { id, name, args } => {
                let mut data = tool(&id, &name, "start");
                mark(&mut data, "args", args);
                out.push(event(EventKind::ToolCall, data));
            }
            Line::ToolResult {
                id,
                name,
                result,
                ms,
                denied,
            } => {
                let mut data = tool(&id, &name, "end");
                mark(&mut data, "result", result);
                mark(&mut data, "durationMs", Value::from(ms));
                if denied {
                    mark(&mut data, "denied", Value::Bool(true));
                }
                out.push(event(EventKind::ToolResult, data));
            }
            Line::Ask { id, tool, args } => self.ask(id, tool, args, out),
            Line::Withdrawn { id } => {
                if self.state.settle(&id) {
                    out.push(Output::Withdrawn { request: id });
                }
            }
            Line::Ready {
                home,
                scenario,
                played,
            } => self.ready(&home, &scenario, played, out),
            Line::TurnStarted {
                task,
                scenario,
                played,
            } => self.turn_started(task, &scenario, played, out),
            Line::TurnEnded {
                task,
                outcome,
                reason,
            } => self.turn_ended(task, outcome, reason, out),
        }
    }

    /// One of many lines, with its number among them.
    fn flooded(&mut self, text: String, (line, of): (u64, u64)) -> Value {
        let mut data = self.words(text);
        mark(&mut data, "line", Value::from(line));
        mark(&mut data, "of", Value::from(of));
        data
    }

    fn ready(&mut self, home: &str, scenario: &str, played: u32, out: &mut Vec<Output>) {
        self.state.home(home);
        self.state.at(scenario, played);
        if !std::mem::replace(&mut self.state.ready, true) {
            out.push(Output::Ready);
        }
    }

    fn turn_started(&mut self, task: TaskId, scenario: &str, played: u32, out: &mut Vec<Output>) {
        self.state.begin(task);
        self.state.at(scenario, played);
        out.push(Output::TurnStarted { task });
    }

    fn turn_ended(
        &mut self,
        task: TaskId,
        outcome: Outcome,
        reason: Option<String>,
        out: &mut Vec<Output>,
    ) {
        self.withdraw_all(out);
        self.state.writing = None;
        let usage = std::mem::take(&mut self.state.usage);
        out.push(Output::TurnEnded {
            task,
            outcome,
            reason,
            text: self.state.last.take(),
            usage: (!usage.is_empty()).then_some(Value::Object(usage)),
            limited: None,
        });
        if self.state.task == Some(task) {
            self.state.task = None;
        }
    }

    fn ask(&mut self, request: String, tool: String, args: Value, out: &mut Vec<Output>) {
        if !self.state.ask(&request) {
            out.push(problem(
                "the program asked more questions at once than are kept",
            ));
            return;
        }
        let tool = text::head(&tool, MAX_TOOL);
        let command = args.get("command").and_then(Value::as_str);
        let shown = command.map_or_else(|| args.to_string(), str::to_owned);
        let first = shown.lines().next().unwrap_or_default();
        out.push(Output::Ask(Question {
            kind: ApprovalKind::Permission,
            summary: text::head(&format!("{tool}: {first}"), 200),
            question: format!("May {tool} run with {shown}?"),
            options: Vec::new(),
            risk: command.map_or(crate::domain::Risk::Medium, risk::of_command),
            request,
            tool,
            args,
        }));
    }

    fn withdraw_all(&mut self, out: &mut Vec<Output>) {
        let open = std::mem::take(&mut self.state.open);
        out.extend(
            open.into_iter()
                .map(|request| Output::Withdrawn { request }),
        );
    }

    /// A piece of the message that is being written; the first one begins it.
    fn piece(&mut self, text: String, thought: bool) -> Output {
        let open = self.state.writing.take();
        let open = open.filter(|open| open.thought == thought);
        let mut open = open.unwrap_or_else(|| Open {
            id: self.message_id(),
            thought,
            length: 0,
        });
        let (message, offset) = (open.id.clone(), open.length);
        let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
        open.length = open.length.saturating_add(length);
        self.state.writing = Some(open);
        Output::Delta(Delta {
            kind: spoken(thought),
            message,
            offset,
            text,
        })
    }

    /// A finished message: the one that was being written, or one of its own.
    fn whole(&mut self, text: String, thought: bool) -> Output {
        let open = self.state.writing.take_if(|open| open.thought == thought);
        let data = match open {
            Some(open) => {
                json!({ "messageId": open.id, "role": "assistant", "content": text })
            }
            None => self.words(text),
        };
        event(spoken(thought), data)
    }

    fn words(&mut self, text: String) -> Value {
        json!({ "messageId": self.message_id(), "role": "assistant", "content": text })
    }

    fn message_id(&mut self) -> String {
        if let Some(task) = self.state.task {
            let id = ids::message(task, self.state.messages);
            self.state.messages = self.state.messages.saturating_add(1);
            id
        } else {
            let id = ids::loose_message(&self.nonce, self.state.loose);
            self.state.loose = self.state.loose.saturating_add(1);
            id
        }
    }
}

impl Lines for ScriptCodec {
    fn skipping(&mut self) -> &mut bool {
        &mut self.state.skipping
    }

    fn line(&mut self, bytes: &[u8], out: &mut Vec<Output>) {
        let bytes = bytes.trim_ascii();
        if bytes.is_empty() {
            return;
        }
        match serde_json::from_slice::<Line>(bytes) {
            Ok(line) => self.message(line, out),
            // Not ours: a stray print, or a newer program's word. Shown as it is.
            Err(_) => self.raw(bytes, out),
        }
    }

    /// A line that does not fit: its beginning is shown, its rest is skipped.
    fn too_long(&mut self, bytes: &[u8], out: &mut Vec<Output>) {
        self.raw(bytes, out);
        if let Some(Output::Event {
            data: Value::Object(map),
            ..
        }) = out.last_mut()
        {
            if let Some(Value::String(words)) = map.get_mut("content") {
                *words = text::head(words, 16 * 1024);
            }
            map.insert("truncated".into(), Value::Bool(true));
        }
    }
}

impl Codec for ScriptCodec {
    fn decode(&mut self, input: &[u8], out: &mut Vec<Output>) -> usize {
        lines::decode(self, input, out)
    }

    fn finish(&mut self, rest: &[u8], out: &mut Vec<Output>) {
        lines::last(self, rest, out);
        self.withdraw_all(out);
    }

    fn command(&mut self, command: &Command, out: &mut Vec<Output>) {
        match command {
            Command::Prompt {
                task,
                input_id,
                text,
            } => {
                self.state.begin(*task);
                self.state.interrupts = 0;
                out.push(Output::Send {
                    id: input_id.clone(),
                    bytes: encode(&Order::Prompt {
                        task: *task,
                        text: text.clone(),
                    }),
                });
            }
            Command::Answer {
                request,
                approved,
                response,
                ..
            } => {
                if self.state.settle(request) {
                    out.push(Output::Send {
                        id: ids::answer_frame(request),
                        bytes: encode(&Order::Answer {
                            request: request.clone(),
                            approved: *approved,
                            response: response.clone(),
                        }),
                    });
                }
            }
            Command::SetMode(mode) => {
                out.push(Output::Send {
                    id: ids::tuning_frame(self.state.tunings),
                    bytes: encode(&Order::Mode { mode: *mode }),
                });
                self.state.tunings = self.state.tunings.saturating_add(1);
            }
            // Its orders come over a pipe that nobody else reads, and it has no model.
            Command::Remind | Command::SetModel(_) => {}
            Command::Interrupt => {
                if self.state.task.is_some() {
                    out.push(Output::Send {
                        id: ids::interrupt_frame(self.state.task, self.state.interrupts),
                        bytes: encode(&Order::Interrupt),
                    });
                    self.state.interrupts = self.state.interrupts.saturating_add(1);
                }
            }
        }
    }

    fn snapshot(&self) -> String {
        serde_json::to_string(&self.state).unwrap_or_default()
    }

    fn turn(&self) -> Option<TaskId> {
        self.state.task
    }
}

fn spoken(thought: bool) -> EventKind {
    match thought {
        true => EventKind::Thinking,
        false => EventKind::AssistantMessage,
    }
}

fn tool(id: &str, name: &str, phase: &str) -> Value {
    json!({ "toolCallId": id, "toolName": name, "phase": phase })
}

fn mark(data: &mut Value, key: &str, value: Value) {
    if let Value::Object(map) = data {
        map.insert(key.to_owned(), value);
    }
}

fn problem(message: &str) -> Output {
    event(EventKind::Error, json!({ "message": message }))
}

fn event(kind: EventKind, data: Value) -> Output {
    Output::Event { kind, data }
}
