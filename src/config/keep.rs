//! The settings of what is kept and of the room on the disk.
//!
//! Never a default here: those stand in `config/callboard.toml` alone.

use std::time::Duration;

use serde::de::{Deserializer, Error, Unexpected, Visitor};
use serde::{Deserialize, Serialize};

use super::quantity::{read_duration, size};

/// What is forgotten, and when. An age or a number of zero keeps it for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// Time from one go to the next.
    #[serde(deserialize_with = "read_duration")]
    pub every: Duration,
    /// Age of an event.
    #[serde(deserialize_with = "read_duration")]
    pub events_age: Duration,
    /// Events of one agent.
    pub events_per_agent: u64,
    /// Age of an ended task, an answered question, and the row of a process that is gone.
    #[serde(deserialize_with = "read_duration")]
    pub tasks_age: Duration,
    /// So many of each of these of one agent.
    pub tasks_per_agent: u64,
    /// Age of the output log of an earlier process.
    #[serde(deserialize_with = "read_duration")]
    pub logs_age: Duration,
    /// Output logs of earlier processes of one agent.
    pub logs_per_agent: u64,
    /// Rest of a session without a process or work, until it is deleted as by its owner.
    #[serde(deserialize_with = "read_duration")]
    pub rest_age: Duration,
    /// Time between the deletion of a session and that of its rows.
    #[serde(deserialize_with = "read_duration")]
    pub deleted_age: Duration,
    /// Age of a line of the supervisors' log.
    #[serde(deserialize_with = "read_duration")]
    pub supervisor_age: Duration,
    /// Lines of the supervisors' log.
    pub supervisor_lines: u64,
    /// Age of an audit row.
    #[serde(deserialize_with = "read_duration")]
    pub audit_age: Duration,
}

/// When little room on the disk is told, and when new work is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disk {
    /// Below this it is told.
    pub warn_free: Room,
    /// Below this new work is refused.
    pub refuse_free: Room,
    /// Time between two looks.
    #[serde(deserialize_with = "read_duration")]
    pub check_every: Duration,
}

/// An amount of free space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Room {
    /// So many bytes.
    Bytes(u64),
    /// So many hundredths of the file system.
    Percent(u64),
}

impl Room {
    /// In bytes, on a file system of this size.
    #[must_use]
    pub fn of(self, total: u64) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Percent(percent) => (total / 100).saturating_mul(percent),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        match text.trim().strip_suffix('%') {
            Some(percent) => {
                let percent = percent.trim_end().parse().ok()?;
                (percent < 100).then_some(Self::Percent(percent))
            }
            None => size(text).map(Self::Bytes),
        }
    }
}

impl<'de> Deserialize<'de> for Room {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_any(RoomVisitor)
    }
}

struct RoomVisitor;

impl Visitor<'_> for RoomVisitor {
    type Value = Room;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a size such as \"512 MiB\", or a share of the disk such as \"5%\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Room, E> {
        Room::parse(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Room, E> {
        Ok(Room::Bytes(number))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Room, E> {
        u64::try_from(number)
            .map(Room::Bytes)
            .map_err(|_negative| E::invalid_value(Unexpected::Signed(number), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_a_size_or_a_share() {
        assert_eq!(Room::parse("512 MiB"), Some(Room::Bytes(512 << 20)));
        assert_eq!(Room::parse("5 %"), Some(Room::Percent(5)));
        assert_eq!(Room::parse("0"), Some(Room::Bytes(0)));
        for bad in ["", "%", "100%", "-1", "5 %%", "1.5%", "5 MB"] {
            assert_eq!(Room::parse(bad), None, "{bad}");
        }
        assert_eq!(Room::Percent(5).of(1_000), 50);
        assert_eq!(Room::Bytes(7).of(1_000), 7);
    }
}
