//! The ready scenarios, and where a scenario's name leads.
//!
//! Never opens a file: it names the places, the caller looks.

use std::path::{Path, PathBuf};

use super::scenario::ScenarioError;

/// The scenario of a session that names none.
pub const DEFAULT: &str = "hello";

/// Name and text of every ready scenario, in the order in which they are listed.
const READY: [(&str, &str); 10] = [
    (
        "hello",
        include_str!("../../../config/scenarios/hello.json"),
    ),
    (
        "tools",
        include_str!("../../../config/scenarios/tools.json"),
    ),
    ("ask", include_str!("../../../config/scenarios/ask.json")),
    (
        "flood",
        include_str!("../../../config/scenarios/flood.json"),
    ),
    (
        "crash",
        include_str!("../../../config/scenarios/crash.json"),
    ),
    ("fail", include_str!("../../../config/scenarios/fail.json")),
    ("hang", include_str!("../../../config/scenarios/hang.json")),
    ("long", include_str!("../../../config/scenarios/long.json")),
    (
        "words",
        include_str!("../../../config/scenarios/words.json"),
    ),
    ("demo", include_str!("../../../config/scenarios/demo.json")),
];

/// Where a scenario is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Built in: its text.
    Ready(&'static str),
    /// The first of these files that exists.
    Files(Vec<PathBuf>),
}

/// The names of the ready scenarios.
pub fn names() -> impl Iterator<Item = &'static str> {
    READY.iter().map(|(name, _)| *name)
}

/// The text of a ready scenario.
#[must_use]
pub fn text(name: &str) -> Option<&'static str> {
    READY
        .iter()
        .find(|(ready, _)| *ready == name)
        .map(|(_, text)| *text)
}

/// Where the scenario that a person calls `word` is: an absolute path is a file, a name is a ready
/// scenario or else `NAME.json` in one of the directories.
///
/// # Errors
/// When the word is neither an absolute path nor a name.
pub fn place(word: &str, directories: &[&Path]) -> Result<Place, ScenarioError> {
    if Path::new(word).is_absolute() {
        return Ok(Place::Files(vec![PathBuf::from(word)]));
    }
    if let Some(text) = text(word) {
        return Ok(Place::Ready(text));
    }
    if !is_name(word) {
        return Err(unknown(word));
    }
    let file = format!("{word}.json");
    Ok(Place::Files(
        directories.iter().map(|dir| dir.join(&file)).collect(),
    ))
}

/// The refusal for a word that leads to no scenario.
#[must_use]
pub fn unknown(word: &str) -> ScenarioError {
    ScenarioError {
        file: word.chars().take(200).collect(),
        turn: None,
        step: None,
        problem: "there is no such scenario".to_owned(),
        expected: format!("an absolute path or one of {}", list()),
    }
}

/// The names of the ready scenarios in one line.
#[must_use]
pub fn list() -> String {
    names().collect::<Vec<_>>().join(", ")
}

fn is_name(word: &str) -> bool {
    (1..=64).contains(&word.len())
        && !word.starts_with('.')
        && word
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drivers::script::scenario::Scenario;

    #[test]
    fn every_ready_scenario_is_valid_and_named_like_its_file() {
        for (name, text) in READY {
            let scenario = Scenario::parse(name, text).unwrap();
            assert_eq!(scenario.name.as_deref(), Some(name));
            assert!(scenario.description.is_some(), "{name}");
        }
    }

    #[test]
    fn a_name_leads_to_a_ready_one_or_into_the_directories() {
        let dirs = [Path::new("/a"), Path::new("/b")];
        assert!(matches!(place("hello", &dirs), Ok(Place::Ready(_))));
        assert_eq!(
            place("mine", &dirs).unwrap(),
            Place::Files(vec!["/a/mine.json".into(), "/b/mine.json".into()])
        );
        assert_eq!(
            place("/c/x.json", &dirs).unwrap(),
            Place::Files(vec!["/c/x.json".into()])
        );
        for word in ["", "../x", "a/b", ".hidden", &"x".repeat(65), "a b"] {
            let error = place(word, &dirs).unwrap_err().to_string();
            assert!(error.contains("hello, tools, ask"), "{error}");
        }
    }
}
