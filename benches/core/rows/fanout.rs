//! One agent's events to many WebSockets, in bursts that fit the outbox of each.
//!
//! Never counts an event that one of the readers did not get: a gap fails the row.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::json;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::{Run, settings};
use crate::Res;
use crate::finding::{Finding, Target};
use crate::seed;
use crate::server::{Bare, Server, processor};
use crate::socket::Socket;
use crate::stats::{in_turns, real};

/// Events of a burst: below the 256 frames that may wait for a reader.
const BURST: u64 = 200;
/// How the frame of such an event begins.
const EVENT: &[u8] = b"{\"type\":\"agent.message\",\"event\":\"assistant_message\"";
/// How the words of a gap begin: its names are sorted.
const GAP: &[u8] = b"{\"after";

/// Both sizes.
pub async fn run(run: &Run<'_>) -> Res<Vec<Finding>> {
    let sizes: &[u64] = if run.quick { &[100] } else { &[100, 1_000] };
    let mut found = Vec::new();
    for size in sizes {
        found.push(to(*size, run).await?);
    }
    Ok(found)
}

async fn to(clients: u64, run: &Run<'_>) -> Res<Finding> {
    let place = run.database.place()?;
    seed::empty(&place).await?;
    let server = Server::start(&place, &settings("")).await?;
    let turns = json!([[{"flood": {"lines": BURST, "bytes": 200}}]]);
    let id = server.player("burst", &turns).await?;
    let follow = json!({"type": "subscribe", "channels": ["*"], "agentId": id}).to_string();

    // The bare one sends a frame of ours.
    let frame = sample(&server, &id, &follow).await?;
    let file = place.path().join("frame");
    std::fs::write(&file, &frame)?;
    let mut bare = Bare::start(&["broadcast", &file.to_string_lossy()])?;
    let mut orders = bare.orders.take().ok_or("no orders")?;

    let ours = Crowd::gather(clients, &server.address, (&server.token, Some(&follow))).await?;
    let theirs = Crowd::gather(clients, &bare.address, ("", None)).await?;
    let bursts = match (run.quick, clients) {
        (true, _) => 5,
        (false, 100) => 25,
        (false, _) => 9,
    };
    let mut order = async || {
        writeln!(orders, "{BURST}")?;
        Ok(())
    };
    let (mut our_time, mut bare_time) = (0.0, 0.0);
    let pair = in_turns(
        bursts,
        async || {
            let before = processor(bare.pid())?;
            let rate = theirs.burst(order()).await;
            bare_time += processor(bare.pid())? - before;
            rate
        },
        async || {
            let before = processor(server.pid())?;
            let rate = ours.burst(server.turn(&id, "more")).await;
            our_time += processor(server.pid())? - before;
            rate
        },
    )
    .await?;
    server.stop().await?;
    let name = format!("fan-out to {clients} WebSockets");
    let note = format!(
        "bursts of {BURST} events, {} bytes a frame; processor time of a delivery {:.1} times \
         the bare one's",
        frame.len(),
        our_time / bare_time
    );
    Ok(Finding::ratio(&name, &pair, "deliveries/s", Target::AtLeast(0.7)).noting(note))
}

/// The frame of one of the agent's lines.
async fn sample(server: &Server, id: &str, follow: &str) -> Res<Vec<u8>> {
    let mut socket = Socket::open(&server.address, &server.token).await?;
    socket.say(follow).await?;
    socket.wait_for("\"type\":\"hello\"").await?;
    server.turn(id, "one").await?;
    socket.wait_for(std::str::from_utf8(EVENT)?).await
}

/// Many readers, each a task.
struct Crowd {
    count: u64,
    shared: Arc<Shared>,
    readers: Vec<JoinHandle<Res<()>>>,
}

#[derive(Default)]
struct Shared {
    goal: AtomicU64,
    seen: AtomicU64,
    gaps: AtomicU64,
    span: Mutex<(Option<Instant>, Option<Instant>)>,
    all: Notify,
}

impl Shared {
    fn take(&self, frame: &[u8]) {
        if frame.starts_with(GAP) {
            self.gaps.fetch_add(1, Ordering::SeqCst);
        }
        if !frame.starts_with(EVENT) {
            return;
        }
        let seen = self.seen.fetch_add(1, Ordering::SeqCst) + 1;
        if seen == 1 {
            self.span().0 = Some(Instant::now());
        }
        if seen == self.goal.load(Ordering::SeqCst) {
            self.span().1 = Some(Instant::now());
            self.all.notify_one();
        }
    }

    fn span(&self) -> MutexGuard<'_, (Option<Instant>, Option<Instant>)> {
        self.span.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Crowd {
    async fn gather(count: u64, address: &str, (token, say): (&str, Option<&str>)) -> Res<Self> {
        let shared = Arc::new(Shared::default());
        let mut readers = Vec::new();
        for _reader in 0..count {
            let mut socket = Socket::open(address, token).await?;
            if let Some(text) = say {
                socket.say(text).await?;
            }
            socket.wait_for("\"type\":\"hello\"").await?;
            let shared = Arc::clone(&shared);
            readers.push(tokio::spawn(async move {
                loop {
                    socket.read(|frame| shared.take(frame)).await?;
                }
            }));
        }
        Ok(Self {
            count,
            shared,
            readers,
        })
    }

    /// Deliveries a second, from the first to the last of a burst.
    async fn burst(&self, begin: impl Future<Output = Res<()>>) -> Res<f64> {
        let goal = self.count * BURST;
        self.shared.seen.store(0, Ordering::SeqCst);
        self.shared.goal.store(goal, Ordering::SeqCst);
        let all = self.shared.all.notified();
        let both = async { tokio::join!(all, begin).1 };
        match timeout(Duration::from_secs(30), both).await {
            Ok(begun) => begun?,
            Err(_late) => {
                let seen = self.shared.seen.load(Ordering::SeqCst);
                let gaps = self.shared.gaps.load(Ordering::SeqCst);
                return Err(format!("{seen} of {goal} deliveries came, {gaps} gaps").into());
            }
        }
        let (Some(begun), Some(ended)) = *self.shared.span() else {
            return Err("a burst without its first or last delivery".into());
        };
        Ok(real(goal) / (ended - begun).as_secs_f64())
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for reader in &self.readers {
            reader.abort();
        }
    }
}
