//! The watch over one connection from outside its actor: pings, slowness, the end of its token,
//! and the cut of a line whose reader does not read.
//!
//! Never depends on the actor being polled: a stalled reader freezes that.

use std::io::ErrorKind;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::io::Interest;
use tokio::net::TcpStream as Watching;
use tokio::time::{Instant, sleep_until, timeout};

use crate::crash;

use super::close::Close;
use super::outbox::{OVERFLOW_GRACE, Outbox, Standing};

/// How often the client is asked whether it is there (contract/octipus.md 4).
pub const PING_EVERY: Duration = Duration::from_secs(30);
/// Unanswered pings that end a connection.
const MISSES: u8 = 2;
/// How long a close frame may take before the line is cut.
const CLOSE_GRACE: Duration = Duration::from_secs(1);
/// The same when the token ended or its rights changed: the socket has to be gone within a second (decisions.md 7).
const AUTH_GRACE: Duration = Duration::from_millis(500);

/// A second descriptor of a connection's socket. The connection owns the only strong reference:
/// held elsewhere it would keep the socket open.
#[derive(Debug)]
pub struct Line(TcpStream);

impl Line {
    /// Takes a duplicate of the connection's descriptor.
    #[must_use]
    pub fn new(duplicate: TcpStream) -> Arc<Self> {
        Arc::new(Self(duplicate))
    }

    /// A descriptor of one's own to watch the client by; `None` when there is none to be had.
    #[must_use]
    pub fn watched(&self) -> Option<Watched> {
        let own = self.0.try_clone().ok()?;
        Watching::from_std(own).ok().map(Watched)
    }

