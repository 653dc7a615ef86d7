//! The secrets of the server itself, kept back from everything that the process shows: one for the
//! process, as its log is.
//!
//! Never forgets a value: what was secret once may still stand in a text.

use std::sync::{Arc, LazyLock, Mutex, PoisonError, RwLock, Weak};

use super::{Redactor, SecretsError};

static HOUSE: LazyLock<RwLock<Arc<Redactor>>> =
    LazyLock::new(|| RwLock::new(Arc::new(Redactor::bare())));

/// Those of the sessions that are awake: the log speaks of them all.
static AWAKE: Mutex<Vec<Weak<Redactor>>> = Mutex::new(Vec::new());

/// What covers the server's own secrets.
#[must_use]
pub fn house() -> Arc<Redactor> {
    Arc::clone(&HOUSE.read().unwrap_or_else(PoisonError::into_inner))
}

/// Keeps these values back from now on.
///
/// # Errors
/// [`SecretsError::TooMany`].
pub fn keep_back(values: &[String]) -> Result<(), SecretsError> {
    let mut house = HOUSE.write().unwrap_or_else(PoisonError::into_inner);
    *house = Arc::new(house.with(values)?);
    Ok(())
}

/// Knows keys that begin so from now on.
pub fn keep_back_prefix(prefix: &str) {
    let mut house = HOUSE.write().unwrap_or_else(PoisonError::into_inner);
    *house = Arc::new(house.with_prefix(prefix));
}

/// [`everywhere`] covers what this one does, for as long as somebody holds it.
pub fn while_awake(redactor: &Arc<Redactor>) {
    let mut awake = AWAKE.lock().unwrap_or_else(PoisonError::into_inner);
    awake.retain(|one| one.strong_count() > 0);
    awake.push(Arc::downgrade(redactor));
}

/// A JSON document, or a text, without the secrets of the server and of any session that is awake.
#[must_use]
pub fn everywhere(text: &str) -> String {
    let mut clean = house().json(text).into_owned();
    let awake: Vec<Arc<Redactor>> = {
        let awake = AWAKE.lock().unwrap_or_else(PoisonError::into_inner);
        awake.iter().filter_map(Weak::upgrade).collect()
    };
    for redactor in awake {
        if let std::borrow::Cow::Owned(covered) = redactor.json(&clean) {
            clean = covered;
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secrets_of_those_who_are_awake_are_covered_and_no_longer() {
        let own = ["of-a-session-8f1c".to_owned()];
        let redactor = Arc::new(Redactor::bare().with(&own).unwrap());
        while_awake(&redactor);
        let line = r#"{"message":"it is of-a-session-8f1c"}"#;
        assert_eq!(everywhere(line), r#"{"message":"it is *****************"}"#);
        drop(redactor);
        assert_eq!(everywhere(line), line);
    }
}
