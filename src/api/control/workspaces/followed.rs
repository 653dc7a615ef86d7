//! A command that is followed: events as it goes.
//!
//! Never more in memory than one piece, and never kept for a reader that does not read.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::body::SizedStream;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, LocalBoxStream};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::exec::gone;
use super::wire;
use crate::api::live::cutter::{Line, Watched};
use crate::api::shared::error::body as refusal;
use crate::app::{App, Channel, Finish, Over, Run, Seat, Step};
use crate::domain::Error;

/// How long a follower hears nothing at most.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Bytes of an answer that are handed out at once.
const PIECE: usize = 64 * 1024;
/// How long the last words of a command wait for a reader that has stopped to read.
const LAST_WORDS: Duration = Duration::from_secs(60);
/// The same where the server stops, or where the reader was shut out.
const SOON: Duration = Duration::from_millis(500);
/// How long a reader may take for what was handed out already, where the server stops.
const GOODBYE: Duration = Duration::from_secs(5);

/// A command that is followed.
struct Followed {
    run: Run,
    line: Option<Watched>,
    /// What was told of each output, and the beginning of a character that is not whole.
    told: [(u64, Vec<u8>); 2],
    /// How often somebody has asked for more.
    asked: Arc<AtomicU64>,
    over: bool,
}

/// Events as they are asked for: who does not read slows the command.
pub fn events(
    app: &App,
    run: Run,
    request: &HttpRequest,
) -> LocalBoxStream<'static, Result<Bytes, std::io::Error>> {
    let line = request.conn_data::<Arc<Line>>();
    let asked = Arc::new(AtomicU64::new(0));
    if let Some(line) = line {
        let (line, reads) = (Arc::downgrade(line), Arc::downgrade(&asked));
        tokio::spawn(cut_if_unread((run.over(), app.drain_signal()), reads, line));
    }
    let followed = Followed {
        run,
        line: line.and_then(|line| line.watched()),
        told: Default::default(),
        asked,
        over: false,
    };
    let events = stream::unfold(followed, |mut followed| async move {
        if followed.over {
            return None;
        }
        let event = followed.next().await?;
        Some((Ok(event), followed))
    });
    events.boxed_local()
}

/// An answer that is handed out as it is read. Its command's place is taken as long as it is here.
pub fn handed(
    app: &App,
    seat: Arc<Seat>,
    whole: Bytes,
    request: &HttpRequest,
) -> SizedStream<LocalBoxStream<'static, Result<Bytes, std::io::Error>>> {
    let asked = Arc::new(AtomicU64::new(0));
    if let Some(line) = request.conn_data::<Arc<Line>>() {
        let (line, reads) = (Arc::downgrade(line), Arc::downgrade(&asked));
        let over = (std::future::ready(Over::Ended), app.drain_signal());
        tokio::spawn(cut_if_unread(over, reads, line));
    }
    let size = u64::try_from(whole.len()).unwrap_or(u64::MAX);
    let pieces = stream::unfold((whole, asked, seat), |(mut rest, asked, seat)| async move {
        asked.fetch_add(1, Ordering::Relaxed);
        let piece = rest.split_to(rest.len().min(PIECE));
        (!piece.is_empty()).then_some((Ok(piece), (rest, asked, seat)))
    });
    SizedStream::new(size, pieces.boxed_local())
}

/// Cuts the line of somebody who does not read on when the command is over: its last words are not
/// kept for ever, and not for long where the server stops or its person was shut out.
async fn cut_if_unread(
    (over, mut drain): (impl Future<Output = Over>, watch::Receiver<bool>),
    reads: Weak<AtomicU64>,
    line: Weak<Line>,
) {
    let over = over.await;
    while let Some(before) = reads.upgrade().map(|reads| reads.load(Ordering::Relaxed)) {
        let soon = over == Over::Refused || *drain.borrow_and_update();
        let patience = if soon { SOON } else { LAST_WORDS };
        tokio::select! {
            () = sleep(patience) => {}
            // Without a sender nobody drains any more.
            Ok(()) = drain.changed() => continue,
        }
        let now = reads.upgrade().map(|reads| reads.load(Ordering::Relaxed));
        if now == Some(before) {
            if let Some(line) = line.upgrade() {
                line.cut();
            }
            return;
        }
    }
    cut_if_unsent(drain, line).await;
}

/// Cuts the line of somebody who does not take what was written last, where the server stops: all of an
/// answer may have been handed out and some of it wait still.
async fn cut_if_unsent(mut drain: watch::Receiver<bool>, line: Weak<Line>) {
    while !*drain.borrow_and_update() {
        tokio::select! {
            () = sleep(LAST_WORDS) => return,
            changed = drain.changed() => if changed.is_err() { return },
        }
    }
    sleep(GOODBYE).await;
    if let Some(line) = line.upgrade() {
        line.cut();
    }
}

impl Followed {
    /// The next event; `None` when the client has gone.
    async fn next(&mut self) -> Option<Bytes> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let step = tokio::select! {
            step = timeout(HEARTBEAT, self.run.next()) => step,
            () = gone(self.line.as_ref()) => return None,
        };
        Some(match step {
            Err(_quiet) => frame("heartbeat", json!({})),
            Ok(Ok(Step::Out(channel, bytes))) => self.out(channel, &bytes),
            Ok(Ok(Step::Ended(end))) => self.end(end),
            Ok(Err(error)) => {
                self.over = true;
                let error = Error::from(error);
                let told = Value::Object(refusal(error.code(), &error.to_string()));
                frame("error", told)
            }
        })
    }

    fn out(&mut self, channel: Channel, bytes: &[u8]) -> Bytes {
        let [out, err] = &mut self.told;
        let (offset, held) = match channel {
            Channel::Stdout => out,
            Channel::Stderr => err,
        };
        held.extend_from_slice(bytes);
        let whole = held.len().saturating_sub(crate::app::unfinished(held));
        let rest = held.split_off(whole);
        let text = String::from_utf8_lossy(held);
        let event = frame(channel.name(), json!({"offset": *offset, "text": text}));
        *offset = offset.saturating_add(u64::try_from(whole).unwrap_or(u64::MAX));
        *held = rest;
        event
    }

    /// What was held back is no character any more; then the end.
    fn end(&mut self, end: Finish) -> Bytes {
        self.over = true;
        let mut last = Vec::new();
        for (channel, (offset, held)) in [Channel::Stdout, Channel::Stderr]
            .iter()
            .zip(&mut self.told)
        {
            if held.is_empty() {
                continue;
            }
            let text = String::from_utf8_lossy(held);
            let event = json!({"offset": *offset, "text": text});
            last.extend_from_slice(&frame(channel.name(), event));
            *offset = offset.saturating_add(u64::try_from(held.len()).unwrap_or(u64::MAX));
        }
        let [(out, _), (err, _)] = &self.told;
        let exit = wire::exit(end, (*out, *err), (false, false));
        let exit = serde_json::to_value(exit).unwrap_or_default();
        last.extend_from_slice(&frame("exit", exit));
        last.into()
    }
}

fn frame(event: &str, mut data: Value) -> Bytes {
    if let Some(fields) = data.as_object_mut() {
        fields.insert("type".into(), event.into());
    }
    format!("event: {event}\ndata: {data}\n\n").into()
}
