//! Tokens whose signature was found good: what they say does not change, so they are read once.
//!
//! Never a token itself, only its hash; never a word about whether it is good now.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

use super::Claims;

/// Most that are remembered.
const MOST: usize = 4_096;

/// The hash of a token.
type Hash = [u8; 32];

/// See the module.
#[derive(Default)]
pub(super) struct Checked(Mutex<HashMap<Hash, Arc<Claims>>>);

impl Checked {
    /// What a token says that was found good before.
    pub(super) fn get(&self, token: &str) -> Option<Arc<Claims>> {
        self.lock().get(&hash(token)).cloned()
    }

    /// Remembers what a good token says. `now`: seconds since the epoch.
    pub(super) fn put(&self, token: &str, claims: &Arc<Claims>, now: i64) {
        let mut known = self.lock();
        if known.len() >= MOST {
            known.retain(|_, claims| claims.exp > now);
        }
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(hash(token), Arc::clone(claims));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Hash, Arc<Claims>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash(token: &str) -> Hash {
    Sha256::digest(token).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::UserId;

    fn claims(exp: i64) -> Arc<Claims> {
        let text = String::new;
        Arc::new(Claims {
            iss: text(),
            aud: text(),
            sub: UserId::generate(),
            sid: text(),
            typ: text(),
            iat: 0,
            nbf: 0,
            exp,
        })
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_ended_go_first() {
        let checked = Checked::default();
        for n in 1..MOST {
            checked.put(&n.to_string(), &claims(10), 5);
        }
        checked.put("later", &claims(20), 5);
        assert_eq!(checked.get("1").unwrap().exp, 10);
        assert!(checked.get("none").is_none());
        checked.put("new", &claims(20), 10);
        assert_eq!(checked.lock().len(), 2);
        assert!(checked.get("later").is_some() && checked.get("new").is_some());
        for n in 0..MOST * 2 {
            checked.put(&n.to_string(), &claims(99), 10);
            assert!(checked.lock().len() <= MOST);
        }
    }
}
