//! The watch over the server's own threads, from one that does nothing else: a late one is told, and
//! one that does not come back ends the server, so that what started it starts it again.
//!
//! Never judges while it was held up itself: then the machine or a debugger stood still, and nobody
//! is at fault. Never takes a lock that a stalled thread may hold but the pulse's own.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};

use super::notify::{self, Manager};
use super::{logfile, logqueue};
use crate::app::{App, Lag, Look, Own};
use crate::process::{census, machine};

/// How often it looks.
const EVERY: Duration = Duration::from_millis(250);
/// Held up for longer than this, it judges nobody.
const OWN_LAG: Duration = Duration::from_millis(1_000);
/// The exit code of a server that cannot go on (sysexits.h: an internal software error).
const STALLED: i32 = 70;

/// Tells the application how to look at this process and at its machine.
pub fn look_at_self(app: &App) {
    let keepers = app.config().data_dir.join("keepers");
    app.look_with(Arc::new(move |look| match look {
        Look::Process => own(&census::Kin::default()),
        Look::Kin => own(&census::kin(&keepers)),
    }));
    let directory = app.config().data_dir.clone();
    app.look_at_machine_with(Arc::new(move || machine::look(&directory)));
}

fn own(kin: &census::Kin) -> Own {
    let own = census::own();
    Own {
        resident: own.resident,
        cpu: Duration::from_millis(own.cpu_ms),
        open_files: own.open_files,
        max_files: own.max_files,
        threads: own.threads,
        log_lost: logqueue::lost(),
        log_file: logfile::state(),
        keepers: kin.keepers,
        zombies: kin.zombies,
    }
}

/// Whether descriptors are short: told in the log when it begins and when it is over.
#[derive(Default)]
struct Shortage {
    looks: u32,
    now: bool,
}

impl Shortage {
    /// One look in so many; counting takes a while where thousands are open.
    const OF: u32 = 4;

    fn look(&mut self) {
        self.looks = self.looks.wrapping_add(1);
        if !self.looks.is_multiple_of(Self::OF) {
            return;
        }
        let own = own(&census::Kin::default());
        let short = own.short_of_files();
        if short != self.now {
            let (open, most) = (own.open_files, own.max_files);
            match short {
                true => tracing::warn!(?open, most, "nearly all file descriptors are in use"),
                false => tracing::info!(?open, most, "there are file descriptors again"),
            }
        }
        self.now = short;
    }
}

/// Beats on the current thread until its tasks end.
pub fn beat(app: &App, name: &str) {
    actix_web::rt::spawn(app.pulse().enter(name).go_on());
}

/// Starts the watching thread. It ends with the process.
///
/// # Errors
/// When the system gives no thread.
pub fn watch(app: &App, manager: Manager) -> std::io::Result<()> {
    let clock = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    let app = app.clone();
    std::thread::Builder::new()
        .name("watchdog".to_owned())
        .spawn(move || clock.block_on(look(&app, &manager)))?;
    Ok(())
}

async fn look(app: &App, manager: &Manager) {
    let exit_after = app.config().watchdog.exit_after;
    let mut looks = tokio::time::interval(EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut looked, mut said) = (Instant::now(), Instant::now());
    let mut shortage = Shortage::default();
    loop {
        looks.tick().await;
        // Looked at once: a stop of the process between two looks would be in the second alone.
        let now = Instant::now();
        let own_lag = now.duration_since(looked).saturating_sub(EVERY);
        looked = now;
        let lags = app.pulse().lags();
        let worst = lags.iter().map(|lag| lag.late).max().unwrap_or_default();
        // The lags are of now, or the process was stopped meanwhile and they say nothing.
        if own_lag >= OWN_LAG || looked.elapsed() >= OWN_LAG {
            let ms = whole_ms(own_lag.max(looked.elapsed()));
            tracing::warn!(late_ms = ms, "the whole server stood still");
            app.pulse().forgive();
            looked = Instant::now();
            continue;
        }
        if !exit_after.is_zero() && worst >= exit_after && !app.draining() {
            give_up(&lags);
        }
        shortage.look();
        for lag in app.pulse().notice().iter().filter(|lag| lag.fresh) {
            let (thread, late_ms) = (&lag.thread, whole_ms(lag.late));
            tracing::warn!(thread, late_ms, "a thread of the server is late");
        }
        if manager
            .watchdog()
            .is_some_and(|every| said.elapsed() >= every)
            && (worst < OWN_LAG || exit_after.is_zero())
        {
            manager.say(notify::ALIVE);
            said = Instant::now();
        }
    }
}

/// Tells what is known and ends the process at once: nothing of it can be asked to end in order.
fn give_up(lags: &[Lag]) {
    for lag in lags {
        let (thread, late_ms) = (&lag.thread, whole_ms(lag.late));
        tracing::error!(thread, late_ms, stalls = lag.stalls, "how late a thread is");
    }
    for (name, state, waits_in) in threads() {
        tracing::error!(thread = name, state, waits_in, "a thread of the process");
    }
    tracing::error!(
        code = STALLED,
        "a thread of the server does not come back: the server ends; its agents live on"
    );
    logqueue::flush();
    std::process::exit(STALLED);
}

/// Name, state and place in the kernel of each thread of this process.
fn threads() -> Vec<(String, String, String)> {
    let listed = std::fs::read_dir("/proc/self/task").into_iter().flatten();
    let read = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.trim().to_owned()
    };
    listed
        .flatten()
        .map(|entry| {
            let status = read(entry.path().join("status"));
            let line = |name: &str| {
                let found = status.lines().find_map(|line| line.strip_prefix(name));
                found.unwrap_or_default().trim().to_owned()
            };
            let waits_in = read(entry.path().join("wchan"));
            (line("Name:"), line("State:"), waits_in)
        })
        .collect()
}

fn whole_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threads_of_a_process_are_named() {
        let (told, heard) = std::sync::mpsc::channel::<()>();
        let (up, begun) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::Builder::new()
            .name("a-late-one".to_owned())
            .spawn(move || {
                up.send(()).unwrap();
                heard.recv().is_err()
            })
            .unwrap();
        // It has its name by then: it gives it to itself.
        begun.recv().unwrap();
        let found = threads();
        let late = found.iter().find(|(name, ..)| name == "a-late-one");
        assert!(
            late.is_some_and(|(_, state, _)| !state.is_empty()),
            "{found:?}"
        );
        drop(told);
        assert!(thread.join().unwrap());
    }
}
