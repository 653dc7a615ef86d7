//! The agent's questions during `run`: asked at the terminal, or named for another one.
//!
//! Never answers by itself.

use std::collections::VecDeque;

use serde_json::Value;

use super::super::super::client::Client;
use super::super::super::failure::{Exit, Failure};
use super::super::super::terminal::Typed;
use super::super::super::view::View;
use super::super::super::{render, terminal};
use super::super::answer::{answer, held};
use super::super::asked::Asked;

/// The open questions of one turn.
#[derive(Debug)]
pub struct Questions {
    open: VecDeque<Asked>,
    /// Whether a person is at the terminal.
    person: bool,
    /// What they type.
    typed: Typed,
}

impl Questions {
    /// Questions for people, or for nobody here.
    pub fn new(for_people: bool) -> Self {
        Self {
            open: VecDeque::new(),
            person: for_people && terminal::person(),
            typed: Typed::default(),
        }
    }

    /// Whether one is open that can be answered here.
    pub fn open(&self) -> bool {
        self.person && !self.open.is_empty()
    }

    /// A question was asked.
    pub fn ask(&mut self, data: &Value, view: &mut View) {
        if render::field(data, &["decidedBy"]).is_some() {
            // A remembered answer is on its way.
            return;
        }
        let Some(question) = Asked::of(data) else {
            return;
        };
        let first = self.open.is_empty();
        if !self.person && view.for_people() {
            view.note(&question.elsewhere());
        }
        self.open.push_back(question);
        if self.person && first {
            self.prompt(view);
        }
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
        if was_first {
            view.unasked();
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
    fn go_on(&mut self, view: &mut View) {
        if self.open.is_empty() {
            view.wake();
        } else if self.person {
            self.prompt(view);
        }
    }

    /// Asks the first one; what was typed before is no answer to it.
    fn prompt(&mut self, view: &mut View) {
        let Some(first) = self.open.front() else {
            return;
        };
        self.typed.forget();
        view.prompt(&first.prompt());
    }

    /// Sends what the person typed, when it is an answer.
    pub fn answer(&mut self, client: &Client, view: &mut View) -> Result<(), Failure> {
        if !self.open() {
            return Ok(());
        }
        let Some(line) = self.typed.line() else {
            return Ok(());
        };
        view.typed();
        let Some(first) = self.open.front_mut() else {
            return Ok(());
        };
        let Some(verdict) = first.hear(&line) else {
            self.prompt(view);
            return Ok(());
        };
        match answer(client, &first.id, &verdict) {
            Ok(reply) => {
                if let Some(words) = held(&reply) {
                    view.note(&format!("  ? {words}"));
                }
            }
            Err(failure) => match Then::after(&failure) {
                Then::GoOn => view.note(&format!("  ? {}", failure.what)),
                Then::AskAgain => {
                    first.again();
                    let mend = failure.mend.map(|mend| format!("\n    {mend}"));
                    let mend = mend.unwrap_or_default();
                    view.note(&format!("  ! {}{mend}", failure.what));
                    self.prompt(view);
                    return Ok(());
                }
                Then::End => return Err(failure),
            },
        }
        self.open.pop_front();
        self.go_on(view);
        Ok(())
    }
}

/// What follows on an answer that was not taken.
#[derive(Debug, PartialEq, Eq)]
enum Then {
    /// Nobody waits for it any more.
    GoOn,
    /// The question stands: another answer may be taken.
    AskAgain,
    /// No answer will be.
    End,
}

impl Then {
    fn after(failure: &Failure) -> Self {
        if failure.code.as_deref() == Some("already_resolved") {
            return Self::GoOn;
        }
        match failure.exit {
            Exit::NotFound => Self::GoOn,
            Exit::SignedOut | Exit::Interrupted | Exit::BrokenPipe => Self::End,
            Exit::Completed
            | Exit::Failed
            | Exit::Usage
            | Exit::Unreachable
            | Exit::Stopped
            | Exit::Uncertain
            | Exit::TimedOut
            | Exit::Refused => Self::AskAgain,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::super::testing::{Answer, Fake};
    use super::super::super::super::view::Form;
    use super::*;

    /// One open question and these lines typed at it; what was sent, and whether it stands.
    fn typed(lines: &[&str], status: u16, code: &str) -> (Result<(), Failure>, Vec<String>, bool) {
        let said = json!({"error": "not so", "code": code}).to_string();
        let fake = Fake::start(move |_, _| Answer::Json(status, said.clone()));
        let client = Client::new(&fake.url, None).unwrap();
        let mut view = View::new(Form::Json);
        let (give, take) = std::sync::mpsc::channel();
        let mut questions = Questions {
            open: VecDeque::new(),
            person: true,
            typed: Typed::from(take),
        };
        give.send("y".to_owned()).unwrap();
        let data = json!({"requestId": "r", "kind": "permission", "remembers": "ls"});
        questions.ask(&data, &mut view);
        let mut done = Ok(());
        for line in lines {
            give.send((*line).to_owned()).unwrap();
            done = done.and(questions.answer(&client, &mut view));
        }
        let sent = fake.seen().into_iter().map(|got| got.body).collect();
        (done, sent, questions.open())
    }

    #[test]
    fn what_was_typed_before_a_question_is_no_answer_to_it() {
        let (done, sent, open) = typed(&[], 200, "");
        assert!(done.is_ok() && sent.is_empty() && open);
        let (_, sent, open) = typed(&["no", "y"], 200, "");
        assert_eq!(sent.len(), 1, "the second has no question: {sent:?}");
        assert!(sent.concat().contains(r#""approved":false"#) && !open);
    }

    #[test]
    fn an_answer_that_is_not_taken_does_not_end_the_run() {
        for (status, code) in [
            (400, "remember_unsupported"),
            (409, "too_many_overrides"),
            (503, "draining"),
            (500, "internal"),
        ] {
            let (done, sent, open) = typed(&["s", "y"], status, code);
            assert!(done.is_ok() && open, "{code}");
            assert_eq!(sent.len(), 2, "{code}: it was asked again");
        }
        for (status, code) in [(409, "already_resolved"), (404, "not_found")] {
            let (done, sent, open) = typed(&["s", "y"], status, code);
            assert!(done.is_ok() && !open, "{code}");
            assert_eq!(sent.len(), 1, "{code}: nobody waits for it");
        }
        let (done, _, _) = typed(&["y"], 401, "unauthorized");
        assert_eq!(done.unwrap_err().exit, Exit::SignedOut);
    }
}
