//! Knowledge of each agent program: how it is started, and its codec: bytes to events and
//! commands to bytes.
//!
//! Never does input or output and never reads a clock: the runtime writes what a codec asks for.

pub mod claude;
#[cfg(feature = "failpoints")]
mod fragile;
mod ids;
mod lines;
mod risk;
pub mod script;
pub mod shell;
pub mod text;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::domain::{
    ApprovalKind, EventKind, ExitReason, Kind, Outcome, PermissionMode, Risk, SessionId, TaskId,
    Timestamp,
};

/// Longest line or unit that a codec may ask to see whole, in bytes; the runtime offers at most
/// this much at once.
pub const MAX_UNIT_BYTES: usize = 1024 * 1024;

/// What a driver needs to know of the session to start its program.
#[derive(Debug, Clone)]
pub struct LaunchContext {
    /// Which session.
    pub session: SessionId,
    /// The incarnation's own directory, absolute: the launch's files are put there.
    pub dir: String,
    /// The session's working directory, absolute.
    pub cwd: String,
    /// The server's own executable, for the built-in programs.
    pub server_exe: String,
    /// Secret mark of this incarnation.
    pub nonce: String,
    /// How far the agent may go without asking.
    pub permission_mode: PermissionMode,
    /// The session's scenario, for `script`; a file that exists.
    pub scenario: Option<String>,
    /// The model, in the program's own word; its own choice when absent.
    pub model: Option<String>,
    /// How hard the model thinks, in the program's own word.
    pub effort: Option<String>,
    /// MCP servers by name, in the form of the programs' `mcpServers`.
    pub mcp_servers: Option<Map<String, Value>>,
    /// The program's own id of the conversation to go on with ([`Output::Conversation`]).
    pub conversation: Option<String>,
    /// The conversation to branch off from, when there is none to go on with.
    pub fork_of: Option<String>,
    /// Whether the server, and so the program, runs as root.
    pub root: bool,
    /// The last snapshot of the incarnation before, for programs that go on where they were.
    pub resume: Option<String>,
}

/// How the program's streams are laid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stdio {
    /// stdin and stdout are pipes, stderr is captured apart.
    Pipes,
    /// All three are one terminal of this size.
    Pty {
        /// Rows of characters.
        rows: u16,
        /// Columns of characters.
        cols: u16,
    },
}

/// How the program is started. The session's own variables are added by the runtime and win.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// Program and arguments; the program is looked up in the child's PATH when it has no slash.
    pub argv: Vec<String>,
    /// Variables beyond PATH, HOME, LANG, TERM and TMPDIR.
    pub env: BTreeMap<String, String>,
    /// Streams.
    pub stdio: Stdio,
    /// Files to put into the incarnation's directory first, 0600: name and bytes.
    pub files: Vec<(String, Vec<u8>)>,
}

/// What the session asks of its program.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Run this prompt as the turn of `task`. `input_id` names the keeper's input frame.
    Prompt {
        /// The task.
        task: TaskId,
        /// Id for the input frame that carries it; the same bytes under the same id are written
        /// once.
        input_id: String,
        /// The words.
        text: String,
    },
    /// A person answered the question `request`.
    Answer {
        /// The program's own id of the question.
        request: String,
        /// Yes or no.
        approved: bool,
        /// Free words.
        response: Option<String>,
        /// The arguments that were asked about.
        args: Value,
    },
    /// Use this model from the next turn on; its own choice when absent.
    SetModel(Option<String>),
    /// Ask as this mode says from now on.
    SetMode(PermissionMode),
    /// End the running turn in the program's own way.
    Interrupt,
    /// The program waits for input and has not begun the turn that was handed to it: what carried
    /// it was lost on the way, and is written once more. A program that cannot lose it gives
    /// nothing.
    Remind,
}

/// What a codec makes of bytes and commands, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// The program is up and takes prompts. Once per incarnation.
    Ready,
    /// The program acknowledged this task: its turn runs.
    TurnStarted {
        /// The task.
        task: TaskId,
    },
    /// Something to tell everyone. `data` is a JSON object.
    Event {
        /// What about.
        kind: EventKind,
        /// The event's data; the runtime adds `taskId` when a turn runs.
        data: Value,
    },
    /// A piece of a message that is still being written: shown at once, and neither numbered nor
    /// kept; the whole message follows as an [`Output::Event`] of the same kind and `messageId`.
    Delta(Delta),
    /// The program has a conversation that a later process can go on with.
    Conversation {
        /// Its own id of it.
        id: String,
    },
    /// The program asks a person.
    Ask(Question),
    /// The program no longer waits for the answer to this question.
    Withdrawn {
        /// The program's own id of the question.
        request: String,
    },
    /// The turn is over.
    TurnEnded {
        /// The task whose turn it was.
        task: TaskId,
        /// How.
        outcome: Outcome,
        /// Stable word for why, unless it went well: `exit_2`, `syntax_error`, `denied` ...
        reason: Option<String>,
        /// The last words of the agent.
        text: Option<String>,
        /// What was used in this turn, as the program told it: token counts under the names of
        /// `inputTokens`, `outputTokens`, and `costUsd` where it knows.
        usage: Option<Value>,
        /// The provider refused more work for now.
        limited: Option<Limited>,
    },
    /// Put this file (0600) into the incarnation's directory before the next `Send`.
    File {
        /// Plain name without a slash.
        name: String,
        /// Contents.
        bytes: Vec<u8>,
    },
    /// Write these bytes to the program under this input id (at most 64 bytes). The id is
    /// derived from what caused it, so that a repeated decoding repeats the id, and the keeper
    /// drops it.
    Send {
        /// The keeper's id of the frame.
        id: String,
        /// What to write.
        bytes: Vec<u8>,
    },
}

