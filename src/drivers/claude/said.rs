//! What the model says: pieces while it is written, whole blocks when it is finished.
//!
//! Never keeps the text of a block: the finished one comes whole, under the id of its pieces.

use serde_json::{Value, json};

use super::codec::ClaudeCodec;
use super::state::{Block, State};
use super::turn;
use super::wire::{at, event, items, mark, mark_parent, number};
use crate::domain::EventKind;
use crate::drivers::{Delta, Output};

/// What the program calls its own words in place of a model's.
const SYNTHETIC: &str = "<synthetic>";

impl ClaudeCodec {
    /// One event of a message that is being written.
    pub(super) fn streamed(&mut self, line: &Value, out: &mut Vec<Output>) {
        let own = at(line, "/api_message_id");
        let event = line.get("event").unwrap_or(&Value::Null);
        match at(event, "/type") {
            "message_start" => {
                self.state.message = State::name(at(event, "/message/id"));
                self.context(line, event.pointer("/message/usage"));
                self.conversation(line, out);
            }
            "message_delta" => self.context(line, event.get("usage")),
            "content_block_start" => {
                let block = at(event, "/content_block/type");
                if block == "text" || block == "thinking" {
                    let message = self.message_of(own);
                    let id = self.state.message_id(&self.nonce);
                    self.state.open_block(Block {
                        message,
                        index: number(event, "index"),
                        id,
                        thinking: block == "thinking",
                        offset: 0,
                    });
                }
            }
            "content_block_delta" => {
                let message = self.message_of(own);
                self.piece(&message, event, out);
            }
            _ => {}
        }
    }

    fn message_of(&self, own: &str) -> String {
        if own.is_empty() {
            self.state.message.clone()
        } else {
            own.to_owned()
        }
    }

    fn piece(&mut self, message: &str, event: &Value, out: &mut Vec<Output>) {
        let text = match at(event, "/delta/type") {
            "text_delta" => at(event, "/delta/text"),
            "thinking_delta" => at(event, "/delta/thinking"),
            _ => "",
        };
        let Some(block) = self.state.block(message, number(event, "index")) else {
            return;
        };
        if text.is_empty() {
            return;
        }
        out.push(Output::Delta(Delta {
            kind: block.kind(),
            message: block.id.clone(),
            offset: block.offset,
            text: text.to_owned(),
        }));
        let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
        block.offset = block.offset.saturating_add(length);
        self.state.acted();
    }

    /// Finished blocks of a message.
    pub(super) fn assistant(&mut self, line: &Value, out: &mut Vec<Output>) {
        if at(line, "/message/model") != SYNTHETIC {
            self.conversation(line, out);
            self.state.acted();
        }
        let failed = !at(line, "/error").is_empty()
            || line.get("is_api_error_message") == Some(&Value::Bool(true));
        for block in items(line, "/message/content") {
            match at(block, "/type") {
                "text" if failed => self.gave_up(line, at(block, "/text"), out),
                "text" => self.words(line, at(block, "/text"), out),
                "thinking" => self.thought(line, at(block, "/thinking"), out),
                "tool_use" | "server_tool_use" | "mcp_tool_use" => self.call(line, block, out),
                kind if kind.ends_with("tool_result") => self.called(line, block, out),
                _ => {}
            }
        }
    }

    fn words(&mut self, line: &Value, text: &str, out: &mut Vec<Output>) {
        let block = self.state.close_block(at(line, "/message/id"), false);
        if text.is_empty() {
            return;
        }
        if at(line, "/parent_tool_use_id").is_empty() {
            self.state.say(text);
        }
        let mut data = self.whole(block, text);
        mark_parent(&mut data, line);
        if line.get("aborted") == Some(&Value::Bool(true)) {
            mark(&mut data, "interrupted", Value::Bool(true));
        }
        out.push(event(EventKind::AssistantMessage, data));
    }

    fn thought(&mut self, line: &Value, text: &str, out: &mut Vec<Output>) {
        let block = self.state.close_block(at(line, "/message/id"), true);
        if text.is_empty() {
            return;
        }
        let mut data = self.whole(block, text);
        mark_parent(&mut data, line);
        out.push(event(EventKind::Thinking, data));
    }

    fn whole(&mut self, block: Option<Block>, text: &str) -> Value {
        let id = match block {
            Some(block) => block.id,
            None => self.state.message_id(&self.nonce),
        };
        json!({ "messageId": id, "role": "assistant", "content": text })
    }

    /// The program's own words for an error of the model's provider.
    fn gave_up(&mut self, line: &Value, text: &str, out: &mut Vec<Output>) {
        let status = line.get("api_error_status").and_then(Value::as_u64);
        let code = turn::code(status, at(line, "/error"));
        let mut data = json!({ "code": code, "message": text, "willRetry": false });
        if let Some(status) = status {
            mark(&mut data, "status", Value::from(status));
        }
        mark_parent(&mut data, line);
        // What fails in a sub-agent does not fail the turn.
        if at(line, "/parent_tool_use_id").is_empty()
            && let Some(turn) = self.state.running()
        {
            turn.failure = Some(code);
        }
        out.push(event(EventKind::Error, data));
    }

    /// How much of the model's context the conversation takes; sub-agents have their own.
    fn context(&mut self, line: &Value, usage: Option<&Value>) {
        let Some(usage) = usage.filter(|_| at(line, "/parent_tool_use_id").is_empty()) else {
            return;
        };
        let count = |key| number(usage, key);
        let read = count("input_tokens")
            .saturating_add(count("cache_read_input_tokens"))
            .saturating_add(count("cache_creation_input_tokens"));
        if read > 0 {
            self.state.context = read;
        }
    }

    /// Tells the conversation once the program has begun to keep it: an id without a word of the
    /// model's cannot be resumed.
    pub(super) fn conversation(&mut self, line: &Value, out: &mut Vec<Output>) {
        let id = at(line, "/session_id");
        let known = self.state.conversation.as_deref() == Some(id);
        if !id.is_empty() && !known {
            self.state.conversation = Some(State::name(id));
            self.state.missing = false;
            out.push(Output::Conversation { id: id.to_owned() });
        }
    }
}
