//! The transport by a WebSocket: from the beginning, or in the place of requests.
//!
//! Never takes packets of the connection before the client says that it listens here.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::{Arc, Weak};

use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use bytestring::ByteString;
use tokio::time::sleep;

use super::engine::{Step, Transport, UPGRADE_WITHIN, open};
use super::link::Link;
use super::links::Links;
use super::packet::Frame;
use crate::api::live::close::Close;
use crate::api::live::cutter::{Line, cut_at_end};
use crate::api::live::outbox::Outbox;
use crate::api::live::speech::{Limit, Speech, Taken};
use crate::api::live::upgrade::{carry, handshake};
use crate::app::App;
use crate::domain::Result;

/// Opens a connection.
///
/// # Errors
/// `bad_handshake`, `too_many_connections`, `draining`.
pub fn begin(
    (app, links): (&App, &Links),
    token: Result<Option<String>>,
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse> {
    let response = handshake(request)?;
    let (link, asked) = Link::new(app, links, Transport::Websocket, token)?;
    links.keep(&link, asked);
    let outbox = Arc::clone(&link.outbox);
    link.outbox.serve(cut_at_end(outbox, line(request)));
    let wire = Wire {
        own: Arc::clone(&link.outbox),
        link,
        begins: true,
        listens: Rc::new(Cell::new(true)),
    };
    Ok(carry(response, wire, payload))
}

/// Tries a WebSocket for a connection that goes by requests.
///
/// # Errors
/// `bad_handshake`.
pub fn probe(
    link: Arc<Link>,
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse> {
    let response = handshake(request)?;
    let wire = Wire {
        own: Arc::new(Outbox::new()),
        link,
        begins: false,
        listens: Rc::new(Cell::new(false)),
    };
    let watching = wire.watched(line(request));
    wire.own.serve(watching);
    Ok(carry(response, wire, payload))
}

fn line(request: &HttpRequest) -> Weak<Line> {
    let line = request.conn_data::<Arc<Line>>();
    line.map_or_else(Weak::new, Arc::downgrade)
}

/// A WebSocket of a connection.
struct Wire {
    link: Arc<Link>,
    /// What goes out here before the connection does.
    own: Arc<Outbox>,
    /// Whether the connection begins with it.
    begins: bool,
    /// Whether the client listens here.
    listens: Rc<Cell<bool>>,
}

impl Wire {
    /// Ends a try that leads to nothing, and cuts the line behind the end.
    fn watched(&self, line: Weak<Line>) -> impl Future<Output = ()> + 'static {
        let (own, main) = (Arc::clone(&self.own), Arc::clone(&self.link.outbox));
        let listens = Rc::clone(&self.listens);
        async move {
            tokio::select! {
                () = own.wait_end() => {}
                () = main.wait_end() => {}
                () = sleep(UPGRADE_WITHIN) => {}
            }
            if listens.get() {
                return cut_at_end(main, line).await;
            }
            own.close(Close::Silent);
            cut_at_end(own, line).await;
        }
    }
}

impl Speech for Wire {
    fn outbox(&self) -> &Arc<Outbox> {
        match self.listens.get() {
            true => &self.link.outbox,
            false => &self.own,
        }
    }

    fn limit(&self) -> Limit {
        self.link.limit.clone()
    }

    fn text(&self, text: &str, _owed: usize) -> Taken {
        match self.link.take(Transport::Websocket, text) {
            Step::Probed => {
                self.own
                    .reply(ByteString::from(Frame::Pong("probe").write()));
            }
            Step::Upgraded => {
                self.listens.set(true);
                // The actor waits at its own outbox: it shall look at the connection's.
                self.own.nudge();
            }
            Step::Abandon => self.own.close(Close::Protocol),
            Step::Nothing | Step::Message(_) | Step::End | Step::Fault => {}
        }
        Taken::Handled
    }

    /// Bytes beside an event that was refused.
    fn binary(&self, _bytes: &Bytes, _owed: usize) -> Taken {
        Taken::Handled
    }

    fn greeting(&self) -> Vec<ByteString> {
        match self.begins {
            true => vec![open(&self.link.sid, Transport::Websocket).into()],
            false => Vec::new(),
        }
    }

    fn ping(&self) -> Option<ByteString> {
        Some(Frame::Ping("").write().into())
    }

    fn too_large(&self) -> Box<dyn FnOnce()> {
        let (own, main) = (Arc::clone(&self.own), Arc::clone(&self.link.outbox));
        let listens = Rc::clone(&self.listens);
        Box::new(move || {
            let outbox = if listens.get() { main } else { own };
            outbox.close(Close::TooLarge);
        })
    }

    fn finish(&self) {
        self.own.finish();
        if !self.listens.get() {
            self.link.abandon();
        }
    }
}
