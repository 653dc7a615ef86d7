//! Cursors: how a reader says what it has, and where a stream goes on.
//!
//! Never guesses: text that is no cursor is refused as `bad_cursor`.

use super::error::{Error, Result};

/// Where a reader of one agent wants to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// From the oldest event that the ring holds.
    Oldest,
    /// After this seq; 0 is the whole history.
    Seq(u64),
    /// Only what comes from now on.
    Latest,
}

impl After {
    /// Reads `after`: absent, a number, `latest`, or `EPOCH:SEQ`. Returns the epoch when one is
    /// named.
    ///
    /// # Errors
    /// `bad_cursor`.
    pub fn parse(text: Option<&str>) -> Result<(Self, Option<String>)> {
        let Some(text) = text else {
            return Ok((Self::Oldest, None));
        };
        if text == "latest" {
            return Ok((Self::Latest, None));
        }
        match text.rsplit_once(':') {
            Some((epoch, seq)) if !epoch.is_empty() => {
                Ok((Self::Seq(number(seq)?), Some(epoch.to_owned())))
            }
            Some(_) => Err(bad()),
            None => Ok((Self::Seq(number(text)?), None)),
        }
    }
}

/// The id of an event in a stream, as Last-Event-ID and `after` carry it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamCursor {
    /// `<epoch>:<seq>`: a stream over one agent.
    Seq {
        /// The epoch of the number.
        epoch: String,
        /// The last seq that the reader has.
        seq: u64,
    },
    /// `<epoch>:p<pos>`: a stream over several agents.
    Pos {
        /// The epoch of the number.
        epoch: String,
        /// The last pos that the reader has.
        pos: u64,
    },
}

impl StreamCursor {
    /// Reads a stream id.
    ///
    /// # Errors
    /// `bad_cursor`.
    pub fn parse(text: &str) -> Result<Self> {
        let (epoch, number_text) = text.rsplit_once(':').ok_or_else(bad)?;
        if epoch.is_empty() {
            return Err(bad());
        }
        let epoch = epoch.to_owned();
        match number_text.strip_prefix('p') {
            Some(pos) => Ok(Self::Pos {
                epoch,
                pos: number(pos)?,
            }),
            None => Ok(Self::Seq {
                epoch,
                seq: number(number_text)?,
            }),
        }
    }
}

fn number(text: &str) -> Result<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits
        .then(|| text.parse::<u64>().ok())
        .flatten()
        .filter(|n| i64::try_from(*n).is_ok())
        .ok_or_else(bad)
}

fn bad() -> Error {
    Error::invalid(
        "bad_cursor",
        "after",
        "the cursor cannot be read",
        "a non-negative number, `latest`, `<epoch>:<seq>`, or for several agents `<epoch>:p<pos>`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_read_as_documented() {
        assert_eq!(After::parse(None).unwrap(), (After::Oldest, None));
        assert_eq!(After::parse(Some("0")).unwrap(), (After::Seq(0), None));
        assert_eq!(After::parse(Some("latest")).unwrap().0, After::Latest);
        assert_eq!(
            After::parse(Some("e1:7")).unwrap(),
            (After::Seq(7), Some("e1".into()))
        );
        assert_eq!(
            StreamCursor::parse("e1:p9").unwrap(),
            StreamCursor::Pos {
                epoch: "e1".into(),
                pos: 9
            }
        );
    }

    #[test]
    fn anything_else_is_bad_cursor() {
        for text in [
            "",
            "-1",
            "+1",
            "1.5",
            "abc",
            ":5",
            "e1:",
            "e1:-1",
            "99999999999999999999",
            "18446744073709551615",
        ] {
            let error = After::parse(Some(text)).unwrap_err();
            assert_eq!(error.code(), "bad_cursor", "{text}");
        }
        assert!(StreamCursor::parse("5").is_err());
    }
}
