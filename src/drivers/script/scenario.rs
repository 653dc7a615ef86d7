//! Scenarios: what a `script` agent plays, read from JSON and checked before anything starts.
//!
//! Never opens a file: the caller brings the text, so that server and player share every rule.
//!
//! `{"turns": [[STEP, ...], ...]}` with optional `name` and `description`; a step is an object
//! with exactly one key (decisions.md 8). An error names file, turn and step, from 1.

use serde_json::{Map, Value};

use super::step::{self, Step};
use crate::domain::Error;

/// Most bytes of a scenario file.
pub const MAX_FILE_BYTES: usize = 1024 * 1024;
/// Most turns of a scenario.
pub const MAX_TURNS: usize = 1_000;
/// Most steps of a turn.
pub const MAX_STEPS: usize = 10_000;

/// What a `script` agent plays.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// Its name, when the file gives one.
    pub name: Option<String>,
    /// One sentence for people.
    pub description: Option<String>,
    /// At least one turn; each has at least one step.
    pub turns: Vec<Vec<Step>>,
}

/// What is wrong with a scenario, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}{}: {problem}; expected {expected}", self.place())]
pub struct ScenarioError {
    /// The file or ready name.
    pub file: String,
    /// The turn, from 1.
    pub turn: Option<usize>,
    /// The step in it, from 1.
    pub step: Option<usize>,
    /// What was found.
    pub problem: String,
    /// What would have been accepted.
    pub expected: String,
}

/// A problem before its place is known.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) found: String,
    pub(super) expected: String,
}

impl Scenario {
    /// Reads and checks a scenario. `file` is only for messages.
    ///
    /// # Errors
    /// The first rule that is broken, with its place.
    pub fn parse(file: &str, text: &str) -> Result<Self, ScenarioError> {
        let at = |turn, step, problem: Problem| ScenarioError {
            file: file.to_owned(),
            turn,
            step,
            problem: problem.found,
            expected: problem.expected,
        };
        let map = object(text).map_err(|problem| at(None, None, problem))?;
        let turns = list(map.get("turns"), "turns", MAX_TURNS).map_err(|p| at(None, None, p))?;
        let mut read = Vec::with_capacity(turns.len());
        for (turn, steps) in (1..).zip(turns) {
            let steps =
                list(Some(steps), "the turn", MAX_STEPS).map_err(|p| at(Some(turn), None, p))?;
            let mut all = Vec::with_capacity(steps.len());
            for (number, value) in (1..).zip(steps) {
                all.push(step::parse(value).map_err(|p| at(Some(turn), Some(number), p))?);
            }
            read.push(all);
        }
        Ok(Self {
            name: words(&map, "name").map_err(|p| at(None, None, p))?,
            description: words(&map, "description").map_err(|p| at(None, None, p))?,
            turns: read,
        })
    }

    /// The steps that are played after `played` turns: the next ones, and the last ones for ever.
    #[must_use]
    pub fn turn(&self, played: u32) -> &[Step] {
        let next = usize::try_from(played).unwrap_or(usize::MAX);
        self.turns
            .get(next)
            .or_else(|| self.turns.last())
            .map_or(&[], Vec::as_slice)
    }
}

impl ScenarioError {
    fn place(&self) -> String {
        match (self.turn, self.step) {
            (Some(turn), Some(step)) => format!(": turn {turn}, step {step}"),
            (Some(turn), None) => format!(": turn {turn}"),
            (None, _) => String::new(),
        }
    }
}

impl From<ScenarioError> for Error {
    fn from(error: ScenarioError) -> Self {
        let message = format!("{}{}: {}", error.file, error.place(), error.problem);
        Self::invalid("bad_scenario", "scenario", message, error.expected)
    }
}

impl Problem {
    pub(super) fn new(found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self {
            found: found.into(),
            expected: expected.into(),
        }
    }
}

fn object(text: &str) -> Result<Map<String, Value>, Problem> {
    const SHAPE: &str = "a JSON object {\"turns\": [[step, ...], ...]}";
    if text.len() > MAX_FILE_BYTES {
        return Err(Problem::new(
            format!("the file has {} bytes", text.len()),
            format!("at most {MAX_FILE_BYTES}"),
        ));
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(map)) => match map.keys().find(|key| !known(key)) {
            Some(key) => Err(Problem::new(
                format!("the key `{}` is not known", brief(key)),
                "turns, name or description",
            )),
            None => Ok(map),
        },
        Ok(other) => Err(Problem::new(format!("it is {}", kind_of(&other)), SHAPE)),
        Err(error) => Err(Problem::new(format!("it is not JSON ({error})"), SHAPE)),
    }
}

fn known(key: &str) -> bool {
    matches!(key, "turns" | "name" | "description" | "$schema")
}

fn list<'a>(value: Option<&'a Value>, what: &str, most: usize) -> Result<&'a [Value], Problem> {
    let expected = format!("a list with 1 to {most} entries");
    match value {
        Some(Value::Array(items)) if items.is_empty() => {
            Err(Problem::new(format!("{what} is empty"), expected))
        }
        Some(Value::Array(items)) if items.len() > most => Err(Problem::new(
            format!("{what} has {} entries", items.len()),
            expected,
        )),
        Some(Value::Array(items)) => Ok(items),
        Some(other) => Err(Problem::new(
            format!("{what} is {}", kind_of(other)),
            expected,
        )),
        None => Err(Problem::new(format!("{what} is missing"), expected)),
    }
}

fn words(map: &Map<String, Value>, key: &str) -> Result<Option<String>, Problem> {
    match map.get(key) {
        None => Ok(None),
        Some(Value::String(text)) if text.len() <= 1024 => Ok(Some(text.clone())),
        Some(other) => Err(Problem::new(
            format!("`{key}` is {}", kind_of(other)),
            "a string of at most 1024 bytes",
        )),
    }
}

/// A JSON value's type, for a sentence.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// A word of a file, short enough for a message.
pub(super) fn brief(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
#[path = "scenario_tests.rs"]
mod tests;
