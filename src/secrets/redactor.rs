//! Covers secrets in texts: exact values in every form of theirs, and keys of a well-known shape.
//!
//! Never changes the length of a text, so that offsets into it stay true; never covers a number, or
//! a name at the top of a JSON document. A value of less than eight bytes is not searched for.

use std::borrow::Cow;
use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use serde_json::Value;

use super::quick::Quick;
use super::shapes::{End, Shapes};
use super::{SecretsError, cuts, forms};

/// What covers: the first that is in no value, so that what is covered never makes another value.
const FILLS: &[u8] = b"*#~^!?|";
/// What covers when all of those are taken; at last signs that may be those of a key.
const OTHERS: &[u8] = b"$%&'()+,/:;<=>@[]`{}.-_ZXQJKVYWzxqjkvyw0987654321ABCDEFGHILMNOPRSTU\
                        abcdefghilmnoprstu";

/// See the module. It holds the values in plain, as its owner does.
pub struct Redactor {
    exact: Option<AhoCorasick>,
    quick: Quick,
    /// Every form of every value, sorted.
    needles: Vec<Box<[u8]>>,
    longest: usize,
    /// Some form stands otherwise between the quotes of a JSON string.
    escapes: bool,
    fill: u8,
    shapes: Shapes,
}

/// The part of a growing text that can be shown.
#[derive(Debug, PartialEq, Eq)]
pub struct Tail {
    /// It, with its secrets covered.
    pub shown: String,
    /// So many bytes behind it belong to a secret that is covered already.
    pub covered: usize,
}

impl Redactor {
    /// For keys by their shape alone.
    #[must_use]
    pub fn bare() -> Self {
        Self {
            exact: None,
            quick: Quick::default(),
            needles: Vec::new(),
            longest: 0,
            escapes: false,
            fill: b'*',
            shapes: Shapes::default(),
        }
    }

    /// This one, which also knows keys that begin so.
    #[must_use]
    pub fn with_prefix(&self, prefix: &str) -> Self {
        let mut shapes = self.shapes.clone();
        shapes.add(prefix);
        Self {
            exact: self.exact.clone(),
            quick: self.quick.clone(),
            needles: self.needles.clone(),
            shapes,
            ..*self
        }
    }

    /// This one with further values.
    ///
    /// # Errors
    /// [`SecretsError::TooMany`].
    pub fn with(&self, values: &[String]) -> Result<Self, SecretsError> {
        let mut needles = self.needles.clone();
        let new = values.iter().flat_map(|value| forms::of(value));
        needles.extend(new.map(|form| form.into_bytes().into_boxed_slice()));
        needles.sort_unstable();
        needles.dedup();
        let fill = fill(&needles);
        let exact = AhoCorasick::builder()
            // Small: one of these is held for each session that is awake and has variables.
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(&needles)
            .map_err(|error| SecretsError::TooMany(error.to_string()))?;
        Ok(Self {
            exact: (!needles.is_empty()).then_some(exact),
            quick: Quick::of(needles.iter().map(|needle| &**needle)),
            longest: needles.iter().map(|one| one.len()).max().unwrap_or(0),
            escapes: needles.iter().any(|needle| needle.iter().any(is_escaped)),
            needles,
            fill,
            shapes: self.shapes.clone(),
        })
    }

