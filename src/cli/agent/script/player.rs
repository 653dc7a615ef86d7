//! Plays turns: one prompt in, one turn of the scenario out.
//!
//! Never buffers a line beyond its step: what was said before a crash is on stdout.

use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::inbox::{Inbox, Woken};
use super::shelf::Shelf;
use crate::domain::{Outcome, PermissionMode, TaskId};
use crate::drivers::script::ready;
use crate::drivers::script::step::{Crash, Step};
use crate::drivers::script::wire::{Line, encode};
use crate::drivers::text;
use crate::process::own::{Kin, die_by, leave_behind};

/// Most JSON bytes of one text: its line stays below the codec's bound.
const MAX_TEXT: usize = 512 * 1024;
/// A flood looks for an interrupt after so many lines.
const FLOOD_LOOK: u64 = 1_024;
/// How long a process that a `fork` step leaves behind lives, in seconds.
const LINGER: u32 = 600;

/// Why the player ended.
#[derive(Debug)]
pub(super) enum Halt {
    /// The other side closed stdin or stdout.
    Closed,
    /// A `crash` step with an exit code.
    Exit(u8),
    /// A stream or a call broke.
    Broken(io::Error),
}

/// Why a turn ended before its last step.
enum Stop {
    Interrupted,
    Failed(String),
    Halt(Halt),
}

/// The player and its streams.
pub(super) struct Player<W: Write> {
    out: BufWriter<W>,
    inbox: Arc<Inbox>,
    shelf: Shelf,
    /// The mode that it was started with.
    mode: PermissionMode,
    played: u32,
    calls: u32,
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Halt(Halt::from(error))
    }
}

impl From<io::Error> for Halt {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::Closed
        } else {
            Self::Broken(error)
        }
    }
}

impl<W: Write> Player<W> {
    pub(super) fn new(out: W, inbox: Arc<Inbox>, shelf: Shelf, mode: PermissionMode) -> Self {
        Self {
            out: BufWriter::with_capacity(64 * 1024, out),
            inbox,
            shelf,
            mode,
            played: 0,
            calls: 0,
        }
    }

    /// Goes on behind what an earlier process played. A scenario that is no longer there leaves
    /// the player at the first turn of its own.
    pub(super) fn resume(&mut self, at: Option<&str>, turns_done: u32) {
        match at.map(|name| self.shelf.go_to(name)) {
            None | Some(Ok(_)) => self.played = turns_done,
            Some(Err(_)) => self.played = 0,
        }
    }

    /// Plays until the other side closes.
    pub(super) fn play(mut self) -> Halt {
        match self.turns() {
            Ok(()) => Halt::Closed,
            Err(halt) => halt,
        }
    }

    fn turns(&mut self) -> Result<(), Halt> {
        self.tell(&Line::Ready {
            home: self.shelf.home.clone(),
            scenario: self.shelf.name.clone(),
            played: self.played,
        })?;
        while let Some((task, message)) = self.inbox.prompt() {
            for problem in self.inbox.refused() {
                let message = format!("a line on stdin was not understood: {problem}");
                self.tell(&Line::Error { message })?;
            }
            let (outcome, reason) = match self.turn(task, &message) {
                Ok(()) => (Outcome::Completed, None),
                Err(Stop::Interrupted) => (Outcome::Stopped, Some("interrupted".to_owned())),
                Err(Stop::Failed(reason)) => (Outcome::Failed, Some(reason)),
                Err(Stop::Halt(halt)) => return Err(halt),
            };
            self.tell(&Line::TurnEnded {
                task,
                outcome,
                reason,
            })?;
        }
        Ok(())
    }

