//! Where people point: events beside the services, from one socket to the others.
//!
//! Never more than was asked for: members that are not known stay behind, and the sender is who is
//! signed in.

use std::time::Duration;

use bytestring::ByteString;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::packet::event_text;
use crate::domain::{Timestamp, UserId};

/// Moves of a socket that are passed on in a second.
const A_SECOND: u32 = 30;
/// Moves that may come at once.
const AT_ONCE: u32 = 60;
/// Longest name of a board, in characters.
const MAX_BOARD: usize = 64;

/// What somebody does with their pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// It is somewhere.
    To,
    /// It is gone.
    Away,
}

impl Moved {
    /// Reads the name of an event; `None`: it is another one.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "cursor-move" => Some(Self::To),
            "cursor-leave" => Some(Self::Away),
            _ => None,
        }
    }

    /// What the others are told; `None`: the data say nothing.
    #[must_use]
    pub fn told(self, user: UserId, data: Option<&Value>, now: Timestamp) -> Option<ByteString> {
        let board = data?.get("boardId")?.as_str()?;
        if board.is_empty() || board.chars().count() > MAX_BOARD {
            return None;
        }
        let number = |name: &str| data?.get(name).filter(|value| value.is_number()).cloned();
        let timestamp = number("timestamp").unwrap_or_else(|| now.0.into());
        Some(match self {
            Self::To => {
                let (x, y) = (number("x")?, number("y")?);
                let at = json!({
                    "userId": user, "boardId": board, "x": x, "y": y, "timestamp": timestamp,
                });
                event_text("cursor-moved", &at)
            }
            Self::Away => {
                let left = json!({"userId": user, "boardId": board, "timestamp": timestamp});
                event_text("cursor-left", &left)
            }
        })
    }
}

/// How many moves a socket may still make.
#[derive(Debug)]
pub struct Pace {
    left: u32,
    filled: Instant,
}

impl Pace {
    /// All of them.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            left: AT_ONCE,
            filled: now,
        }
    }

    /// Whether one more is passed on.
    pub fn takes(&mut self, now: Instant) -> bool {
        let each = Duration::from_secs(1) / A_SECOND;
        while self.left < AT_ONCE && now.saturating_duration_since(self.filled) >= each {
            self.left = self.left.saturating_add(1);
            self.filled += each;
        }
        if self.left == AT_ONCE {
            self.filled = now;
        }
        let takes = self.left > 0;
        self.left = self.left.saturating_sub(1);
        takes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_told_who_points_and_nothing_that_was_made_up() {
        let (ada, now) = (UserId::generate(), Timestamp(7));
        let data = json!({"boardId": "b", "x": 1.5, "y": -2, "userId": "bob", "html": "<b>"});
        let text = Moved::To.told(ada, Some(&data), now).unwrap();
        let told: Value = serde_json::from_str(text.strip_prefix("42").unwrap()).unwrap();
        assert_eq!(
            told,
            json!(["cursor-moved", {"userId": ada, "boardId": "b", "x": 1.5, "y": -2, "timestamp": 7}])
        );
        let text = Moved::Away.told(ada, Some(&json!({"boardId": "b", "timestamp": 3})), now);
        assert!(text.unwrap().starts_with("42[\"cursor-left\","));
        for data in [
            Value::Null,
            json!({}),
            json!({"boardId": 1, "x": 1, "y": 1}),
            json!({"boardId": "", "x": 1, "y": 1}),
            json!({"boardId": "b".repeat(65), "x": 1, "y": 1}),
            json!({"boardId": "b", "x": "1", "y": 1}),
        ] {
            assert_eq!(Moved::To.told(ada, Some(&data), now), None, "{data}");
        }
        assert_eq!(Moved::To.told(ada, None, now), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_pace_is_bounded_and_comes_back() {
        let mut pace = Pace::new(Instant::now());
        let take = |pace: &mut Pace| (0..500).filter(|_| pace.takes(Instant::now())).count();
        assert_eq!(take(&mut pace), 60);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!((30..=31).contains(&take(&mut pace)));
        tokio::time::advance(Duration::from_secs(3_600)).await;
        assert_eq!(take(&mut pace), 60);
    }
}
