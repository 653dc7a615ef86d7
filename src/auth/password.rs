//! Password hashes: argon2id, 19 MiB, 2 passes, 1 lane (reliability.md 6).
//!
//! Never hashes on a thread of the actors, and never more than two at once: each takes 19 MiB.

use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zeroize::Zeroizing;

use crate::domain::{Error, Result};

const AT_ONCE: usize = 2;
/// Longest wait for a place. More sign-ins than that are an attack or a mistake.
const WAIT: Duration = Duration::from_secs(10);
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Characters of a password: at least, at most.
const LENGTH: (usize, usize) = (8, 128);

/// Hashes and checks passwords. Clones share the two places.
#[derive(Debug, Clone)]
pub struct Passwords {
    places: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self::new()
    }
}

impl Passwords {
    /// With both places free.
    #[must_use]
    pub fn new() -> Self {
        Self {
            places: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// The hash of a password in PHC form, with a fresh salt.
    ///
    /// # Errors
    /// `sign_in_busy` when no place becomes free; otherwise a fault of ours.
    pub async fn hash(&self, password: String) -> Result<String> {
        let place = self.place().await?;
        let password = Zeroizing::new(password);
        blocking(place, move || hash(&password)).await
    }

    /// Whether the password is the one of this hash. Without a hash (nobody of that name) it takes
    /// as long and is `false`.
    ///
    /// # Errors
    /// `sign_in_busy` when no place becomes free; a stored hash that cannot be read.
    pub async fn verify(&self, password: String, stored: Option<String>) -> Result<bool> {
        let place = self.place().await?;
        let password = Zeroizing::new(password);
        blocking(place, move || match stored {
            Some(stored) => verify(&password, &stored),
            None => hash(&password).map(|_same_work| false),
        })
        .await
    }

    async fn place(&self) -> Result<OwnedSemaphorePermit> {
        let place = Arc::clone(&self.places).acquire_owned();
        match tokio::time::timeout(WAIT, place).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) | Err(_) => Err(Error::Busy {
                code: "sign_in_busy",
                message: "too many sign-ins at once".to_owned(),
                retry_after: 5,
            }),
        }
    }
}

/// Whether a stored hash is weaker than what new ones get, so that it is replaced at the next
/// sign-in. One that cannot be read is.
#[must_use]
pub fn needs_rehash(stored: &str) -> bool {
    let Ok(parsed) = PasswordHash::new(stored) else {
        return true;
    };
    let Ok(params) = Params::try_from(&parsed) else {
        return true;
    };
    parsed.algorithm != Algorithm::Argon2id.ident()
        || params.m_cost() < MEMORY_KIB
        || params.t_cost() < PASSES
}

/// Refuses a new password that is too short or too long.
///
/// # Errors
/// `bad_password`.
pub fn acceptable(password: &str) -> Result<()> {
    let (least, most) = LENGTH;
    if (least..=most).contains(&password.chars().count()) {
        return Ok(());
    }
    let expected = format!("{least} to {most} characters");
    let message = "the password is too short or too long";
    Err(Error::invalid(
        "bad_password",
        "password",
        message,
        expected,
    ))
}

async fn blocking<T: Send + 'static>(
    place: OwnedSemaphorePermit,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let held = move || {
        let _place = place;
        work()
    };
    tokio::task::spawn_blocking(held)
        .await
        .map_err(Error::internal)?
}

fn hash(password: &str) -> Result<String> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(Error::internal)?;
    let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash: PasswordHash = hasher
        .hash_password(password.as_bytes())
        .map_err(Error::internal)?;
    Ok(hash.to_string())
}

fn verify(password: &str, stored: &str) -> Result<bool> {
    let parsed = PasswordHash::new(stored)
        .map_err(|error| Error::Internal(format!("a stored password hash: {error}")))?;
    let checked = PasswordVerifier::<PasswordHash>::verify_password(
        &Argon2::default(),
        password.as_bytes(),
        &parsed,
    );
    Ok(checked.is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_checks_its_own_password_only() {
        let passwords = Passwords::new();
        let hash = passwords.hash("correct horse".into()).await.unwrap();
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        assert!(!needs_rehash(&hash));
        let right = passwords.verify("correct horse".into(), Some(hash.clone()));
        assert!(right.await.unwrap());
        let wrong = passwords.verify("correct horsf".into(), Some(hash));
        assert!(!wrong.await.unwrap());
        assert!(
            !passwords
                .verify("correct horse".into(), None)
                .await
                .unwrap()
        );
    }

    #[tokio::test]
    async fn an_unreadable_hash_is_a_fault_and_not_a_wrong_password() {
        let checked = Passwords::new()
            .verify("x".into(), Some("plain".into()))
            .await;
        assert_eq!(checked.unwrap_err().code(), "internal");
    }

    #[test]
    fn a_weaker_hash_is_replaced() {
        let salt_and_hash = "c2FsdHNhbHRzYWx0c2FsdA$k2Vo0zZAzTqr0pXQ1ZyvWm0M1rB3Gkz2YhQ6dZlYb8w";
        let of = |params: &str| format!("$argon2{params}${salt_and_hash}");
        assert!(needs_rehash(&of("id$v=19$m=4096,t=2,p=1")));
        assert!(needs_rehash(&of("i$v=19$m=19456,t=2,p=1")));
        assert!(needs_rehash("hunter2"));
        assert!(!needs_rehash(&of("id$v=19$m=65536,t=3,p=1")));
    }

    #[tokio::test(start_paused = true)]
    async fn the_third_at_once_waits_and_is_refused_in_the_end() {
        let passwords = Passwords::new();
        let held = [
            passwords.place().await.unwrap(),
            passwords.place().await.unwrap(),
        ];
        assert_eq!(
            passwords.hash("12345678".into()).await.unwrap_err().code(),
            "sign_in_busy"
        );
        drop(held);
        assert!(passwords.place().await.is_ok());
    }

    #[test]
    fn lengths_are_in_characters() {
        assert!(acceptable("1234567").is_err());
        assert!(acceptable("\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}").is_ok());
        assert!(acceptable(&"x".repeat(129)).is_err());
    }
}
