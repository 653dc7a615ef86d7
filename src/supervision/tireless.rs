//! A task beside the tree that nobody waits for: begun again when it panics.
//!
//! Never a storm: each time after a longer pause, up to the cap of the curve.

use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use tokio::time::Instant;

use super::{Backoff, panic};

/// Runs what `begin` makes to its end, and anew after each panic.
pub async fn tireless<F, Fut>(name: &str, mut begin: F)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = ()>,
{
    let backoff = Backoff::default();
    let mut row = 0;
    loop {
        let since = Instant::now();
        let Err(payload) = AssertUnwindSafe(begin()).catch_unwind().await else {
            return;
        };
        row = backoff.streak(row, since.elapsed());
        let pause = backoff.delay(row, 0.5);
        let reason = panic::text_of_caught(payload.as_ref());
        tracing::error!(
            task = name,
            reason,
            ?pause,
            "a task panicked and is begun again"
        );
        tokio::time::sleep(pause).await;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_begun_again_after_a_pause_until_it_ends() {
        let (begun, since) = (Cell::new(0), Instant::now());
        tireless("test", || async {
            begun.set(begun.get() + 1);
            assert!(begun.get() == 4, "not yet");
        })
        .await;
        assert_eq!(begun.get(), 4);
        assert!(since.elapsed() >= Duration::from_millis(50 + 100 + 200));
    }
}
