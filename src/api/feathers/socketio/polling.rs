//! The transport by requests: one waits for packets, others bring them.
//!
//! Never two of a kind at once: packets would change places, so a second one ends the connection.

use std::fmt::Write as _;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, dev};

use super::engine::{Refused, Step, Transport, open};
use super::link::Link;
use super::links::Links;
use super::packet::{Frame, SEPARATOR};
use super::routes::refused;
use crate::api::live::close::Close;
use crate::api::live::cutter::{Line, Watched};
use crate::api::live::frame::{Body, Next};
use crate::api::shared::{Reply, body};
use crate::app::App;
use crate::crash;
use crate::domain::Result;

/// Characters of an answer behind which the rest waits for the next.
const ENOUGH: usize = 256 * 1024;

/// Opens a connection.
///
/// # Errors
/// `too_many_connections`, `draining`.
pub fn begin(app: &App, links: &Links, token: Result<Option<String>>) -> Reply {
    let (link, asked) = Link::new(app, links, Transport::Polling, token)?;
    links.keep(&link, asked);
    Ok(text(open(&link.sid, Transport::Polling)))
}

/// Waits for packets.
///
/// # Errors
/// None.
pub async fn wait(link: Arc<Link>, request: &HttpRequest) -> Reply {
    let Some(_turn) = Turn::take(&link.polled) else {
        link.outbox.close(Close::Protocol);
        return Ok(refused(Refused::Request));
    };
    if link.engine().transport() != Transport::Polling {
        return Ok(refused(Refused::Request));
    }
    let line = request.conn_data::<Arc<Line>>();
    let watched = line.and_then(|line| line.watched());
    tokio::select! {
        packets = packets(&link) => Ok(text(packets)),
        () = gone(watched) => {
            // What it would have taken is lost with it.
            link.outbox.close(Close::Silent);
            Ok(refused(Refused::Sid))
        }
    }
}

/// Takes packets.
///
/// # Errors
/// `bad_body`, `too_large`.
pub async fn post(link: Arc<Link>, payload: dev::Payload) -> Reply {
    let Some(_turn) = Turn::take(&link.posted) else {
        link.outbox.close(Close::Protocol);
        return Ok(refused(Refused::Request));
    };
    let brought = body::collect(payload, link.limit.now()).await;
    let brought = brought.inspect_err(|_| link.outbox.close(Close::TooLarge))?;
    let Ok(all) = std::str::from_utf8(&brought) else {
        link.outbox.close(Close::Protocol);
        return Ok(refused(Refused::Request));
    };
    link.outbox.heard();
    for packet in all.split(SEPARATOR) {
        match link.take(Transport::Polling, packet) {
            Step::Fault => return Ok(refused(Refused::Request)),
            Step::End => break,
            Step::Nothing | Step::Message(_) | Step::Probed | Step::Upgraded | Step::Abandon => {}
        }
    }
    Ok(text("ok".to_owned()))
}

/// What waits to go out, as soon as there is any; or nothing, where another transport takes over.
async fn packets(link: &Link) -> String {
    let mut all = String::new();
    poll_fn(|cx| {
        crash::point("socket.polled");
        while all.len() < ENOUGH {
            if link.engine().transport() != Transport::Polling {
                break;
            }
            match link.outbox.poll(cx) {
                Poll::Ready(next) => {
                    if add(&mut all, next) {
                        return Poll::Ready(());
                    }
                }
                // Looked at behind the waker: whoever hurries it wakes it then.
                Poll::Pending if all.is_empty() && !link.engine().hurries() => {
                    return Poll::Pending;
                }
                Poll::Pending => break,
            }
        }
        Poll::Ready(())
    })
    .await;
    match all.is_empty() {
        true => Frame::Noop.write(),
        false => all,
    }
}

/// Adds what comes next. Whether it is the last.
fn add(all: &mut String, next: Next) -> bool {
    let (text, last) = match next {
        Next::Frame(Body::Text(text)) => (text.to_string(), false),
        Next::Ping => (Frame::Ping("").write(), false),
        Next::Close(_) | Next::Over => (Frame::Close.write(), true),
        // Nobody brings these to such a connection.
        Next::Frame(Body::Binary(_)) | Next::Piece(_) | Next::Pong(_) => return false,
    };
    let between = if all.is_empty() {
        String::new()
    } else {
        SEPARATOR.to_string()
    };
    // A text takes all that is written.
    let _ = write!(all, "{between}{text}");
    last
}

async fn gone(watched: Option<Watched>) {
    match watched {
        Some(watched) => watched.gone().await,
        // Without a descriptor to look at, silence tells.
        None => std::future::pending().await,
    }
}

fn text(body: String) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; charset=UTF-8")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(body)
}

/// The right to be the only request of its kind; dropping it gives it back.
struct Turn<'a>(&'a AtomicBool);

impl<'a> Turn<'a> {
    fn take(taken: &'a AtomicBool) -> Option<Self> {
        (!taken.swap(true, Ordering::AcqRel)).then_some(Self(taken))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
