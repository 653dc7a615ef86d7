//! The line before the one writer: who waits for too long goes away, and a write that does not end is
//! noticed by the one who asked for it.
//!
//! Never takes a place away from a job that has begun.

use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::StoreError;

/// How often somebody in line looks where it stands.
const LOOK: Duration = Duration::from_millis(500);
/// After so many looks one gives up its place: 5 s.
const PATIENCE: u32 = 10;
/// After so many looks a write that runs is one that hangs: longer than the wait for a file's lock.
const HANGS: u32 = 12;

const WAITS: u8 = 0;
const TAKEN: u8 = 1;
const GIVEN_UP: u8 = 2;
const DONE: u8 = 3;

/// Where one job stands.
#[derive(Debug, Default)]
pub(super) struct Place(AtomicU8);

impl Place {
    /// The job begins; `false` when nobody wants it any more.
    pub(super) fn take(&self) -> bool {
        self.go(TAKEN)
    }

    /// The job is over.
    pub(super) fn leave(&self) {
        self.0.store(DONE, Ordering::Release);
    }

    fn give_up(&self) -> bool {
        self.go(GIVEN_UP)
    }

    fn go(&self, to: u8) -> bool {
        let gone = self
            .0
            .compare_exchange(WAITS, to, Ordering::AcqRel, Ordering::Acquire);
        gone.is_ok()
    }

    fn is_taken(&self) -> bool {
        self.0.load(Ordering::Acquire) == TAKEN
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Turnstile {
    hanging: Mutex<Option<Arc<Place>>>,
}

impl Turnstile {
    fn hanging(&self) -> MutexGuard<'_, Option<Arc<Place>>> {
        self.hanging.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a write that runs does not end.
    pub(super) fn hangs(&self) -> bool {
        let hanging = self.hanging();
        hanging.as_ref().is_some_and(|place| place.is_taken())
    }

    /// Waits for the answer of a job: for as long as it takes once it has begun, and for
    /// [`PATIENCE`] before that.
    pub(super) async fn patiently<T>(
        &self,
        place: &Arc<Place>,
        mut answered: Pin<&mut impl Future<Output = Result<T, StoreError>>>,
    ) -> Result<T, StoreError> {
        let (mut waited, mut running) = (0_u32, 0_u32);
        loop {
            if let Ok(answer) = tokio::time::timeout(LOOK, answered.as_mut()).await {
                return answer;
            }
            waited = waited.saturating_add(1);
            if place.is_taken() {
                running = running.saturating_add(1);
            }
            if waited >= PATIENCE && running == 0 && place.give_up() {
                return Err(StoreError::Busy);
            }
            if running == HANGS {
                *self.hanging() = Some(Arc::clone(place));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_too_long_goes_and_who_has_begun_stays() {
        let turnstile = Turnstile::default();
        let place = Arc::<Place>::default();
        let never = std::pin::pin!(std::future::pending::<Result<(), StoreError>>());
        let answer = turnstile.patiently(&place, never).await;
        assert_eq!(answer, Err(StoreError::Busy));
        assert!(!place.take(), "a job that nobody wants is run");
        assert!(!turnstile.hangs());

        let place = Arc::<Place>::default();
        assert!(place.take());
        let long = std::pin::pin!(async {
            tokio::time::sleep(Duration::from_secs(60)).await;
            Ok(())
        });
        assert_eq!(turnstile.patiently(&place, long).await, Ok(()));
        assert!(turnstile.hangs(), "nobody noticed");
        place.leave();
        assert!(!turnstile.hangs());
    }
}