    /// A text with its secrets covered, and what is left of one where a text was cut: in front of
    /// and behind [`crate::domain::CUT`].
    #[must_use]
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let cuts = cuts::of(text);
        if cuts.is_empty() && !self.holds(text) {
            return Cow::Borrowed(text);
        }
        let mut bytes = text.as_bytes().to_vec();
        self.cover_exact(text.as_bytes(), &mut bytes);
        self.shapes.cover(&mut bytes, (0, End::Known), self.fill);
        for cut in cuts {
            for half in cuts::halves((&self.needles, &self.shapes), text.as_bytes(), cut) {
                bytes.get_mut(half).unwrap_or_default().fill(self.fill);
            }
        }
        if bytes == text.as_bytes() {
            return Cow::Borrowed(text);
        }
        Cow::Owned(into_text(bytes))
    }

    /// The same in place.
    pub fn cover(&self, text: &mut String) {
        if let Cow::Owned(clean) = self.text(text) {
            *text = clean;
        }
    }

    /// A JSON document with the secrets in its strings covered; other text as [`Redactor::text`].
    #[must_use]
    pub fn json<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let hidden = self.escapes && text.contains('\\');
        if !hidden && cuts::of(text).is_empty() && !self.holds(text) {
            return Cow::Borrowed(text);
        }
        match serde_json::from_str::<Value>(text) {
            Ok(mut value) => {
                self.value(&mut value);
                Cow::Owned(value.to_string())
            }
            Err(_no_json) => self.text(text),
        }
    }

    /// Covers the secrets in the strings of a JSON document. The names at its top are the server's
    /// own words; those below are anybody's.
    pub fn value(&self, value: &mut Value) {
        match value {
            Value::Object(map) => map.values_mut().for_each(|inner| self.inner(inner)),
            Value::String(_)
            | Value::Array(_)
            | Value::Null
            | Value::Bool(_)
            | Value::Number(_) => self.inner(value),
        }
    }

    /// The same where the names at its top are anybody's as well.
    pub fn inner(&self, value: &mut Value) {
        match value {
            Value::String(text) => self.cover(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.inner(item)),
            Value::Object(map) => {
                let named = map
                    .keys()
                    .filter(|name| matches!(self.text(name), Cow::Owned(_)));
                let named: Vec<String> = named.cloned().collect();
                for name in named {
                    if let Some(held) = map.remove(&name) {
                        map.insert(self.text(&name).into_owned(), held);
                    }
                }
                map.values_mut().for_each(|item| self.inner(item));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// What of a growing text can be shown: everything in front of what may become a secret with
    /// the next words. `text` is what was not shown yet, of which `covered` bytes belong to a secret
    /// that is covered; `before` is the last byte that was shown. Joined, all that is shown is what
    /// [`Redactor::text`] makes of the whole, wherever it is parted; a text that was cut by a mark
    /// does not grow.
    #[must_use]
    pub fn tail(&self, text: &str, covered: usize, before: Option<u8>) -> Tail {
        let raw = text.as_bytes();
        let mut bytes: Vec<u8> = before.into_iter().collect();
        let from = bytes.len();
        bytes.extend_from_slice(raw);
        let own = bytes.get_mut(from..).unwrap_or_default();
        let already = covered.min(own.len());
        own.get_mut(..already).unwrap_or_default().fill(self.fill);
        let ranges = self.cover_exact(raw, own);
        let decided = from.saturating_add(self.decided(raw));
        bytes.truncate(decided);
        let decided = self.shapes.cover(&mut bytes, (from, End::Open), self.fill);
        bytes.truncate(decided);
        bytes.drain(..from);
        // Only what is cut: a value behind the cut is found again, and what stands between is none.
        let cut = ranges.iter().filter(|range| range.start < bytes.len());
        let reach = cut.map(|range| range.end).max().unwrap_or(0).max(covered);
        // A needle begins where a character does, so nothing is cut amid one.
        Tail {
            covered: reach.saturating_sub(bytes.len()),
            shown: into_text(bytes),
        }
    }

    /// Whether anything would be covered; the shapes are looked at a little more generously.
    fn holds(&self, text: &str) -> bool {
        let bytes = text.as_bytes();
        let exact = if self.quick.is_ready() {
            self.quick.next(bytes, 0).is_some()
        } else {
            self.exact.as_ref().is_some_and(|one| one.is_match(text))
        };
        exact || self.shapes.may_hold(bytes)
    }

    /// Covers every value, also where two of them overlap. Returns where they stand.
    fn cover_exact(&self, text: &[u8], bytes: &mut [u8]) -> Vec<Range<usize>> {
        let mut ranges = Vec::new();
        if let Some(exact) = &self.exact {
            for found in exact.find_overlapping_iter(text) {
                bytes
                    .get_mut(found.range())
                    .unwrap_or_default()
                    .fill(self.fill);
                ranges.push(found.range());
            }
        }
        ranges
    }

    /// The first place from which on the text is the beginning of a value, and all of it.
    fn decided(&self, text: &[u8]) -> usize {
        let first = text.len().saturating_sub(self.longest.saturating_sub(1));
        let mut places = first..text.len();
        let open = places.find(|at| {
            let end = text.get(*at..).unwrap_or_default();
            let behind = self.needles.partition_point(|needle| &**needle <= end);
            let next = self.needles.get(behind);
            next.is_some_and(|needle| needle.starts_with(end))
        });
        open.unwrap_or(text.len())
    }
}

/// A sign that is in no value; else the one that is in the fewest.
fn fill(needles: &[Box<[u8]>]) -> u8 {
    let among = |fill: u8| needles.iter().filter(|one| one.contains(&fill)).count();
    let counted = FILLS.iter().chain(OTHERS).map(|fill| (among(*fill), *fill));
    let mut fewest = (usize::MAX, b'*');
    for (count, fill) in counted {
        if count < fewest.0 {
            fewest = (count, fill);
        }
        if count == 0 {
            break;
        }
    }
    fewest.1
}

fn is_escaped(byte: &u8) -> bool {
    matches!(byte, b'"' | b'\\' | 0..0x20)
}

/// Values and keys are whole characters, so covering them leaves a text.
fn into_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

#[cfg(test)]
#[path = "redactor_tests.rs"]
mod tests;
