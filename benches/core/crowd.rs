//! Many readers of one agent's events, over WebSockets or event streams.
//!
//! Never counts an event that one of the readers did not get: a gap fails the row.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::Res;
use super::parts::Parts;
use super::socket::{Socket, has};
use super::stats::real;

/// Events of a burst: below the 256 frames that may wait for a reader.
pub const BURST: u64 = 200;

/// How the readers follow.
#[derive(Clone, Copy)]
pub enum Way<'a> {
    /// A WebSocket, with its first words; a bare one needs none.
    Socket(Option<&'a str>),
    /// An event stream at this path.
    Stream(&'a str),
}

/// One of them.
pub enum Reader {
    /// A WebSocket.
    Socket(Socket),
    /// An event stream.
    Stream(Parts),
}

impl Reader {
    /// Connects and waits for the first words of the server.
    pub async fn open(address: &str, token: &str, way: Way<'_>) -> Res<Self> {
        let mut reader = match way {
            Way::Socket(say) => {
                let mut socket = Socket::open(address, token).await?;
                if let Some(text) = say {
                    socket.say(text).await?;
                }
                Self::Socket(socket)
            }
            Way::Stream(path) => Self::Stream(Parts::open(address, path, token).await?),
        };
        reader.wait_for("\"type\":\"hello\"").await?;
        Ok(reader)
    }

    /// Reads until a frame has these words, and returns it.
    pub async fn wait_for(&mut self, words: &str) -> Res<Vec<u8>> {
        match self {
            Self::Socket(socket) => socket.wait_for(words).await,
            Self::Stream(parts) => parts.wait_for(words).await,
        }
    }

    async fn read(&mut self, each: impl FnMut(&[u8])) -> Res<()> {
        match self {
            Self::Socket(socket) => socket.read(each).await,
            Self::Stream(parts) => parts.read(each).await,
        }
    }
}

/// Many readers, each a task.
pub struct Crowd {
    count: u64,
    shared: Arc<Shared>,
    readers: Vec<JoinHandle<Res<()>>>,
}

struct Shared {
    /// The words of an event that counts, and of a gap.
    words: (&'static str, &'static str),
    goal: AtomicU64,
    seen: AtomicU64,
    gaps: AtomicU64,
    span: Mutex<(Option<Instant>, Option<Instant>)>,
    all: Notify,
}

impl Shared {
    fn take(&self, frame: &[u8]) {
        let (event, gap) = self.words;
        // Both stand at the beginning.
        let head = frame.get(..frame.len().min(120)).unwrap_or_default();
        if !has(head, event) {
            let gap = u64::from(has(head, gap));
            self.gaps.fetch_add(gap, Ordering::SeqCst);
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
    /// So many readers; `words` are those of an event that counts and of a gap.
    pub async fn gather(
        count: u64,
        (address, token): (&str, &str),
        way: Way<'_>,
        words: (&'static str, &'static str),
    ) -> Res<Self> {
        let shared = Arc::new(Shared {
            words,
            goal: AtomicU64::default(),
            seen: AtomicU64::default(),
            gaps: AtomicU64::default(),
            span: Mutex::default(),
            all: Notify::default(),
        });
        let mut readers = Vec::new();
        for _reader in 0..count {
            let mut reader = Reader::open(address, token, way).await?;
            let shared = Arc::clone(&shared);
            readers.push(tokio::spawn(async move {
                loop {
                    reader.read(|frame| shared.take(frame)).await?;
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
    pub async fn burst(&self, begin: impl Future<Output = Res<()>>) -> Res<f64> {
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