/// A piece of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delta {
    /// `AssistantMessage` or `Thinking`.
    pub kind: EventKind,
    /// The id of the message.
    pub message: String,
    /// Bytes of the message before this piece.
    pub offset: u64,
    /// The piece.
    pub text: String,
}

/// A limit of the provider's under which a turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limited {
    /// When it takes work again, if it said so.
    pub until: Option<Timestamp>,
    /// Whether the turn had done something by then (words or tools), so that the same prompt must
    /// not be sent again by itself.
    pub acted: bool,
}

/// A question of a program to a person.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// The program's own id of it.
    pub request: String,
    /// `Permission` or `Question`.
    pub kind: ApprovalKind,
    /// The tool that wants to run.
    pub tool: String,
    /// Its arguments.
    pub args: Value,
    /// One line for a list.
    pub summary: String,
    /// The question in full.
    pub question: String,
    /// Answers to choose from; empty for yes or no.
    pub options: Vec<String>,
    /// How much harm it can do.
    pub risk: Risk,
}

/// The byte translation of one incarnation. A codec and the codec restored from its snapshot give
/// the same outputs for the same rest of the stream.
pub trait Codec: Send {
    /// What is said to a fresh process before anything else. Called once, and again if the server
    /// ended before it was written down: the ids of its frames must repeat.
    fn start(&mut self, _out: &mut Vec<Output>) {}

    /// Decodes what it can of `input` (log bytes from the committed offset on) and returns how
    /// many bytes it took; the rest is offered again with more behind it. `input` of
    /// [`MAX_UNIT_BYTES`] must make progress: cut with a mark rather than wait. To bound one
    /// commit, it may stop early and return; it is called again as long as it makes progress.
    fn decode(&mut self, input: &[u8], out: &mut Vec<Output>) -> usize;

    /// The stream is over: decodes the unfinished rest and closes what is open, except the turn
    /// (the runtime ends a lost turn itself).
    fn finish(&mut self, rest: &[u8], out: &mut Vec<Output>);

    /// Translates a command. A prompt may be answered by an [`Output::Ask`] first.
    fn command(&mut self, command: &Command, out: &mut Vec<Output>);

    /// The state as text, small (below 64 KiB), from which [`Driver::restore`] goes on.
    fn snapshot(&self) -> String;

    /// The task whose turn the codec thinks is running, acknowledged or not.
    fn turn(&self) -> Option<TaskId>;
}

/// One agent program.
pub trait Driver: Send + Sync {
    /// Which kind it serves.
    fn kind(&self) -> Kind;

    /// How it is started.
    fn launch(&self, context: &LaunchContext) -> Launch;

    /// A codec for a fresh process.
    fn codec(&self, context: &LaunchContext) -> Box<dyn Codec>;

    /// The codec of a process whose stream was decoded up to a committed offset. A snapshot that
    /// cannot be read gives `None`.
    fn restore(&self, context: &LaunchContext, snapshot: &str) -> Option<Box<dyn Codec>>;

    /// Whether a new process goes on where the last one ended, so that it is worth restarting by
    /// itself.
    fn resumable(&self) -> bool;

    /// What the end of the process means, where its code and its last words on stderr say more
    /// than the code alone: a missing sign-in, a limit of the provider.
    fn exit_reason(&self, _code: Option<i32>, _stderr: &[String]) -> Option<ExitReason> {
        None
    }

    /// Whether the program works with a model that can be named.
    fn has_model(&self) -> bool {
        match self.kind() {
            Kind::Claude => true,
            Kind::Shell | Kind::Script => false,
        }
    }

    /// Whether a running process takes this mode, or only one that is started in it.
    fn may_switch(&self, _to: PermissionMode, _root: bool) -> bool {
        true
    }

    /// Whether its streams are a terminal that people may sit at.
    fn has_terminal(&self) -> bool;

    /// Whether the terminal watch applies: the program's prompt can be lost (see
    /// `process::terminal`).
    fn has_prompt(&self) -> bool;
}

/// The driver of a kind.
#[must_use]
pub fn driver(kind: Kind) -> &'static dyn Driver {
    #[cfg(feature = "failpoints")]
    return match kind {
        Kind::Claude => &fragile::Fragile(&claude::Claude),
        Kind::Shell => &fragile::Fragile(&shell::Shell),
        Kind::Script => &fragile::Fragile(&script::Script),
    };
    #[cfg(not(feature = "failpoints"))]
    match kind {
        Kind::Claude => &claude::Claude,
        Kind::Shell => &shell::Shell,
        Kind::Script => &script::Script,
    }
}
