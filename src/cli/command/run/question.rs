//! The agent's questions during `run`: asked at the terminal, or named for another one.
//!
//! Never answers by itself.

use std::collections::VecDeque;
use std::sync::mpsc::Receiver;

use serde_json::Value;

use super::super::super::client::Client;
use super::super::super::failure::{Exit, Failure};
use super::super::super::find::tail;
use super::super::super::view::View;
use super::super::super::{plain, render, terminal};
use super::super::answer::{Verdict, answer};

/// The open questions of one turn.
#[derive(Debug)]
pub struct Questions {
    open: VecDeque<Question>,
    /// Whether a person is at the terminal.
    person: bool,
    /// What they type; started with the first question.
    typed: Option<Receiver<String>>,
}

#[derive(Debug)]
struct Question {
    id: String,
    words: String,
}

impl Questions {
    /// Questions for people, or for nobody here.
    pub fn new(for_people: bool) -> Self {
        Self {
            open: VecDeque::new(),
            person: for_people && terminal::person(),
            typed: None,
        }
    }

    /// Whether one is open that can be answered here.
    pub fn open(&self) -> bool {
        self.person && !self.open.is_empty()
    }

    /// A question was asked.
    pub fn ask(&mut self, data: &Value, view: &mut View) {
        let Some(id) = render::field(data, &["requestId"]) else {
            return;
        };
        if render::field(data, &["decidedBy"]).is_some() {
            // A remembered answer is on its way.
            return;
        }
        let tool = render::tool(data);
        let asked = render::field(data, &["summary", "question"]).unwrap_or_default();
        let args = render::arguments(data);
        let words = if args.is_empty() { asked } else { args };
        let question = Question {
            id,
            words: format!("{tool}: {words}"),
        };
        if self.person {
            view.quiet();
            if self.open.is_empty() {
                prompt(&question);
            }
        } else if view.for_people() {
            let id = tail(&question.id);
            view.note(&format!(
                "  ? {}\n    answer with `callboard approve {id}` or `callboard approve {id} --deny`",
                question.words
            ));
        }
        self.open.push_back(question);
    }

    /// A question was answered, here or elsewhere.
    pub fn resolved(&mut self, data: &Value, view: &mut View) {
        let Some(id) = render::field(data, &["requestId"]) else {
            return;
        };
        let was_first = self.open.front().is_some_and(|first| first.id == id);
        let before = self.open.len();
        self.open.retain(|question| question.id != id);
        if self.open.len() == before {
            return;
        }
        if view.for_people() {
            let status = render::field(data, &["status", "state"]).unwrap_or_default();
            view.note(&format!("  ? {status}"));
        }
        if was_first {
            self.go_on(view);
        }
    }

    /// Asks what is open next; the status line comes back when nothing is.
    fn go_on(&self, view: &mut View) {
        match self.open.front() {
            Some(next) if self.person => prompt(next),
            Some(_) => {}
            None => view.wake(),
        }
    }

    /// Sends what the person typed, when it is an answer.
    pub fn answer(&mut self, client: &Client, view: &mut View) -> Result<(), Failure> {
        if !self.open() {
            return Ok(());
        }
        let typed = self.typed.get_or_insert_with(terminal::typed_lines);
        let Ok(line) = typed.try_recv() else {
            return Ok(());
        };
        let Some(first) = self.open.front() else {
            return Ok(());
        };
        let Some(verdict) = verdict(&line) else {
            prompt(first);
            return Ok(());
        };
        match answer(client, &first.id, verdict) {
            Ok(_) => {}
            Err(failure) if failure.exit == Exit::Refused => {
                view.note("  ? somebody else was first");
            }
            Err(failure) => return Err(failure),
        }
        self.open.pop_front();
        self.go_on(view);
        Ok(())
    }
}

fn prompt(question: &Question) {
    let words = plain::line(&question.words);
    terminal::show(&format!(
        "  ? {words}\n    [y]es, yes in this [s]ession, [a]lways yes, [n]o, or no with a reason: "
    ));
}

/// A yes for once, for the session or always, a no, or a no with words. An empty line is no answer: nothing runs by a slip.
fn verdict(line: &str) -> Option<Verdict> {
    let line = line.trim();
    let (approved, response, remember) = match line.to_ascii_lowercase().as_str() {
        "" => return None,
        "y" | "yes" => (true, None, None),
        "s" | "session" => (true, None, Some("session")),
        "a" | "always" => (true, None, Some("always")),
        "n" | "no" => (false, None, None),
        _ => (false, Some(line.to_owned()), None),
    };
    Some(Verdict {
        approved,
        response,
        remember: remember.map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_yes_only_when_it_says_so() {
        assert!(verdict(" Y ").unwrap().approved);
        assert!(!verdict("no").unwrap().approved);
        for (typed, held) in [("s", "session"), ("Always", "always")] {
            let yes = verdict(typed).unwrap();
            assert!(yes.approved);
            assert_eq!(yes.remember.as_deref(), Some(held));
        }
        let no = verdict("yes but not there").unwrap();
        assert!(!no.approved);
        assert_eq!(no.response.as_deref(), Some("yes but not there"));
        assert!(verdict("  ").is_none());
    }
}
