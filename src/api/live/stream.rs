//! A connection that only listens: the body of an event stream (SSE), over the outbox, the
//! subscriptions and the watch that a WebSocket has.
//!
//! Never more in memory than a WebSocket's reader may leave: the outbox is the only buffer.

use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse};
use bytes::{Bytes, BytesMut};

use crate::app::{App, Caller, Connection, Registration, Visit};
use crate::crash;
use crate::domain::{Result, SessionId};

use super::cutter::{Line, Watched, watch};
use super::dialect::{Channels, Dialect, Reply, Start};
use super::follow::Follows;
use super::outbox::{Body, Next, Outbox};

/// How often a sign of life goes out (decisions.md 5).
const BEAT_EVERY: Duration = Duration::from_secs(15);
/// Bytes that are written at one time, when more waits.
const CHUNK: usize = 16 * 1024;

/// What a stream is about, and from where it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Which agent; `None`: all that the client may see.
    pub agent: Option<SessionId>,
    /// From where.
    pub start: Start,
}

/// Answers a request with a stream that speaks `dialect`.
///
/// # Errors
/// `not_found`, `epoch_changed`, `too_many_connections`, `draining`, `token_revoked`.
pub async fn accept<D: Dialect>(
    app: &App,
    (visit, request): (Visit, &HttpRequest),
    dialect: D,
    subject: Subject,
) -> Result<HttpResponse> {
    let outbox = Arc::new(Outbox::new());
    let listed: Arc<dyn Connection> = Arc::<Outbox>::clone(&outbox);
    let (registration, visit) = app.register(&visit, listed).await?;
    let dialect = Arc::new(dialect);
    for frame in dialect.greeting() {
        outbox.reply(frame);
    }
    let follows = Follows::new(
        app.clone(),
        visit.who.clone(),
        Arc::clone(&dialect),
        Arc::clone(&outbox),
    );
    let channels = Channels::ALL;
    match subject.agent {
        None => follows.all(channels, &subject.start)?,
        Some(agent) => {
            let epoch = app.epoch().to_owned();
            let hello = |bounds: &crate::app::Bounds| Reply::HelloAgent {
                agent,
                epoch,
                oldest: bounds.oldest,
                latest: bounds.latest,
            };
            let start = &subject.start;
            follows.agent(agent, channels, start, hello).await?;
        }
    }
    let line = request
        .conn_data::<Arc<Line>>()
        .map_or_else(Weak::new, Arc::downgrade);
    let remaining = {
        let app = app.clone();
        move || app.remaining(&visit).unwrap_or(Duration::ZERO)
    };
    let beat = {
        let (app, dialect, outbox) = (app.clone(), Arc::clone(&dialect), Arc::clone(&outbox));
        move || {
            if let Some(frame) = dialect.heartbeat(app.now()) {
                outbox.reply(frame);
            }
        }
    };
    let watched = line.upgrade().and_then(|line| line.watched());
    let watching = watch(Arc::clone(&outbox), line, remaining, (BEAT_EVERY, beat));
    let left = leave(watched, Arc::clone(&outbox));
    outbox.serve(Caller::carry(async {
        tokio::select! {
            () = watching => {}
            () = left => {}
        }
    }));
    let mut answer = HttpResponse::Ok();
    answer
        // The watch cuts the line behind the end; nobody else may be on it then.
        .force_close()
        .content_type("text/event-stream; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "no-store, no-transform"))
        .insert_header(("X-Accel-Buffering", "no"));
    Ok(answer.streaming(Events {
        outbox,
        dialect,
        ended: false,
        _registration: registration,
    }))
}

/// Ends the connection as soon as its client has gone: a page that is loaded again finds its place
/// free.
async fn leave(watched: Option<Watched>, outbox: Arc<Outbox>) {
    match watched {
        Some(watched) => watched.gone().await,
        // Without a descriptor to look at, the next write tells.
        None => std::future::pending().await,
    }
    outbox.finish();
}

/// The body of a stream. Dropping it ends the connection.
struct Events<D: Dialect> {
    outbox: Arc<Outbox>,
    dialect: Arc<D>,
    ended: bool,
    _registration: Registration,
}

impl<D: Dialect> Events<D> {
    /// Adds what comes next, if it has a form here.
    fn write(&mut self, next: Next, out: &mut BytesMut) {
        let text = match next {
            Next::Frame(Body::Text(text)) => Some(text),
            Next::Piece(piece) => self.dialect.piece(&piece),
            // Taking it shows that the reader reads; there is nobody who could answer.
            Next::Ping => {
                self.outbox.heard();
                None
            }
            Next::Frame(Body::Binary(_)) | Next::Pong(_) => None,
            Next::Close(close) => {
                self.ended = true;
                self.dialect.farewell(close)
            }
            Next::Over => {
                self.ended = true;
                None
            }
        };
        if let Some(text) = text {
            out.extend_from_slice(text.as_bytes());
        }
    }
}

impl<D: Dialect> futures_util::Stream for Events<D> {
    type Item = std::result::Result<Bytes, actix_web::Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        crash::point("stream.pull");
        let events = self.get_mut();
        let mut out = BytesMut::new();
        while !events.ended && out.len() < CHUNK {
            let Poll::Ready(next) = events.outbox.poll(cx) else {
                break;
            };
            events.write(next, &mut out);
        }
        match (out.is_empty(), events.ended) {
            (false, _) => Poll::Ready(Some(Ok(out.freeze()))),
            (true, true) => Poll::Ready(None),
            (true, false) => Poll::Pending,
        }
    }
}

impl<D: Dialect> Drop for Events<D> {
    fn drop(&mut self) {
        self.outbox.finish();
    }
}