    fn turn(&mut self, task: TaskId, message: &str) -> Result<(), Stop> {
        let wanted = message.trim().strip_prefix("/scenario");
        let wanted = wanted.filter(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace));
        let moved = wanted.map(|name| self.shelf.go_to(name.trim()));
        if let Some(Ok(true)) = moved {
            self.played = 0;
        }
        let before = self.played;
        if !matches!(moved, Some(Err(_))) {
            self.played = before.saturating_add(1);
        }
        self.tell(&Line::TurnStarted {
            task,
            scenario: self.shelf.name.clone(),
            played: self.played,
        })?;
        if let Some(Err(error)) = moved {
            let ready = ready::list();
            self.say(&format!("{error}.\n\nReady scenarios: {ready}"))?;
            return Err(Stop::Failed("unknown_scenario".to_owned()));
        }
        self.calls = 0;
        let message = if wanted.is_some() { "" } else { message };
        let steps = self.shelf.scenario.turn(before).to_vec();
        let mut steps = steps.iter().peekable();
        while let Some(step) = steps.next() {
            if let Some(refused) = self.step(task, step, message)? {
                // The tool that was asked about does not run.
                steps.next_if(|next| matches!(next, Step::Tool { name, .. } if *name == refused));
            }
            // A hang begins with what was said before it.
            let hangs = matches!(steps.peek(), Some(Step::Hang));
            if !hangs && self.inbox.pause(Duration::ZERO) == Woken::Interrupt {
                return Err(Stop::Interrupted);
            }
        }
        Ok(())
    }

    /// Plays one step; gives the name of a tool that was refused.
    fn step(&mut self, task: TaskId, step: &Step, message: &str) -> Result<Option<String>, Stop> {
        match step {
            Step::Say(words) => self.say(&words.replace("{{message}}", message))?,
            Step::Think(words) => {
                let text = text::head(words, MAX_TEXT);
                self.tell(&Line::Think { text })?;
            }
            Step::Stream {
                thought,
                text: words,
                chunks,
                ms,
            } => {
                let words = match thought {
                    true => words.clone(),
                    false => words.replace("{{message}}", message),
                };
                self.stream(&text::head(&words, MAX_TEXT), *thought, (*chunks, *ms))?;
            }
            Step::Tool {
                name,
                args,
                result,
                ms,
            } => {
                let id = self.call(task, name, args)?;
                self.wait(*ms)?;
                self.tool_ended(id, name, result, *ms)?;
            }
            Step::Ask { tool, args } => return self.ask(task, tool, args),
            Step::Sleep(ms) => self.wait(*ms)?,
            Step::Flood { lines, bytes } => self.flood(*lines, *bytes)?,
            Step::Usage(usage) => self.tell(&Line::Usage {
                usage: usage.clone(),
            })?,
            Step::Fail(reason) => return Err(Stop::Failed(reason.clone())),
            Step::Crash(Crash::Exit(code)) => return Err(Stop::Halt(Halt::Exit(*code))),
            Step::Crash(Crash::Signal(number)) => die_by(*number)?,
            Step::Hang => loop {
                std::thread::park();
            },
            Step::Fork { setsid } => {
                let kin = if *setsid { Kin::OwnSession } else { Kin::Same };
                let id = self.call(task, "fork", &json!({ "setsid": setsid }))?;
                let result = json!({ "pid": leave_behind(LINGER, kin)? });
                self.tool_ended(id, "fork", &result, 0)?;
            }
        }
        Ok(None)
    }

    fn say(&mut self, words: &str) -> io::Result<()> {
        let text = text::head(words, MAX_TEXT);
        self.tell(&Line::Say { text })
    }

    /// Says words piece by piece, and then the whole; an interrupt ends the message where it is.
    fn stream(&mut self, words: &str, thought: bool, pace: (u64, u64)) -> Result<(), Stop> {
        let (chunks, ms) = pace;
        let count = words.chars().count();
        let chunks = usize::try_from(chunks).unwrap_or(usize::MAX).max(1);
        let size = count.div_ceil(chunks).max(1);
        let mut said = String::with_capacity(words.len());
        let mut letters = words.chars().peekable();
        let mut stopped = Ok(());
        while letters.peek().is_some() && stopped.is_ok() {
            let text: String = letters.by_ref().take(size).collect();
            said.push_str(&text);
            self.tell(&Line::Piece { thought, text })?;
            stopped = self.wait(ms);
        }
        if let Err(Stop::Halt(_)) = stopped {
            return stopped;
        }
        self.tell(&match thought {
            true => Line::Think { text: said },
            false => Line::Say { text: said },
        })?;
        stopped
    }

    fn wait(&self, ms: u64) -> Result<(), Stop> {
        match self.inbox.pause(Duration::from_millis(ms)) {
            Woken::Time => Ok(()),
            Woken::Interrupt => Err(Stop::Interrupted),
            // A turn without a pause runs out, so that a prompt piped in by hand is answered.
            Woken::Closed if ms == 0 => Ok(()),
            Woken::Closed => Err(Stop::Halt(Halt::Closed)),
        }
    }

    fn ask(&mut self, task: TaskId, tool: &str, args: &Value) -> Result<Option<String>, Stop> {
        let approved = match self.inbox.mode().unwrap_or(self.mode) {
            PermissionMode::BypassPermissions => true,
            PermissionMode::DontAsk | PermissionMode::Plan => false,
            PermissionMode::Default | PermissionMode::AcceptEdits => {
                self.ask_a_person(task, tool, args)?
            }
        };
        if approved {
            return Ok(None);
        }
        let id = self.call(task, tool, args)?;
        self.tell(&Line::ToolResult {
            id,
            name: tool.to_owned(),
            result: json!("denied: the tool did not run"),
            ms: 0,
            denied: true,
        })?;
        Ok(Some(tool.to_owned()))
    }

    fn ask_a_person(&mut self, task: TaskId, tool: &str, args: &Value) -> Result<bool, Stop> {
        let id = self.next_id(task, "ask");
        self.tell(&Line::Ask {
            id: id.clone(),
            tool: tool.to_owned(),
            args: args.clone(),
        })?;
        match self.inbox.answer(&id) {
            Ok(approved) => Ok(approved),
            Err(Woken::Interrupt) => {
                self.tell(&Line::Withdrawn { id })?;
                Err(Stop::Interrupted)
            }
            Err(Woken::Closed | Woken::Time) => Err(Stop::Halt(Halt::Closed)),
        }
    }

    fn call(&mut self, task: TaskId, name: &str, args: &Value) -> io::Result<String> {
        let id = self.next_id(task, "tool");
        self.tell(&Line::Tool {
            id: id.clone(),
            name: name.to_owned(),
            args: args.clone(),
        })?;
        Ok(id)
    }

    fn tool_ended(&mut self, id: String, name: &str, result: &Value, ms: u64) -> io::Result<()> {
        self.tell(&Line::ToolResult {
            id,
            name: name.to_owned(),
            result: result.clone(),
            ms,
            denied: false,
        })
    }

    fn flood(&mut self, lines: u64, bytes: u64) -> Result<(), Stop> {
        let width = usize::try_from(bytes).unwrap_or(usize::MAX);
        for line in 1..=lines {
            let text = format!("{:.<width$}", format!("line {line} of {lines} "));
            self.out.write_all(&encode(&Line::Flood {
                line,
                of: lines,
                text,
            }))?;
            if line.is_multiple_of(FLOOD_LOOK) {
                match self.inbox.pause(Duration::ZERO) {
                    Woken::Interrupt => return Err(Stop::Interrupted),
                    Woken::Time | Woken::Closed => {}
                }
            }
        }
        self.out.flush()?;
        Ok(())
    }

    fn tell(&mut self, line: &Line) -> io::Result<()> {
        self.out.write_all(&encode(line))?;
        self.out.flush()
    }

    fn next_id(&mut self, task: TaskId, what: &str) -> String {
        self.calls = self.calls.saturating_add(1);
        format!("{task}:{what}{}", self.calls)
    }
}
