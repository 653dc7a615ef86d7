//! The terminal side of an incarnation: what it prints goes out at once, what people type goes in.
//!
//! Never waits for a commit, and never writes down what was typed.

use crate::domain::{Error, Result};
use crate::drivers::Command;
use crate::process::terminal::Verdict;

use super::super::super::feed::Printed;
use super::super::super::session::PromptLost;
use super::super::outbox::Behind;
use super::{Life, Session_};

/// Hand-overs that are written again before the prompt counts as lost.
const REMINDERS: u32 = 3;

impl Life {
    /// Shows bytes to whoever sits at the terminal.
    pub(super) async fn show(&self, offset: u64, bytes: &[u8]) {
        if self.driver.has_terminal() {
            let printed = Printed {
                incarnation: self.incarnation,
                offset,
                bytes: bytes.to_vec(),
            };
            // Without a feed this actor is about to be replaced as well.
            let _shown = self.feed.send(printed).await;
        }
    }

    /// Types at the terminal.
    ///
    /// # Errors
    /// `no_terminal`, `no_process`.
    pub(in crate::runtime::agent) async fn type_in(&self, bytes: Vec<u8>) -> Result<()> {
        let writer = self.at_terminal()?;
        writer.input(&[], bytes).await.map_err(|_gone| no_process())
    }

    /// Gives the terminal a new size.
    ///
    /// # Errors
    /// `no_terminal`, `no_process`.
    pub(in crate::runtime::agent) async fn resize(&self, rows: u16, cols: u16) -> Result<()> {
        let writer = self.at_terminal()?;
        writer
            .resize(rows, cols)
            .await
            .map_err(|_gone| no_process())
    }

    /// Whether a prompt has to wait: a program that a person has started holds the terminal and
    /// would read it. An interrupt behind it is for that program, and the prompt is off.
    pub(super) fn waits_for_terminal(&mut self) -> bool {
        let Some(input) = &self.input else {
            return false;
        };
        let Some(behind) = self.outbox.due(input) else {
            return false;
        };
        let free = self.watch.as_ref().and_then(|watch| watch.holds_terminal());
        if free != Some(false) {
            return false;
        }
        match behind {
            Behind::Nothing => true,
            Behind::Another => {
                self.outbox.accepted(input.as_bytes());
                false
            }
        }
    }

    /// Whether the shell has lost the prompt of the running turn, or what handed one over to it.
    pub(super) async fn mind_prompt(mut self, session: Session_<'_>) -> Option<Self> {
        let turn = self.codec.turn().is_some();
        let Some(watch) = &mut self.watch else {
            return Some(self);
        };
        let on_its_way = self
            .input
            .as_ref()
            .is_some_and(|id| self.outbox.due(id).is_some());
        if !turn || on_its_way {
            watch.restart();
            return Some(self);
        }
        let lost = watch.sample().is_ok() && watch.verdict() == Verdict::Lost;
        if !lost {
            return Some(self);
        }
        let replaced = watch.replaced();
        watch.restart();
        if self.input.is_some() && !replaced && self.reminders < REMINDERS {
            let mut outputs = Vec::new();
            self.codec.command(&Command::Remind, &mut outputs);
            if outputs.is_empty() {
                // A person is asked, or has interrupted it.
                return Some(self);
            }
            self.reminders = self.reminders.saturating_add(1);
            return self.commit(outputs, None, session).await;
        }
        self.watch = None;
        let incarnation = self.incarnation;
        let _told = session.send(PromptLost { incarnation }).await;
        Some(self)
    }

    fn at_terminal(&self) -> Result<&crate::keeper::Writer> {
        if !self.driver.has_terminal() {
            return Err(Error::conflict("no_terminal", "this agent has no terminal"));
        }
        self.writer.as_ref().ok_or_else(no_process)
    }
}

/// There is nobody to type to.
pub(in crate::runtime::agent) fn no_process() -> Error {
    Error::conflict("no_process", "the agent has no process at the moment")
}
