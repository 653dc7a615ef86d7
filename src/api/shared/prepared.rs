//! Answers that were given before, as ready-made bytes: shown again while no row has changed since.
//!
//! Never an answer to another person, and never one that an answered write is missing from.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use crate::domain::{Principal, Role, UserId};

/// Most bytes that one worker keeps.
const MOST: usize = 2 * 1024 * 1024;

/// Whose answer it is, and to what.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Question {
    user: UserId,
    role: Role,
    path: &'static str,
    query: String,
}

impl Question {
    /// The question of somebody at a route with this query string.
    #[must_use]
    pub fn new(who: &Principal, path: &'static str, query: &str) -> Self {
        Self {
            user: who.user,
            role: who.role,
            path,
            query: query.to_owned(),
        }
    }

    fn weight(&self, answer: &Answer) -> usize {
        self.query.len().saturating_add(answer.body.len())
    }
}

/// A list as it goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// How many there are in all.
    pub total: u64,
    /// The page.
    pub body: Bytes,
}

/// The answers of one worker, each with the version of the rows that it was read at.
#[derive(Debug, Default)]
pub struct Prepared(Mutex<Answers>);

#[derive(Debug, Default)]
struct Answers {
    known: HashMap<Question, (u64, Answer)>,
    bytes: usize,
}

impl Prepared {
    /// The answer, when it still holds.
    #[must_use]
    pub fn get(&self, question: &Question, version: u64) -> Option<Answer> {
        let answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, answer) = answers.known.get(question)?;
        (*at == version).then(|| answer.clone())
    }

    /// Keeps an answer that was read after `version` was taken.
    pub fn put(&self, question: Question, version: u64, answer: Answer) {
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let weight = question.weight(&answer);
        if answers.bytes.saturating_add(weight) > MOST {
            *answers = Answers::default();
        }
        if weight > MOST {
            return;
        }
        let size = question.query.len();
        let before = answers.known.insert(question, (version, answer));
        let freed = before.map_or(0, |(_, old)| size.saturating_add(old.body.len()));
        answers.bytes = answers.bytes.saturating_add(weight).saturating_sub(freed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(role: Role, query: &str) -> Question {
        Question {
            user: UserId(uuid::Uuid::nil()),
            role,
            path: "/x",
            query: query.into(),
        }
    }

    fn of(body: Bytes) -> Answer {
        Answer { total: 1, body }
    }

    #[test]
    fn an_answer_holds_for_its_question_and_version() {
        let prepared = Prepared::default();
        let question = asked(Role::Member, "a=1");
        prepared.put(question.clone(), 3, of(Bytes::from_static(b"x")));
        assert_eq!(prepared.get(&question, 3).unwrap().body, "x");
        assert_eq!(prepared.get(&question, 4), None);
        assert_eq!(prepared.get(&asked(Role::Admin, "a=1"), 3), None);
        assert_eq!(prepared.get(&asked(Role::Member, "a=2"), 3), None);
    }

    #[test]
    fn the_bytes_are_bounded() {
        let prepared = Prepared::default();
        let large = of(Bytes::from(vec![0; MOST / 4]));
        for number in 0..40_u8 {
            let question = asked(Role::Member, &number.to_string());
            prepared.put(question.clone(), 1, large.clone());
            prepared.put(question, 2, large.clone());
            let answers = prepared.0.lock().unwrap();
            let held: usize = answers.known.values().map(|(_, one)| one.body.len()).sum();
            assert!(held <= MOST && answers.bytes <= MOST, "{held}");
            assert!(answers.bytes >= held);
        }
        let huge = of(Bytes::from(vec![0; MOST + 1]));
        prepared.put(asked(Role::Member, "huge"), 1, huge);
        assert_eq!(prepared.get(&asked(Role::Member, "huge"), 1), None);
    }
}
