//! What the machine does: looked at about once a second while somebody asks or watches.
//!
//! Never a look that nobody wants, and never more than the last one is kept.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::App;
use crate::domain::machine::{Machine, Reading};

/// From one look to the next.
const EVERY: Duration = Duration::from_secs(1);
/// From the first to the second: rates need two, and somebody waits.
const FIRST: Duration = Duration::from_millis(200);
/// So long behind a question the looks go on: who asks again need not wait.
const KEPT: Duration = Duration::from_secs(10);
/// Longest wait for the first figures.
const PATIENCE: Duration = Duration::from_secs(3);

/// Looks at the machine. Blocks for as long as the kernel takes.
pub type MachineLooker = Arc<dyn Fn() -> Reading + Send + Sync>;

type Figures = Option<Arc<Machine>>;

/// The looks at the machine.
pub(super) struct Sampler {
    looker: OnceLock<MachineLooker>,
    state: Mutex<State>,
    news: watch::Sender<Figures>,
}

#[derive(Default)]
struct State {
    /// Whether somebody looks.
    runs: bool,
    watchers: usize,
    /// Until when they go on for those who asked.
    until: Option<Instant>,
}

impl Default for Sampler {
    fn default() -> Self {
        Self {
            looker: OnceLock::new(),
            state: Mutex::default(),
            news: watch::Sender::new(None),
        }
    }
}

impl Sampler {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether anybody still wants it; if not, the last figures go too.
    fn goes_on(&self) -> bool {
        let mut state = self.lock();
        let asked = state.until.is_some_and(|until| until > Instant::now());
        state.runs = state.watchers > 0 || asked;
        if !state.runs {
            self.news.send_replace(None);
        }
        state.runs
    }
}

/// Whoever looks; says so when it is cut off.
struct Looking<'a> {
    of: &'a Sampler,
    over: bool,
}

impl Drop for Looking<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.of.lock().runs = false;
        }
    }
}

/// The figures of the machine as they come, about one in a second. Dropped, it watches no more.
pub struct MachineWatch {
    app: App,
    news: watch::Receiver<Figures>,
}

impl MachineWatch {
    /// The next figures; the first ones as soon as there are any.
    pub async fn next(&mut self) -> Arc<Machine> {
        loop {
            // Whoever looked may have been cut off.
            self.app.look_on();
            if let Ok(Ok(())) = timeout(PATIENCE, self.news.changed()).await {
                let figures = self.news.borrow_and_update().clone();
                if let Some(figures) = figures {
                    return figures;
                }
            }
        }
    }
}

impl Drop for MachineWatch {
    fn drop(&mut self) {
        let mut state = self.app.inner.machine.lock();
        state.watchers = state.watchers.saturating_sub(1);
    }
}

impl App {
    /// Says how to look at the machine. Once; a later one is ignored.
    pub fn look_at_machine_with(&self, looker: MachineLooker) {
        let _kept_the_first = self.inner.machine.looker.set(looker);
    }

    /// What the machine does; none when nobody said how to look, or the look takes too long.
    pub async fn machine(&self) -> Option<Arc<Machine>> {
        let sampler = &self.inner.machine;
        sampler.looker.get()?;
        let mut news = sampler.news.subscribe();
        sampler.lock().until = Some(Instant::now() + KEPT);
        self.look_on();
        let found = timeout(PATIENCE, news.wait_for(Option::is_some)).await;
        found.ok()?.ok()?.clone()
    }

    /// Watches what the machine does.
    #[must_use]
    pub fn watch_machine(&self) -> MachineWatch {
        let sampler = &self.inner.machine;
        let mut news = sampler.news.subscribe();
        // What is known already comes first.
        news.mark_changed();
        let mut state = sampler.lock();
        state.watchers = state.watchers.saturating_add(1);
        drop(state);
        MachineWatch {
            app: self.clone(),
            news,
        }
    }

    /// Begins to look, if nobody does.
    fn look_on(&self) {
        let Some(looker) = self.inner.machine.looker.get().cloned() else {
            return;
        };
        if !std::mem::replace(&mut self.inner.machine.lock().runs, true) {
            let app = self.clone();
            tokio::spawn(async move { app.sample(looker).await });
        }
    }

    async fn sample(self, looker: MachineLooker) {
        let sampler = &self.inner.machine;
        let mut looking = Looking {
            of: sampler,
            over: false,
        };
        let look = || {
            let looker = Arc::clone(&looker);
            tokio::task::spawn_blocking(move || looker())
        };
        let (mut at, mut pause) = (Instant::now(), FIRST);
        let Ok(mut before) = look().await else {
            return;
        };
        loop {
            sleep(pause).await;
            pause = EVERY;
            let Ok(now) = look().await else {
                return;
            };
            let between = (at.elapsed(), self.now());
            at = Instant::now();
            let machine = Machine::between(&before, now.clone(), between);
            before = now;
            sampler.news.send_replace(Some(Arc::new(machine)));
            if !sampler.goes_on() {
                looking.over = true;
                return;
            }
        }
    }
}
