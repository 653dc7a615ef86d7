//! What the codec remembers between two lines.
//!
//! Never grows with the stream: every part has a bound, so that a snapshot stays below 64 KiB.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::{EventKind, TaskId};
use crate::drivers::{ids, text};

/// With these words the program refuses to go on with a conversation that it does not have.
pub(super) const MISSING: &str = "no conversation found with session id";
/// Most questions that are remembered as open.
const MAX_OPEN: usize = 16;
/// Most blocks that are remembered as being written, and most calls as running.
const MAX_BLOCKS: usize = 16;
const MAX_CALLS: usize = 64;
/// Most JSON bytes of an id or name.
pub(super) const MAX_NAME: usize = 128;
/// Most JSON bytes of a question's suggestions; longer ones are not offered.
const MAX_SUGGESTIONS: usize = 1024;
/// Most JSON bytes of the last words.
const MAX_TEXT: usize = 8 * 1024;

/// The state; its JSON is the snapshot.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct State {
    /// The program answered the first request.
    pub(super) ready: bool,
    /// In the rest of a line that was too long.
    pub(super) skipping: bool,
    /// The turn that was handed over.
    pub(super) turn: Option<Turn>,
    /// The program tells what becomes of a prompt by its id, so nothing else has to be believed.
    pub(super) names_prompts: bool,
    /// Messages outside of turns so far.
    pub(super) loose: u32,
    /// Orders beside prompts, answers and interrupts so far.
    pub(super) orders: u32,
    /// The conversation that was told.
    pub(super) conversation: Option<String>,
    /// The program does not have the conversation that it was to go on with; until it has begun
    /// another.
    pub(super) missing: bool,
    /// Mark of what was last told of the program's own account of itself.
    pub(super) shown: String,
    /// The permission mode that it last named.
    pub(super) mode: String,
    /// The model that it last named.
    pub(super) model: String,
    /// The message that is being streamed.
    pub(super) message: String,
    /// Tokens of the conversation as the model last saw it.
    pub(super) context: u64,
    /// Costs that the program counted up to now, exactly as it wrote them.
    pub(super) cost: Option<String>,
    /// It may have counted costs from before, and nobody knows how much.
    pub(super) cost_unknown: bool,
    /// Questions without an answer.
    pub(super) open: Vec<Open>,
    /// Blocks that are being written.
    pub(super) blocks: Vec<Block>,
    /// Tool calls without a result: id and tool.
    pub(super) calls: Vec<(String, String)>,
}

/// The running turn.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Turn {
    pub(super) task: TaskId,
    /// The id of the prompt's line.
    pub(super) prompt: String,
    /// The program acknowledged it.
    pub(super) started: bool,
    /// It said or did something.
    pub(super) acted: bool,
    /// Messages so far.
    pub(super) messages: u32,
    /// Interrupts so far.
    pub(super) interrupts: u32,
    /// Its last words.
    pub(super) last: Option<String>,
    /// The code of the last error that the program gave up on.
    pub(super) failure: Option<String>,
    /// The provider refused more work; until when, in milliseconds, if it said so.
    pub(super) limit: Option<Option<i64>>,
}

/// A question.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Open {
    pub(super) request: String,
    pub(super) tool: String,
    /// Changes of the rules that the program offers with it.
    pub(super) suggestions: Value,
    /// The beginning of the hash of its arguments: a row may give them back with secrets covered.
    #[serde(default)]
    pub(super) input: Option<String>,
}

/// A block of a message that is being written.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Block {
    /// The program's id of the message.
    pub(super) message: String,
    /// Its place in the message.
    pub(super) index: u64,
    /// Our id of it.
    pub(super) id: String,
    /// Thoughts, and no words.
    pub(super) thinking: bool,
    /// Bytes so far.
    pub(super) offset: u64,
}

impl Block {
    pub(super) fn kind(&self) -> EventKind {
        if self.thinking {
            EventKind::Thinking
        } else {
            EventKind::AssistantMessage
        }
    }
}

impl State {
    pub(super) fn read(snapshot: &str) -> Option<Self> {
        serde_json::from_str(snapshot).ok()
    }

    /// The state of a new process; `goes_on`: with the conversation of an earlier one.
    pub(super) fn fresh(before: Option<Self>, goes_on: bool) -> Self {
        let missing = before.as_ref().is_some_and(|before| before.missing);
        let cost = before.and_then(|before| before.cost).filter(|_| goes_on);
        Self {
            missing,
            cost_unknown: goes_on && cost.is_none(),
            cost,
            ..Self::default()
        }
    }

