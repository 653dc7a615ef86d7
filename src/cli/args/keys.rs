//! The keys that detach from a terminal, as they are written: `ctrl-],ctrl-]`.
//!
//! Never a key that takes more than one byte: those differ between terminals.

use std::fmt;
use std::str::FromStr;

/// Most keys of a sequence.
const MOST: usize = 8;
const WRONG: &str = "expected keys separated by commas, each a character or ctrl-X with X one of \
                     a to z, @ [ \\ ] ^ _, for example ctrl-p,ctrl-q; or none";

/// A sequence of keys; an empty one is never typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    bytes: Vec<u8>,
    text: String,
}

impl Keys {
    /// What a terminal sends for them.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl FromStr for Keys {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "none" {
            return Ok(Self {
                bytes: Vec::new(),
                text: text.to_owned(),
            });
        }
        let bytes: Vec<u8> = text
            .split(',')
            .map(key)
            .collect::<Option<_>>()
            .ok_or(WRONG)?;
        if bytes.len() > MOST {
            return Err("expected at most 8 keys");
        }
        Ok(Self {
            bytes,
            text: text.replace(',', " "),
        })
    }
}

impl fmt::Display for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn key(text: &str) -> Option<u8> {
    let (byte, control) = match text.strip_prefix("ctrl-") {
        Some(rest) => (one(rest)?.to_ascii_uppercase(), true),
        None => (one(text)?, false),
    };
    match (byte, control) {
        // As terminals do: the upper bits of `A` go.
        (b'@'..=b'_', true) => Some(byte & 0x1f),
        (b'!'..=b'~', false) => Some(byte),
        _ => None,
    }
}

fn one(text: &str) -> Option<u8> {
    match text.as_bytes() {
        [byte] => Some(*byte),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_what_a_terminal_sends() {
        let bytes = |text: &str| text.parse::<Keys>().map(|keys| keys.bytes);
        assert_eq!(bytes("ctrl-],ctrl-]"), Ok(vec![0x1d, 0x1d]));
        assert_eq!(bytes("ctrl-p,ctrl-Q"), Ok(vec![0x10, 0x11]));
        assert_eq!(bytes("ctrl-@,d,~"), Ok(vec![0, b'd', b'~']));
        assert_eq!(bytes("none"), Ok(vec![]));
        for wrong in [
            "", "ctrl-", "ctrl-1", "ctrl-ab", "ab", "a,,b", "\u{e4}", " ",
        ] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
        assert!(bytes("a,a,a,a,a,a,a,a,a").is_err());
    }

    #[test]
    fn they_are_shown_as_they_are_pressed() {
        let keys: Keys = "ctrl-p,ctrl-q".parse().unwrap();
        assert_eq!(keys.to_string(), "ctrl-p ctrl-q");
    }
}
