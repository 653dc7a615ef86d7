//! `secrets`: how the keys of a data directory stand, and what was done with them.
//!
//! Never a key or a value: only names and numbers.

use serde::Deserialize;
use serde_json::Value;

use std::collections::BTreeMap;

use super::super::args::{SecretsAction, SecretsArgs};
use super::super::failure::{Exit, Failure};
use super::super::{out, terminal};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    keys: Vec<Key>,
    missing: BTreeMap<String, u64>,
    broken: u64,
    damaged: Vec<String>,
    made_anew: Vec<String>,
    made: Option<String>,
    rewrapped: u64,
    given_up: u64,
    removed: Vec<String>,
    signing: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Key {
    id: String,
    active: bool,
    file: String,
    values: u64,
}

/// Asks before values are removed for good; without anybody to ask, `--yes` has to say so.
///
/// # Errors
/// `Usage` without a yes.
pub fn agreed(args: &SecretsArgs) -> Result<(), Failure> {
    let SecretsAction::GiveUp(how) = args.action else {
        return Ok(());
    };
    if how.yes {
        return Ok(());
    }
    let question = "Remove for good every value that no key at hand opens? [y/N] ";
    let said = match terminal::person() {
        true => Some(terminal::ask(question)?),
        false => None,
    };
    consent(said.as_deref())
}

fn consent(said: Option<&str>) -> Result<(), Failure> {
    let word = said.map(|word| word.trim().to_ascii_lowercase());
    if word.is_some_and(|word| word == "y" || word == "yes") {
        return Ok(());
    }
    let what = "nothing is removed: this cannot be undone, and nobody agreed";
    let mend = "`callboard secrets status` counts what no key opens; `give-up --yes` removes it";
    Err(Failure::new(Exit::Usage, what).mend(mend))
}

/// Prints a report. Values that cannot be opened are a failure.
pub fn told(args: &SecretsArgs, report: &Value) -> Result<Exit, Failure> {
    let read = Report::deserialize(report).map_err(|error| {
        Failure::new(Exit::Failed, "the report cannot be read").because(error.to_string())
    })?;
    if args.json() {
        out::json(report)?;
    } else {
        for line in lines(&read) {
            out::line(&line)?;
        }
    }
    let lost = !read.missing.is_empty() || read.broken > 0;
    Ok(if lost { Exit::Failed } else { Exit::Completed })
}

fn lines(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(made) = &report.made {
        lines.push(format!("made the key {made}"));
    }
    if report.rewrapped > 0 {
        lines.push(format!("{} values have another key now", report.rewrapped));
    }
    if report.given_up > 0 {
        lines.push(format!(
            "{} values were removed: nothing opened them",
            report.given_up
        ));
    }
    let removed = report.removed.iter();
    lines.extend(removed.map(|id| format!("removed the key {id}: nothing needs it")));
    for key in &report.keys {
        let role = match (key.active, key.values) {
            (true, _) => "seals",
            (false, 0) => "not needed any more",
            (false, _) => "opens",
        };
        lines.push(format!(
            "{}  {role}, {} values  {}",
            key.id, key.values, key.file
        ));
    }
    for (place, kid) in report.signing.iter().enumerate() {
        let role = match place {
            0 => "signs tokens",
            _ => "signed tokens that may still be good",
        };
        lines.push(format!("{kid}  {role}"));
    }
    for file in &report.made_anew {
        let means = match file.as_str() {
            "jwt.key" => "everybody signs in again",
            _ => "`audit verify` names the place where the last one was lost",
        };
        lines.push(format!("{file} was not there and was made anew: {means}"));
    }
    for (id, count) in &report.missing {
        lines.push(format!(
            "{id}  is not at hand: {count} values cannot be opened"
        ));
    }
    if report.broken > 0 {
        lines.push(format!(
            "{} values are damaged: their keys do not open them",
            report.broken
        ));
    }
    let damaged = report.damaged.iter();
    lines.extend(damaged.map(|value| format!("damaged: {value}")));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_report_names_keys_and_numbers() {
        let report = json!({
            "active": "b2", "made": "b2", "rewrapped": 3, "removed": ["a1"], "broken": 1, "givenUp": 4,
            "damaged": ["sessions.env of f6"], "madeAnew": ["jwt.key"],
            "keys": [{"id": "b2", "active": true, "file": "/d/keys/master-b2.key", "values": 3}],
            "missing": {"c3": 2}, "signing": ["d4", "e5"]
        });
        let lines = lines(&Report::deserialize(&report).unwrap());
        assert_eq!(
            lines,
            [
                "made the key b2",
                "3 values have another key now",
                "4 values were removed: nothing opened them",
                "removed the key a1: nothing needs it",
                "b2  seals, 3 values  /d/keys/master-b2.key",
                "d4  signs tokens",
                "e5  signed tokens that may still be good",
                "jwt.key was not there and was made anew: everybody signs in again",
                "c3  is not at hand: 2 values cannot be opened",
                "1 values are damaged: their keys do not open them",
                "damaged: sessions.env of f6",
            ]
        );
    }

    #[test]
    fn nothing_is_given_up_without_a_yes() {
        for no in [
            None,
            Some(""),
            Some("n"),
            Some("give-up"),
            Some("yesterday"),
        ] {
            assert_eq!(consent(no).unwrap_err().exit, Exit::Usage, "{no:?}");
        }
        for yes in ["y", "Yes", " yes "] {
            assert!(consent(Some(yes)).is_ok(), "{yes}");
        }
    }
}
