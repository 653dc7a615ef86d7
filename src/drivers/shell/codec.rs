//! The codec of the `shell` agent: terminal bytes to turns, prompts to typed lines.
//!
//! Never keeps a message's text: it is in the task's file before anything else happens with it.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::capture::Capture;
use super::osc::{Lexer, Mark, More, Token};
use super::run;
use crate::domain::{ApprovalKind, EventKind, Outcome, PermissionMode, TaskId};
use crate::drivers::{Codec, Command, LaunchContext, Output, Question, ids, risk, text};

/// JSON bytes of a command in its event; the task holds all of it.
const MAX_COMMAND: usize = 8 * 1024;
/// End of text: what Ctrl-C sends.
const INTERRUPT: &[u8] = b"\x03";

pub(super) struct ShellCodec {
    nonce: String,
    mode: PermissionMode,
    state: State,
}

/// Its JSON is the snapshot: at most 44 KiB of capture and 8 KiB of command.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct State {
    /// The first prompt was seen.
    ready: bool,
    /// In the rest of a long control string.
    skipping: bool,
    turn: Option<Turn>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Turn {
    task: TaskId,
    input_id: String,
    /// The beginning of the command, for its event.
    command: String,
    phase: Phase,
    /// Interrupts that were sent.
    interrupts: u32,
    /// How often the line was typed again.
    #[serde(default)]
    reminders: u32,
    capture: Capture,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Phase {
    /// A person is asked.
    Asking,
    /// The line is typed; the start mark has not come.
    Typed,
    /// Between the marks.
    Running,
}

impl ShellCodec {
    pub(super) fn new(context: &LaunchContext) -> Self {
        Self {
            nonce: context.nonce.clone(),
            mode: context.permission_mode,
            state: State::default(),
        }
    }

    pub(super) fn restore(context: &LaunchContext, snapshot: &str) -> Option<Self> {
        let state = serde_json::from_str(snapshot).ok()?;
        Some(Self {
            state,
            ..Self::new(context)
        })
    }

    fn take(&mut self, input: &[u8], more: More, out: &mut Vec<Output>) -> usize {
        let mut rest = input;
        loop {
            let mut lexer = Lexer {
                nonce: &self.nonce,
                skipping: &mut self.state.skipping,
            };
            let Some((token, taken)) = lexer.next(rest, more) else {
                break;
            };
            rest = rest.get(taken..).unwrap_or_default();
            if let Token::Mark(mark) = token {
                self.mark(mark, out);
            } else {
                self.shown(&token);
            }
        }
        input.len().saturating_sub(rest.len())
    }

    fn shown(&mut self, token: &Token<'_>) {
        let Some(turn) = &mut self.state.turn else {
            return;
        };
        if turn.phase != Phase::Running {
            return;
        }
        match token {
            Token::Text(text) => turn.capture.text(text),
            Token::Newline => turn.capture.newline(),
            Token::Return => turn.capture.carriage_return(),
            Token::Back => turn.capture.back(),
            Token::Erase => turn.capture.erase(),
            Token::Mark(_) | Token::Nothing => {}
        }
    }

    fn mark(&mut self, mark: Mark, out: &mut Vec<Output>) {
        match mark {
            Mark::Prompt => self.at_prompt(out),
            Mark::Start(task) => self.started(task, out),
            Mark::End { task, code, parsed } => {
                if let Some(turn) = self.state.turn.take_if(|turn| turn.task == task) {
                    let (outcome, reason) = judge(&turn, code, parsed);
                    let text = turn.capture.summary();
                    out.push(run::result(task, &turn.capture, Some(code)));
                    out.push(Output::TurnEnded {
                        task,
                        outcome,
                        reason,
                        text: (!text.is_empty()).then_some(text),
                        usage: None,
                        limited: None,
                    });
                }
            }
        }
    }

    fn at_prompt(&mut self, out: &mut Vec<Output>) {
        if !std::mem::replace(&mut self.state.ready, true) {
            out.push(Output::Ready);
        }
        // An interrupt that comes before bash has read the typed line throws it away.
        let lost = |turn: &mut Turn| turn.phase == Phase::Typed && turn.interrupts > 0;
        if let Some(turn) = self.state.turn.take_if(lost) {
            out.push(ended(turn.task, Outcome::Stopped, "interrupted"));
        }
    }

    fn started(&mut self, task: TaskId, out: &mut Vec<Output>) {
        // Absent when the snapshot is older than the command that led here.
        let mut turn = match self.state.turn.take() {
            Some(turn) if turn.task == task => turn,
            _ => Turn::new(task, String::new(), String::new()),
        };
        turn.phase = Phase::Running;
        turn.capture = Capture::default();
        out.push(Output::TurnStarted { task });
        let args = json!({ "command": turn.command });
        out.push(Output::Event {
            kind: EventKind::ToolCall,
            data: run::call(task, "start", "args", args),
        });
        self.state.turn = Some(turn);
    }

    fn prompt(&mut self, task: TaskId, input_id: &str, words: &str, out: &mut Vec<Output>) {
        let blank = words.trim().is_empty();
        let refusal = if words.contains('\0') {
            // bash cannot hold it, and would run the part before it.
            Some("nul_byte")
        } else {
            match self.mode {
                PermissionMode::Plan => Some("plan_mode"),
                PermissionMode::DontAsk if !blank => Some("denied"),
                PermissionMode::DontAsk
                | PermissionMode::Default
                | PermissionMode::AcceptEdits
                | PermissionMode::BypassPermissions => None,
            }
        };
        if let Some(reason) = refusal {
            out.push(ended(task, Outcome::Failed, reason));
            return;
        }
        let mut turn = Turn::new(task, input_id.to_owned(), text::head(words, MAX_COMMAND));
        out.push(Output::File {
            name: file_name(task),
            bytes: unit(words),
        });
        if blank || self.mode == PermissionMode::BypassPermissions {
            turn.phase = Phase::Typed;
            out.push(turn.typed());
        } else {
            out.push(Output::Ask(question(task, words)));
        }
        self.state.turn = Some(turn);
    }

    fn answer(&mut self, request: &str, approved: bool, out: &mut Vec<Output>) {
        let asked = |turn: &Turn| turn.phase == Phase::Asking && request_of(turn.task) == request;
        let Some(turn) = self.state.turn.as_mut().filter(|turn| asked(turn)) else {
            return;
        };
        if approved {
            turn.phase = Phase::Typed;
            out.push(turn.typed());
        } else {
            out.push(ended(turn.task, Outcome::Stopped, "denied"));
            self.state.turn = None;
        }
    }

    /// What a person had started may have read the line. The shell waits at its prompt now, so
    /// nothing of it is on its way any more.
    fn remind(&mut self, out: &mut Vec<Output>) {
        let typed = |turn: &&mut Turn| turn.phase == Phase::Typed && turn.interrupts == 0;
        if let Some(turn) = self.state.turn.as_mut().filter(typed) {
            turn.reminders = turn.reminders.saturating_add(1);
            out.push(turn.typed());
        }
    }

    fn interrupt(&mut self, out: &mut Vec<Output>) {
        let Some(turn) = &mut self.state.turn else {
            return;
        };
        if turn.phase == Phase::Asking {
            out.push(Output::Withdrawn {
                request: request_of(turn.task),
            });
            out.push(ended(turn.task, Outcome::Stopped, "interrupted"));
            self.state.turn = None;
            return;
        }
        out.push(Output::Send {
            id: ids::interrupt_frame(Some(turn.task), turn.interrupts),
            bytes: INTERRUPT.to_vec(),
        });
        turn.interrupts = turn.interrupts.saturating_add(1);
    }
}

impl Codec for ShellCodec {
    fn decode(&mut self, input: &[u8], out: &mut Vec<Output>) -> usize {
        self.take(input, More::Maybe, out)
    }

    fn finish(&mut self, rest: &[u8], out: &mut Vec<Output>) {
        self.take(rest, More::Never, out);
        match &self.state.turn {
            Some(turn) if turn.phase == Phase::Running => {
                out.push(run::result(turn.task, &turn.capture, None))
            }
            Some(turn) if turn.phase == Phase::Asking => out.push(Output::Withdrawn {
                request: request_of(turn.task),
            }),
            Some(_) | None => {}
        }
    }

    fn command(&mut self, command: &Command, out: &mut Vec<Output>) {
        match command {
            Command::Prompt {
                task,
                input_id,
                text,
            } => self.prompt(*task, input_id, text, out),
            Command::Answer {
                request, approved, ..
            } => self.answer(request, *approved, out),
            Command::Interrupt => self.interrupt(out),
            Command::Remind => self.remind(out),
            // The snapshot does not hold it: it is that of the session, here and in a later codec.
            Command::SetMode(mode) => self.mode = *mode,
            // It has none, and nobody is told otherwise (`Driver::has_model`).
            Command::SetModel(_) => {}
        }
    }

    fn snapshot(&self) -> String {
        serde_json::to_string(&self.state).unwrap_or_default()
    }

    fn turn(&self) -> Option<TaskId> {
        self.state.turn.as_ref().map(|turn| turn.task)
    }
}

impl Turn {
    fn new(task: TaskId, input_id: String, command: String) -> Self {
        Self {
            task,
            input_id,
            command,
            phase: Phase::Asking,
            interrupts: 0,
            reminders: 0,
            capture: Capture::default(),
        }
    }

    /// The line that is typed: Ctrl-E and Ctrl-U kill what stands there, the space keeps it out of
    /// the history, the backslashes keep aliases and functions of the same names out.
    fn typed(&self) -> Output {
        Output::Send {
            id: match self.reminders {
                0 => self.input_id.clone(),
                n => format!("{}+{n}", self.input_id),
            },
            bytes: format!(
                "\x05\x15 \\__cb {};\\builtin eval \"$__cb_src\"\n",
                self.task
            )
            .into_bytes(),
        }
    }
}

/// The message as one unit of shell code. Two kinds of brackets make bash parse all of it before it
/// runs a part, also when the message closes one by mistake. The first word tells that it was
/// parsed, and gives `$?`; in `x && :` it fails without `set -e` or an ERR trap taking notice. The
/// blank line takes a backslash at the end.
fn unit(words: &str) -> Vec<u8> {
    let empty = words
        .lines()
        .map(str::trim_start)
        .all(|line| line.is_empty() || line.starts_with('#'));
    let first = if empty { "__cb_go; :" } else { "__cb_go && :" };
    format!("case . in .) {{ {first}\n{words}\n\n}}\nesac\n").into_bytes()
}

fn file_name(task: TaskId) -> String {
    format!("task-{task}.sh")
}

fn request_of(task: TaskId) -> String {
    format!("run-{task}")
}

fn question(task: TaskId, words: &str) -> Question {
    let mut lines = words.trim().lines();
    let first = lines.next().unwrap_or_default();
    let more = lines.count();
    let summary = text::head(first, 200);
    Question {
        request: request_of(task),
        kind: ApprovalKind::Permission,
        tool: "shell".to_owned(),
        args: json!({ "command": words }),
        summary: if more == 0 {
            summary
        } else {
            format!("{summary} (and {more} more lines)")
        },
        question: "May the shell run this command?".to_owned(),
        options: Vec::new(),
        risk: risk::of_command(words),
    }
}

/// How a turn ended by its exit code. 130 is 128 + SIGINT; programs that handle the interrupt end
/// with other codes, and a code of 0 means that it came too late.
fn judge(turn: &Turn, code: u8, parsed: bool) -> (Outcome, Option<String>) {
    match code {
        0 => (Outcome::Completed, None),
        _ if turn.interrupts > 0 => (Outcome::Stopped, Some("interrupted".to_owned())),
        2 if !parsed => (Outcome::Failed, Some("syntax_error".to_owned())),
        code => (Outcome::Failed, Some(format!("exit_{code}"))),
    }
}

fn ended(task: TaskId, outcome: Outcome, reason: &str) -> Output {
    Output::TurnEnded {
        task,
        outcome,
        reason: Some(reason.to_owned()),
        text: None,
        usage: None,
        limited: None,
    }
}