    /// Ends the connection in both directions, whatever waits in it.
    pub fn cut(&self) {
        // It fails only when the peer ended it first.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// A look at whether a client is there still, beside the reads of its connection. It keeps the socket
/// open, so it goes with the request that looks.
#[derive(Debug)]
pub struct Watched(Watching);

impl Watched {
    /// Waits until the client has said its last word: who waits for an answer keeps its end open.
    pub async fn gone(&self) {
        while let Ok(ready) = self.0.ready(Interest::READABLE).await {
            if ready.is_read_closed() {
                return;
            }
            // What came is for the connection to read; the next change wakes this again.
            let unread = || Err::<(), _>(ErrorKind::WouldBlock.into());
            let _cleared = self.0.try_io(Interest::READABLE, unread);
        }
    }
}

/// How a connection is watched: how often its client is asked, how many questions may stay without an
/// answer, and what goes with each of them.
pub struct Beat<F> {
    /// How often.
    pub every: Duration,
    /// Unanswered ones that end it.
    pub misses: u8,
    /// What goes with each.
    pub with: F,
}

impl<F: Fn()> From<(Duration, F)> for Beat<F> {
    fn from((every, with): (Duration, F)) -> Self {
        Self {
            every,
            misses: MISSES,
            with,
        }
    }
}

/// Watches one connection to its end. How long its token is still good for is asked again with each
/// look: a wall clock may jump, a machine may sleep, and a connection may get another token.
pub async fn watch<F: Fn()>(
    outbox: Arc<Outbox>,
    line: Weak<Line>,
    remaining: impl Fn() -> Duration,
    beat: impl Into<Beat<F>>,
) {
    let Beat {
        every,
        misses,
        with,
    } = beat.into();
    let mut ping_at = Instant::now() + every;
    loop {
        crash::point("socket.watch");
        let changed = outbox.changed();
        match outbox.standing() {
            Standing::Over | Standing::Closing(_) => return cut_behind(&outbox, &line).await,
            Standing::Open(behind_since) => {
                let token_ends = Instant::now() + remaining();
                let slow_at = behind_since.map(|since| since + OVERFLOW_GRACE);
                let next = slow_at
                    .map_or(ping_at, |at| at.min(ping_at))
                    .min(token_ends);
                let wait = next.saturating_duration_since(Instant::now());
                if timeout(wait, changed).await.is_ok() {
                    continue;
                }
                let now = Instant::now();
                if remaining().is_zero() {
                    outbox.close(Close::AuthEnded);
                } else if slow_at.is_some_and(|at| now >= at) {
                    close_if_slow(&outbox, now);
                } else if now >= ping_at {
                    ping_at = now + every;
                    with();
                    if outbox.ping() >= misses {
                        outbox.close(Close::Silent);
                    }
                }
            }
        }
    }
}

/// Cuts the line of a connection that is over or about to close, when its last frame has had time to
/// go out.
async fn cut_behind(outbox: &Outbox, line: &Weak<Line>) {
    match outbox.standing() {
        Standing::Closing(Close::AuthEnded | Close::RightsChanged) => end(line, AUTH_GRACE).await,
        Standing::Closing(_) | Standing::Over | Standing::Open(_) => end(line, CLOSE_GRACE).await,
    }
}

/// Waits for the end of a connection that somebody else watches, and cuts this line of it then.
pub async fn cut_at_end(outbox: Arc<Outbox>, line: Weak<Line>) {
    outbox.wait_end().await;
    cut_behind(&outbox, &line).await;
}

/// The reader may have come back while the watch slept.
fn close_if_slow(outbox: &Outbox, now: Instant) {
    if let Standing::Open(Some(since)) = outbox.standing()
        && now >= since + OVERFLOW_GRACE
    {
        outbox.close(Close::TooSlow);
    }
}

async fn end(line: &Weak<Line>, grace: Duration) {
    sleep_until(Instant::now() + grace).await;
    if let Some(line) = line.upgrade() {
        line.cut();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;

    use bytestring::ByteString;

    use super::super::outbox::Offered;
    use super::*;

    fn lines() -> (TcpStream, Arc<Line>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        (client, Line::new(server.try_clone().unwrap()))
    }

    fn is_cut(mut client: TcpStream) -> bool {
        client
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        matches!(client.read(&mut [0; 8]), Ok(0))
    }

    fn overflow(outbox: &Outbox) {
        let events = |count| (0..count).map(|_| ByteString::from("x")).collect();
        assert_eq!(outbox.offer(events(256), || true), Offered::Taken);
        assert_eq!(outbox.offer(events(1), || true), Offered::Later);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_stays_behind_is_closed_and_then_cut() {
        let (client, line) = lines();
        let outbox = Arc::new(Outbox::new());
        let far = || Duration::from_secs(3_600);
        let weak = Arc::downgrade(&line);
        let started = Instant::now();
        let watching = tokio::spawn(watch(Arc::clone(&outbox), weak, far, (PING_EVERY, || {})));
        overflow(&outbox);
        watching.await.unwrap();
        assert_eq!(outbox.standing(), Standing::Closing(Close::TooSlow));
        assert_eq!(started.elapsed(), Duration::from_secs(11));
        assert!(is_cut(client));
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_the_token_closes_within_a_second() {
        let (client, line) = lines();
        let outbox = Arc::new(Outbox::new());
        let started = Instant::now();
        let left = || Duration::from_secs(20).saturating_sub(started.elapsed());
        watch(
            Arc::clone(&outbox),
            Arc::downgrade(&line),
            left,
            (PING_EVERY, || {}),
        )
        .await;
        assert_eq!(outbox.standing(), Standing::Closing(Close::AuthEnded));
        assert!(started.elapsed() <= Duration::from_secs(21));
        assert!(is_cut(client));
    }

    /// The clock of the wall is set forward: the token has ended, though its time has not passed.
    #[tokio::test(start_paused = true)]
    async fn a_token_that_a_jump_of_the_clock_ends_is_seen_with_the_next_ping() {
        let outbox = Arc::new(Outbox::new());
        let started = Instant::now();
        let jumped = || match started.elapsed() < Duration::from_secs(5) {
            true => Duration::from_secs(3_600),
            false => Duration::ZERO,
        };
        watch(
            Arc::clone(&outbox),
            Weak::new(),
            jumped,
            (PING_EVERY, || {}),
        )
        .await;
        assert_eq!(outbox.standing(), Standing::Closing(Close::AuthEnded));
        assert!(started.elapsed() <= Duration::from_secs(31));
    }

    #[tokio::test(start_paused = true)]
    async fn a_protocol_may_wait_for_more_signs_of_life() {
        let outbox = Arc::new(Outbox::new());
        let started = Instant::now();
        let far = || Duration::from_secs(36_000);
        let beat = Beat {
            every: Duration::from_secs(25),
            misses: 3,
            with: || {},
        };
        watch(Arc::clone(&outbox), Weak::new(), far, beat).await;
        assert_eq!(outbox.standing(), Standing::Closing(Close::Silent));
        let silent = started.elapsed() - Duration::from_secs(25);
        assert!(silent >= Duration::from_secs(60), "{silent:?}");
    }

    /// A token that is good for longer takes the place of one that ends soon.
    #[tokio::test(start_paused = true)]
    async fn how_long_a_connection_may_last_is_asked_again() {
        let outbox = Arc::new(Outbox::new());
        let started = Instant::now();
        let left = || match started.elapsed() < Duration::from_secs(10) {
            true => Duration::from_secs(60).saturating_sub(started.elapsed()),
            false => Duration::from_secs(300).saturating_sub(started.elapsed()),
        };
        let watching = watch(Arc::clone(&outbox), Weak::new(), left, (PING_EVERY, || {}));
        let hearing = async {
            loop {
                tokio::time::sleep(Duration::from_secs(20)).await;
                outbox.heard();
            }
        };
        tokio::select! {
            () = watching => {}
            () = hearing => {}
        }
        assert!(started.elapsed() >= Duration::from_secs(300));
        assert!(started.elapsed() <= Duration::from_secs(302));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_over_two_pings_ends_it_and_a_sign_of_life_does_not() {
        let outbox = Arc::new(Outbox::new());
        let far = || Duration::from_secs(36_000);
        let watching = tokio::spawn(watch(
            Arc::clone(&outbox),
            Weak::new(),
            far,
            (PING_EVERY, || {}),
        ));
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_secs(45)).await;
            outbox.heard();
        }
        assert_eq!(outbox.standing(), Standing::Open(None));
        tokio::time::sleep(Duration::from_secs(125)).await;
        assert_eq!(outbox.standing(), Standing::Closing(Close::Silent));
        watching.await.unwrap();
    }
}
