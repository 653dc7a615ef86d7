//! What this machine gives to hold an agent's tree together, asked once, when the server starts.
//! Never guesses: the keeper's program tries each way in a process of its own.

use std::process::{Command, Stdio};

use super::binary::KeeperBinary;
use super::wire::spec::Isolation;

/// The ways that were tried, best first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Means {
    tried: Vec<(Isolation, Result<(), String>)>,
}

impl Means {
    /// Asks the keeper's program. Blocking, a few milliseconds.
    #[must_use]
    pub fn probe(binary: &KeeperBinary) -> Self {
        let asked = Command::new(binary.path())
            .arg("probe")
            .env_clear()
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output();
        match asked {
            Ok(answer) => Self::read(&String::from_utf8_lossy(&answer.stdout)),
            Err(error) => Self {
                tried: vec![(Isolation::Namespaces, Err(error.to_string()))],
            },
        }
    }

    /// Reads lines of a name and `ok`, or of a name and the reason.
    fn read(answer: &str) -> Self {
        let lines = answer.lines().filter_map(|line| line.split_once(' '));
        let tried = lines.filter_map(|(name, outcome)| {
            let outcome = match outcome {
                "ok" => Ok(()),
                reason => Err(reason.to_owned()),
            };
            Some((Isolation::parse(name)?, outcome))
        });
        Self {
            tried: tried.collect(),
        }
    }

    /// The best that works; the process group always does.
    #[must_use]
    pub fn best(&self) -> Isolation {
        let works = self.tried.iter().find(|(_, outcome)| outcome.is_ok());
        works.map_or(Isolation::Group, |(isolation, _)| *isolation)
    }

    /// Why nothing better than [`Self::best`] is in force; `None` when nothing is missing.
    #[must_use]
    pub fn missing(&self) -> Option<String> {
        if self.best() != Isolation::Group {
            return None;
        }
        let refused = self.tried.iter().filter_map(|(isolation, outcome)| {
            let reason = outcome.as_ref().err()?;
            Some(format!("{}: {reason}", isolation.name()))
        });
        let refused: Vec<String> = refused.collect();
        Some(if refused.is_empty() {
            "the keeper's program does not answer".to_owned()
        } else {
            refused.join("; ")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_that_works_is_taken() {
        let both = Means::read("namespaces ok\nuser_namespaces ok\n");
        assert_eq!(both.best(), Isolation::Namespaces);
        assert_eq!(both.missing(), None);
        let user = Means::read("namespaces a pid namespace: not permitted\nuser_namespaces ok\n");
        assert_eq!(user.best(), Isolation::UserNamespaces);
        assert_eq!(user.missing(), None);
    }

    #[test]
    fn what_is_missing_is_told() {
        let none = Means::read("namespaces a pid namespace: no\nuser_namespaces an init: full\n");
        assert_eq!(none.best(), Isolation::Group);
        let why = none.missing().unwrap();
        assert_eq!(
            why,
            "namespaces: a pid namespace: no; user_namespaces: an init: full"
        );
        assert!(Means::read("").missing().is_some());
    }
}
