//! What came in on stdin and was not looked at yet, between the reading and the playing thread.
//!
//! Never unbounded: a reader that is too far ahead stops reading.

use std::collections::VecDeque;
use std::io::{BufRead, Read};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::domain::{PermissionMode, TaskId};
use crate::drivers::script::wire::Order;

/// Most prompts and answers that wait; the server sends one at a time.
const MAX_WAITING: usize = 128;
/// Longest line: a prompt of 1 MiB, each byte of it escaped as six.
const MAX_LINE: u64 = 7 * 1024 * 1024;

/// The shared box.
#[derive(Default)]
pub(super) struct Inbox {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    prompts: VecDeque<Prompt>,
    answers: VecDeque<(String, bool)>,
    refused: VecDeque<String>,
    /// The mode that was ordered last.
    mode: Option<PermissionMode>,
    interrupted: bool,
    closed: bool,
}

/// A prompt that was not taken yet.
struct Prompt {
    task: TaskId,
    text: String,
    /// Set when its interrupt overtook it.
    interrupted: bool,
}

/// Why a wait ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Woken {
    /// The time is over.
    Time,
    /// An interrupt came.
    Interrupt,
    /// stdin is closed.
    Closed,
}

impl Inbox {
    /// Reads lines until the end of the stream; a broken stream is an end.
    pub(super) fn fill(&self, mut input: impl BufRead) {
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = input.by_ref().take(MAX_LINE).read_until(b'\n', &mut line);
            match read {
                Ok(0) | Err(_) => break,
                Ok(_) => self.put(&line),
            }
        }
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn put(&self, line: &[u8]) {
        if line.trim_ascii().is_empty() {
            return;
        }
        let order = serde_json::from_slice::<Order>(line);
        let full = |state: &mut State| {
            state
                .prompts
                .len()
                .max(state.answers.len())
                .max(state.refused.len())
                >= MAX_WAITING
        };
        let mut state = self
            .changed
            .wait_while(self.lock(), full)
            .unwrap_or_else(PoisonError::into_inner);
        match order {
            Ok(Order::Prompt { task, text }) => state.prompts.push_back(Prompt {
                task,
                text,
                interrupted: false,
            }),
            Ok(Order::Answer {
                request, approved, ..
            }) => state.answers.push_back((request, approved)),
            Ok(Order::Mode { mode }) => state.mode = Some(mode),
            Ok(Order::Interrupt) => match state.prompts.back_mut() {
                Some(prompt) => prompt.interrupted = true,
                None => state.interrupted = true,
            },
            Err(error) => state.refused.push_back(error.to_string()),
        }
        drop(state);
        self.changed.notify_all();
    }

    /// The next prompt; `None` when stdin is closed and every prompt was taken. An interrupt
    /// between turns is for nobody and is forgotten; so are answers.
    pub(super) fn prompt(&self) -> Option<(TaskId, String)> {
        let idle = |state: &mut State| state.prompts.is_empty() && !state.closed;
        let mut state = self
            .changed
            .wait_while(self.lock(), idle)
            .unwrap_or_else(PoisonError::into_inner);
        state.answers.clear();
        let next = state.prompts.pop_front();
        state.interrupted = next.as_ref().is_some_and(|prompt| prompt.interrupted);
        drop(state);
        self.changed.notify_all();
        next.map(|prompt| (prompt.task, prompt.text))
    }

    /// Waits so long, or until an interrupt or the end of stdin.
    pub(super) fn pause(&self, time: Duration) -> Woken {
        let quiet = |state: &mut State| !state.interrupted && !state.closed;
        let (mut state, _) = self
            .changed
            .wait_timeout_while(self.lock(), time, quiet)
            .unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut state.interrupted) {
            Woken::Interrupt
        } else if state.closed {
            Woken::Closed
        } else {
            Woken::Time
        }
    }

    /// Waits for the answer to this question; answers to others are dropped.
    pub(super) fn answer(&self, request: &str) -> Result<bool, Woken> {
        let open = |state: &mut State| {
            state.answers.retain(|(to, _)| to == request);
            state.answers.is_empty() && !state.interrupted && !state.closed
        };
        let mut state = self
            .changed
            .wait_while(self.lock(), open)
            .unwrap_or_else(PoisonError::into_inner);
        if let Some((_, approved)) = state.answers.pop_front() {
            Ok(approved)
        } else if std::mem::take(&mut state.interrupted) {
            Err(Woken::Interrupt)
        } else {
            Err(Woken::Closed)
        }
    }

    /// The mode that was ordered last, if any was.
    pub(super) fn mode(&self) -> Option<PermissionMode> {
        self.lock().mode
    }

    /// Lines that were no order, as sentences.
    pub(super) fn refused(&self) -> Vec<String> {
        self.lock().refused.drain(..).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Poison means that the other thread panicked between two whole steps: the data are good.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
