//! Durations and sizes as people write them: `250ms`, `24h`, `2 MiB`.
//!
//! Never reads a bare number as a duration, except 0: seconds and milliseconds are not guessed.

use std::fmt;
use std::time::Duration;

use serde::Deserializer;
use serde::de::{Error, Visitor};

/// What a duration looks like, for error texts.
pub const DURATION: &str = "a duration such as \"250ms\", \"30s\", \"5m\", \"24h\" or \"7d\"";
/// What a size looks like, for error texts.
pub const SIZE: &str = "a size in bytes, or such as \"64 KiB\", \"2 MiB\" or \"1 GiB\"";

/// Reads a duration; `None` when the text is none or does not fit.
#[must_use]
pub fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let ms_per_unit = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "" if number == 0 => 0,
        _ => return None,
    };
    number.checked_mul(ms_per_unit).map(Duration::from_millis)
}

/// Reads a size in bytes; `None` when the text is none or does not fit.
#[must_use]
pub fn size(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let factor = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// Serde reader of a duration.
///
/// # Errors
/// When it is none, with [`DURATION`] as what was expected.
pub fn read_duration<'de, D: Deserializer<'de>>(input: D) -> Result<Duration, D::Error> {
    input.deserialize_any(DurationVisitor)
}

/// Serde reader of a duration that may be absent.
///
/// # Errors
/// When it is there and none.
pub fn read_optional_duration<'de, D>(input: D) -> Result<Option<Duration>, D::Error>
where
    D: Deserializer<'de>,
{
    read_duration(input).map(Some)
}

/// Serde reader of a size in bytes.
///
/// # Errors
/// When it is none, with [`SIZE`] as what was expected.
pub fn read_size<'de, D: Deserializer<'de>>(input: D) -> Result<u64, D::Error> {
    input.deserialize_any(SizeVisitor)
}

/// Serde reader of a size that may be absent.
///
/// # Errors
/// When it is there and none.
pub fn read_optional_size<'de, D>(input: D) -> Result<Option<u64>, D::Error>
where
    D: Deserializer<'de>,
{
    read_size(input).map(Some)
}

struct DurationVisitor;

impl Visitor<'_> for DurationVisitor {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(DURATION)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
        duration(text).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Duration, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Duration, E> {
        self.visit_str(&number.to_string())
    }
}

struct SizeVisitor;

impl Visitor<'_> for SizeVisitor {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SIZE)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<u64, E> {
        size(text).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<u64, E> {
        Ok(number)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<u64, E> {
        u64::try_from(number)
            .map_err(|_too_small| E::invalid_value(serde::de::Unexpected::Signed(number), &self))
    }
}

/// Digits in front, the unit behind, blanks between them allowed.
fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, unit.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(duration("7d"), Some(Duration::from_secs(604_800)));
        assert_eq!(duration("0"), Some(Duration::ZERO));
        for bad in ["", "5", "s", "-1s", "1.5h", "1w", "99999999999999999999s"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn sizes_are_bytes_or_binary_units() {
        assert_eq!(size("512"), Some(512));
        assert_eq!(size("2 MiB"), Some(2 * 1024 * 1024));
        for bad in ["", "MiB", "2 MB", "-1", "18446744073709551615 GiB"] {
            assert_eq!(size(bad), None, "{bad}");
        }
    }
}
