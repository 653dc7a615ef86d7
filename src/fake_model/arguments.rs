//! The arguments behind a mark's name: words, JSON values and `key=value` pairs, taken one by one.
//!
//! Never ignores one that looks meant: what is left at the end and is more than a remark is an
//! error.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde_json::{Deserializer, Value};

use super::mark::MarkError;

/// The longest pause that a mark may ask for.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// What stands behind a mark's name and is not taken yet.
#[derive(Debug)]
pub struct Arguments {
    rest: VecDeque<Argument>,
    pairs: BTreeMap<String, String>,
}

#[derive(Debug)]
enum Argument {
    Word(String),
    Json(Value),
}

impl Arguments {
    /// Splits the rest of a mark's line.
    ///
    /// # Errors
    /// A value that begins like JSON and is none; a key that stands there twice.
    pub fn read(line: &str) -> Result<Self, MarkError> {
        let mut read = Self {
            rest: VecDeque::new(),
            pairs: BTreeMap::new(),
        };
        let mut line = line.trim_start();
        while !line.is_empty() {
            line = if line.starts_with(['{', '[', '"']) {
                read.json(line)?
            } else {
                read.plain(line)?
            };
            line = line.trim_start();
        }
        Ok(read)
    }

    fn json<'l>(&mut self, line: &'l str) -> Result<&'l str, MarkError> {
        let mut values = Deserializer::from_str(line).into_iter::<Value>();
        let Some(Ok(value)) = values.next() else {
            return Err(MarkError::argument(shown(line), "JSON on one line"));
        };
        self.rest.push_back(Argument::Json(value));
        Ok(line.get(values.byte_offset()..).unwrap_or_default())
    }

    fn plain<'l>(&mut self, line: &'l str) -> Result<&'l str, MarkError> {
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        match word.split_once('=') {
            Some((key, value)) => {
                let before = self.pairs.insert(key.to_owned(), value.to_owned());
                if before.is_some() {
                    return Err(MarkError::argument(shown(word), "each key once"));
                }
            }
            None => self.rest.push_back(Argument::Word(word.to_owned())),
        }
        Ok(rest)
    }

    /// The next argument, when it is a word like this.
    fn take(&mut self, like: impl Fn(&str) -> bool) -> Option<String> {
        match self.rest.front() {
            Some(Argument::Word(word)) if like(word) => {
                let word = word.clone();
                self.rest.pop_front();
                Some(word)
            }
            Some(Argument::Word(_) | Argument::Json(_)) | None => None,
        }
    }

    /// The next argument, when it is one of these words.
    pub fn word<'w>(&mut self, words: &[&'w str]) -> Option<&'w str> {
        let taken = self.take(|word| words.contains(&word))?;
        words.iter().copied().find(|word| *word == taken)
    }

    /// The next argument, when it is a whole number.
    ///
    /// # Errors
    /// When it is over `most`.
    pub fn number(&mut self, most: u32) -> Result<Option<u32>, MarkError> {
        let digits = |word: &str| word.chars().all(|c| c.is_ascii_digit());
        let Some(word) = self.take(digits) else {
            return Ok(None);
        };
        let number = word.parse().ok().filter(|it| *it <= most);
        let expected = || format!("a number up to {most}");
        number
            .map(Some)
            .ok_or_else(|| MarkError::argument(&word, expected()))
    }

    /// The next argument, when it is a time.
    ///
    /// # Errors
    /// When it is too long.
    pub fn duration(&mut self) -> Result<Option<Duration>, MarkError> {
        let time = |word: &str| span(word).is_some();
        self.take(time).map(|word| bounded(&word)).transpose()
    }

    /// The next argument, when it is a JSON string.
    pub fn text(&mut self) -> Option<String> {
        let Some(Argument::Json(Value::String(text))) = self.rest.front() else {
            return None;
        };
        let text = text.clone();
        self.rest.pop_front();
        Some(text)
    }

    /// The next two arguments, when they are a tool's name and its input.
    ///
    /// # Errors
    /// A name without an input.
    pub fn call(&mut self) -> Result<Option<(String, Value)>, MarkError> {
        let name = |word: &str| word.starts_with(char::is_uppercase) || word.contains("__");
        let Some(name) = self.take(name) else {
            return Ok(None);
        };
        match self.rest.pop_front() {
            Some(Argument::Json(input)) if input.is_object() => Ok(Some((name, input))),
            Some(Argument::Json(_) | Argument::Word(_)) | None => Err(MarkError::argument(
                name,
                "a JSON object behind the tool's name",
            )),
        }
    }

    /// The value of a key.
    pub fn pair(&mut self, key: &str) -> Option<String> {
        self.pairs.remove(key)
    }

    /// The value of a key, as a number.
    ///
    /// # Errors
    /// When it is none, or over `most`.
    pub fn pair_number(&mut self, key: &str, most: u64) -> Result<Option<u64>, MarkError> {
        let Some(value) = self.pair(key) else {
            return Ok(None);
        };
        let number = value.parse().ok().filter(|it| *it <= most);
        number
            .map(Some)
            .ok_or_else(|| wrong(key, &value, &format!("a number up to {most}")))
    }

    /// The value of a key, as a time.
    ///
    /// # Errors
    /// When it is none, or too long.
    pub fn pair_duration(&mut self, key: &str) -> Result<Option<Duration>, MarkError> {
        let value = self.pair(key);
        value.map(|value| bounded(&value)).transpose()
    }

    /// The value of a key, as `yes` or `no`.
    ///
    /// # Errors
    /// When it is neither.
    pub fn pair_yes(&mut self, key: &str) -> Result<Option<bool>, MarkError> {
        match self.pair(key).as_deref() {
            None => Ok(None),
            Some("yes") => Ok(Some(true)),
            Some("no") => Ok(Some(false)),
            Some(other) => Err(wrong(key, other, "yes or no")),
        }
    }

    /// Nothing is left but a remark.
    ///
    /// # Errors
    /// A key that nobody took; a number or a value where the remark begins.
    pub fn finish(self) -> Result<(), MarkError> {
        if let Some((key, value)) = self.pairs.iter().next() {
            return Err(wrong(key, value, "a key of this scenario"));
        }
        match self.rest.front() {
            Some(Argument::Word(word)) if word.starts_with(|c: char| c.is_ascii_digit()) => Err(
                MarkError::argument(shown(word), "an argument of this scenario"),
            ),
            Some(Argument::Json(value)) => Err(MarkError::argument(
                shown(&value.to_string()),
                "an argument of this scenario",
            )),
            Some(Argument::Word(_)) | None => Ok(()),
        }
    }
}

fn wrong(key: &str, value: &str, expected: &str) -> MarkError {
    MarkError::argument(shown(&format!("{key}={value}")), expected)
}

fn bounded(word: &str) -> Result<Duration, MarkError> {
    let expected = "a time as 100ms, 3s or 2m, at most 60m";
    span(word)
        .filter(|it| *it <= LONGEST)
        .ok_or_else(|| MarkError::argument(shown(word), expected))
}

/// `100ms`, `3s`, `2m`.
fn span(word: &str) -> Option<Duration> {
    let (digits, unit) = word.split_at(word.find(|c: char| !c.is_ascii_digit())?);
    let count: u64 = digits.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(count)),
        "s" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_secs(count.checked_mul(60)?)),
        _ => None,
    }
}

/// The beginning, for a message.
fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}
