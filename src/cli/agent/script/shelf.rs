//! The scenarios that a player can reach: the one it was started with, the ready ones, and the
//! files beside its own.
//!
//! Never leaves those places for a name from a message.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::drivers::script::ready::{self, Place};
use crate::drivers::script::scenario::{MAX_FILE_BYTES, Scenario, ScenarioError};

/// The open scenario and its neighbours.
pub(super) struct Shelf {
    /// What the program was started with, as it was named.
    pub(super) home: String,
    /// The scenario that is played, as it was named.
    pub(super) name: String,
    /// The scenario that is played.
    pub(super) scenario: Scenario,
    beside: Option<PathBuf>,
}

impl Shelf {
    /// Opens the scenario that the program is started with: a path, or a ready one's name.
    pub(super) fn open(home: &str) -> Result<Self, ScenarioError> {
        let path = Path::new(home);
        let (scenario, beside) = match ready::text(home) {
            Some(text) => (Scenario::parse(home, text)?, None),
            None => (read(path)?, path.parent().map(Path::to_path_buf)),
        };
        Ok(Self {
            home: home.to_owned(),
            name: home.to_owned(),
            scenario,
            beside,
        })
    }

    /// Goes to the scenario of this name; staying at the same one changes nothing. True when it
    /// is another one than before.
    pub(super) fn go_to(&mut self, name: &str) -> Result<bool, ScenarioError> {
        if name == self.name {
            return Ok(false);
        }
        self.scenario = if name == self.home {
            Self::open(name)?.scenario
        } else {
            self.find(name)?
        };
        name.clone_into(&mut self.name);
        Ok(true)
    }

    fn find(&self, name: &str) -> Result<Scenario, ScenarioError> {
        if Path::new(name).is_absolute() {
            return Err(ready::unknown(name));
        }
        let beside: Vec<&Path> = self.beside.iter().map(PathBuf::as_path).collect();
        match ready::place(name, &beside)? {
            Place::Ready(text) => Scenario::parse(name, text),
            Place::Files(files) => match files.iter().find(|file| file.is_file()) {
                Some(file) => read(file),
                None => Err(ready::unknown(name)),
            },
        }
    }
}

fn read(path: &Path) -> Result<Scenario, ScenarioError> {
    let name = path.display().to_string();
    let failed = |error: std::io::Error| ScenarioError {
        problem: format!("the file cannot be read: {error}"),
        ..ready::unknown(&name)
    };
    let limit = u64::try_from(MAX_FILE_BYTES).unwrap_or(u64::MAX);
    let mut text = String::new();
    // One byte more than is allowed, so that the check for size can see it.
    File::open(path)
        .and_then(|file| file.take(limit.saturating_add(1)).read_to_string(&mut text))
        .map_err(failed)?;
    Scenario::parse(&name, &text)
}
