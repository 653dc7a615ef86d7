//! How late the server's threads are: each beats twice a second, and who looks sees the oldest beat.
//!
//! Never looked at from the thread that it is about alone: a stalled one sees nothing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How often a thread beats.
const EVERY: Duration = Duration::from_millis(500);
/// Later than this is told.
const LATE: Duration = Duration::from_secs(1);

/// How far to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// At the server's process alone.
    Process,
    /// Also at every process of the machine, for keepers and what they left.
    Kin,
}

/// Looks at the server's process. Blocks for as long as the kernel takes.
pub type Looker = Arc<dyn Fn(Look) -> Own + Send + Sync>;

/// How the file of the log is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFile {
    /// There, or the log is no file.
    #[default]
    Kept,
    /// It was removed or renamed, and made again then.
    Remade(Instant),
    /// It was, and cannot be made.
    Missing,
    /// It is larger than it may be, and cannot be put aside.
    Large,
}

/// What the server's own process uses, as the kernel says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Own {
    /// Bytes in memory.
    pub resident: u64,
    /// Processor time so far.
    pub cpu: Duration,
    /// Open descriptors; `None`: none is left to count them with.
    pub open_files: Option<u64>,
    /// The most that are allowed.
    pub max_files: u64,
    /// Threads.
    pub threads: u64,
    /// Lines of the log that nobody took.
    pub log_lost: u64,
    /// The file of the log.
    pub log_file: LogFile,
    /// Keepers of this data directory.
    pub keepers: u64,
    /// Ended processes that the server or its keepers have not waited for.
    pub zombies: u64,
}

impl Own {
    /// Whether new connections may find no descriptor.
    #[must_use]
    pub fn short_of_files(&self) -> bool {
        match self.open_files {
            Some(open) => self.max_files > 0 && open.saturating_add(8) >= self.max_files,
            None => self.max_files > 0,
        }
    }
}

/// One thread.
#[derive(Debug)]
struct Thread {
    number: u64,
    name: String,
    beat_at: Instant,
    told: bool,
    stalls: u64,
}

impl Thread {
    fn lag(&self, now: Instant) -> Lag {
        let late = now.saturating_duration_since(self.beat_at + EVERY);
        Lag {
            thread: self.name.clone(),
            late,
            stalls: self.stalls,
            fresh: late >= LATE && !self.told,
        }
    }
}

/// Every thread that beats.
#[derive(Debug, Default)]
pub struct Pulse {
    threads: Mutex<Vec<Thread>>,
    next: AtomicU64,
}

/// How late one thread is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lag {
    /// Its name.
    pub thread: String,
    /// How late its next beat is.
    pub late: Duration,
    /// How often it was late by a second or more.
    pub stalls: u64,
    /// Whether it is late and nobody was told.
    pub fresh: bool,
}

/// The task of one thread. When it goes, nobody waits for its beats.
#[derive(Debug)]
pub struct Beat {
    pulse: Arc<Pulse>,
    number: u64,
}

impl Pulse {
    /// A thread begins to beat.
    #[must_use]
    pub fn enter(self: &Arc<Self>, name: &str) -> Beat {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.lock().push(Thread {
            number,
            name: name.to_owned(),
            beat_at: Instant::now(),
            told: false,
            stalls: 0,
        });
        Beat {
            pulse: Arc::clone(self),
            number,
        }
    }

    /// How late each thread is.
    #[must_use]
    pub fn lags(&self) -> Vec<Lag> {
        let now = Instant::now();
        self.lock().iter().map(|thread| thread.lag(now)).collect()
    }

    /// The same for the one who tells: a stall is counted, and is not fresh to the next look.
    #[must_use]
    pub fn notice(&self) -> Vec<Lag> {
        let now = Instant::now();
        let mut threads = self.lock();
        let lags = threads.iter_mut().map(|thread| {
            if thread.lag(now).fresh {
                thread.stalls = thread.stalls.saturating_add(1);
                let seen = thread.lag(now);
                thread.told = true;
                return seen;
            }
            thread.lag(now)
        });
        lags.collect()
    }

    /// Whether some thread is late by a second or more.
    #[must_use]
    pub fn stalled(&self) -> bool {
        self.lags().iter().any(|lag| lag.late >= LATE)
    }

    /// Begins to count anew: the whole process stood still, or its looker did.
    pub fn forgive(&self) {
        let now = Instant::now();
        for thread in self.lock().iter_mut() {
            thread.beat_at = now;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Thread>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Beat {
    /// Beats for as long as it is polled.
    pub async fn go_on(self) {
        let mut beats = tokio::time::interval(EVERY);
        beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            beats.tick().await;
            let mut threads = self.pulse.lock();
            let mut threads = threads.iter_mut();
            if let Some(own) = threads.find(|thread| thread.number == self.number) {
                own.beat_at = Instant::now();
                own.told = false;
            }
        }
    }
}

impl Drop for Beat {
    fn drop(&mut self) {
        self.pulse
            .lock()
            .retain(|thread| thread.number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_thread_that_does_not_beat_is_late_and_told_once() {
        let pulse = Arc::new(Pulse::default());
        let held = pulse.enter("a");
        let beating = tokio::spawn(pulse.enter("b").go_on());
        tokio::time::sleep(Duration::from_millis(1_600)).await;
        assert!(pulse.stalled());
        assert!(pulse.lags()[0].fresh, "a look of others changes nothing");
        let late = pulse.notice();
        assert_eq!(late[0].late, Duration::from_millis(1_100));
        assert!(late[0].fresh && late[0].stalls == 1, "{late:?}");
        assert!(late[1].late < EVERY && late[1].stalls == 0, "{late:?}");
        assert!(!pulse.notice()[0].fresh, "told twice");
        pulse.forgive();
        assert!(!pulse.stalled());
        drop(held);
        beating.abort();
        let _aborted = beating.await;
        assert!(pulse.lags().is_empty(), "who has gone is waited for");
    }

    #[test]
    fn the_last_descriptors_are_told_before_they_are_gone() {
        let own = |open_files, max_files| Own {
            open_files,
            max_files,
            ..Own::default()
        };
        assert!(!own(Some(40), 1_024).short_of_files());
        assert!(own(Some(1_020), 1_024).short_of_files());
        assert!(own(None, 1_024).short_of_files());
        assert!(!own(None, 0).short_of_files(), "nobody has looked yet");
    }
}