    /// A prompt is handed over: what belonged to the last turn is gone.
    pub(super) fn begin(&mut self, task: TaskId, prompt: String) {
        self.turn = Some(Turn {
            task,
            prompt,
            started: false,
            acted: false,
            messages: 0,
            interrupts: 0,
            last: None,
            failure: None,
            limit: None,
        });
    }

    /// The running turn, once the program has acknowledged it.
    pub(super) fn running(&mut self) -> Option<&mut Turn> {
        self.turn.as_mut().filter(|turn| turn.started)
    }

    /// The id of the next message.
    pub(super) fn message_id(&mut self, nonce: &str) -> String {
        let (count, task) = match self.turn.as_mut().filter(|turn| turn.started) {
            Some(turn) => (&mut turn.messages, Some(turn.task)),
            None => (&mut self.loose, None),
        };
        let n = *count;
        *count = n.saturating_add(1);
        task.map_or_else(
            || ids::loose_message(nonce, n),
            |task| ids::message(task, n),
        )
    }

    /// The number of the next order.
    pub(super) fn order(&mut self) -> u32 {
        let n = self.orders;
        self.orders = n.saturating_add(1);
        n
    }

    pub(super) fn say(&mut self, words: &str) {
        if let Some(turn) = self.running() {
            turn.last = Some(text::head(words, MAX_TEXT));
        }
    }

    pub(super) fn acted(&mut self) {
        if let Some(turn) = self.running() {
            turn.acted = true;
        }
    }

    /// A block of a message begins.
    pub(super) fn open_block(&mut self, block: Block) {
        if text::json_len(&block.message) > MAX_NAME {
            return;
        }
        push(&mut self.blocks, block, MAX_BLOCKS);
    }

    /// The block at this place of this message.
    pub(super) fn block(&mut self, message: &str, index: u64) -> Option<&mut Block> {
        let mut blocks = self.blocks.iter_mut().rev();
        blocks.find(|block| block.message == message && block.index == index)
    }

    /// The block of this message that is being written now is finished.
    pub(super) fn close_block(&mut self, message: &str, thinking: bool) -> Option<Block> {
        let wanted = |block: &Block| block.message == message && block.thinking == thinking;
        let at = self.blocks.iter().rposition(wanted)?;
        let block = self.blocks.remove(at);
        // What was begun before it and never finished held nothing.
        self.blocks
            .retain(|other| other.message != message || other.index > block.index);
        Some(block)
    }

    /// A tool is called.
    pub(super) fn call(&mut self, id: &str, tool: &str) {
        if text::json_len(id) <= MAX_NAME {
            let call = (id.to_owned(), text::head(tool, MAX_NAME));
            push(&mut self.calls, call, MAX_CALLS);
        }
    }

    /// A call has its result; the tool.
    pub(super) fn called(&mut self, id: &str) -> Option<String> {
        let at = self.calls.iter().position(|(call, _)| call == id)?;
        Some(self.calls.remove(at).1)
    }

    /// Remembers a question. One beyond the bound is not remembered.
    pub(super) fn ask(&mut self, request: &str, tool: &str, suggestions: &Value) -> bool {
        let known = self.open.iter().any(|open| open.request == request);
        let fits = self.open.len() < MAX_OPEN && text::json_len(request) <= MAX_NAME;
        if known || !fits {
            return false;
        }
        let short = suggestions.to_string().len() <= MAX_SUGGESTIONS;
        self.open.push(Open {
            request: request.to_owned(),
            tool: text::head(tool, MAX_NAME),
            suggestions: if short {
                suggestions.clone()
            } else {
                Value::Null
            },
            input: None,
        });
        true
    }

    /// Forgets a question; nothing when it was not open.
    pub(super) fn settle(&mut self, request: &str) -> Option<Open> {
        let at = self.open.iter().position(|open| open.request == request)?;
        Some(self.open.remove(at))
    }

    /// Keeps a name within its bound.
    pub(super) fn name(words: &str) -> String {
        text::head(words, MAX_NAME)
    }
}

/// Adds an item; the oldest one goes when there are too many.
fn push<T>(items: &mut Vec<T>, item: T, most: usize) {
    if items.len() >= most {
        items.remove(0);
    }
    items.push(item);
}
