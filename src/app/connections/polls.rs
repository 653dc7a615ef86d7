//! Polls that wait: few of each token.
//!
//! Never kept longer than whoever waits.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::{Error, Result};

/// Polls that wait, by token.
pub struct Polls {
    waiting: Arc<Mutex<HashMap<String, usize>>>,
    per_token: usize,
}

/// The right to wait; dropping it gives it back.
pub struct PollPermit {
    waiting: Arc<Mutex<HashMap<String, usize>>>,
    sid: String,
}

impl Polls {
    /// None yet, and at most so many of one token.
    pub fn new(per_token: usize) -> Self {
        Self {
            waiting: Arc::default(),
            per_token,
        }
    }

    /// Takes the right to wait.
    pub fn enter(&self, sid: &str) -> Result<PollPermit> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let count = waiting.entry(sid.to_owned()).or_default();
        if *count >= self.per_token {
            return Err(Error::Busy {
                code: "too_many_polls",
                message: format!("a token has at most {} waiting polls", self.per_token),
                retry_after: 1,
            });
        }
        *count = count.saturating_add(1);
        Ok(PollPermit {
            waiting: Arc::clone(&self.waiting),
            sid: sid.to_owned(),
        })
    }
}

impl Polls {
    /// How many wait.
    pub fn len(&self) -> usize {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.values().sum()
    }
}

impl Drop for PollPermit {
    fn drop(&mut self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = waiting.get_mut(&self.sid) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                waiting.remove(&self.sid);
            }
        }
    }
}
