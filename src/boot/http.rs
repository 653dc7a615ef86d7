//! The HTTP server: its sockets, timeouts and workers.
//!
//! Never a route: those are `api`'s.

use std::any::Any;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::HttpServer;
use actix_web::dev::{Extensions, Server};
use actix_web::rt::net::TcpStream;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::time::Instant;

use super::error::BootError;
use super::watchdog;
use crate::api::live::cutter::Line;
use crate::api::{self, Doorkeeper};
use crate::app::App;

/// Threads that answer requests; the rest of the machine is for agents.
const WORKERS: usize = 2;
/// Time for a client to send the head of a request.
const HEAD: Duration = Duration::from_secs(10);
/// Time for a client to take the end of a connection.
const GOODBYE: Duration = Duration::from_secs(2);
/// Life of an idle connection.
const IDLE: Duration = Duration::from_secs(75);
/// Bytes that the kernel holds unsent before the writer waits (websockets.md: it keeps a slow
/// reader's staleness and the kernel's memory small).
const UNSENT: u32 = 16 * 1024;
/// How long sent bytes may stay without an acknowledgement before the kernel ends the connection
/// (websockets.md: the net below the cutter).
const UNACKNOWLEDGED: Duration = Duration::from_secs(60);
/// Connections that wait to be accepted.
const BACKLOG: i32 = 1_024;
/// Seconds that requests in flight get when the server stops.
const IN_FLIGHT: u64 = 25;

/// Binds the listener.
///
/// # Errors
/// [`BootError::Bind`].
pub fn bind(address: SocketAddr) -> Result<TcpListener, BootError> {
    let bound = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )
    .and_then(|socket| {
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket)
    });
    match bound {
        Ok(socket) => Ok(socket.into()),
        Err(error) => Err(BootError::bind(address, &error)),
    }
}

/// Starts to answer.
///
/// # Errors
/// When the listener cannot be taken over.
pub fn serve(app: App, doorkeeper: Doorkeeper, listener: TcpListener) -> Result<Server, BootError> {
    let number = Arc::new(AtomicUsize::new(1));
    let links = api::Links::default();
    let worker = move || {
        let name = format!("http-{}", number.fetch_add(1, Ordering::Relaxed));
        watchdog::beat(&app, &name);
        api::server(app.clone(), doorkeeper.clone(), links.clone())
    };
    let server = HttpServer::new(worker)
        .workers(WORKERS)
        .client_request_timeout(HEAD)
        .client_disconnect_timeout(GOODBYE)
        .keep_alive(IDLE)
        .shutdown_timeout(IN_FLIGHT)
        .disable_signals()
        .on_connect(connected)
        .listen(listener)
        .map_err(BootError::fault)?;
    Ok(server.run())
}

/// Sets the socket up and keeps a second descriptor of it for the cutter.
fn connected(connection: &dyn Any, data: &mut Extensions) {
    let Some(stream) = connection.downcast_ref::<TcpStream>() else {
        return;
    };
    let socket = SockRef::from(stream);
    let set = socket
        .set_tcp_nodelay(true)
        .and_then(|()| socket.set_tcp_notsent_lowat(UNSENT))
        .and_then(|()| socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED)));
    if let Err(error) = set {
        tracing::debug!(%error, "a socket option was not set");
    }
    match socket.try_clone() {
        Ok(duplicate) => {
            data.insert(Line::new(duplicate.into()));
        }
        Err(error) if UNCUT.passes(Instant::now()) => {
            tracing::warn!(%error, "a connection cannot be cut: no descriptor is left");
        }
        Err(_told_already) => {}
    }
}

/// Lets one through in a second: what happens with each connection is told once.
struct Second(Mutex<Option<Instant>>);

impl Second {
    fn passes(&self, now: Instant) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let passes = last.is_none_or(|last| now.duration_since(last) >= Duration::from_secs(1));
        if passes {
            *last = Some(now);
        }
        passes
    }
}

/// When it was told last.
static UNCUT: Second = Second(Mutex::new(None));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_told_once() {
        let (second, begun) = (Second(Mutex::new(None)), Instant::now());
        let told = |ms: u64| second.passes(begun + Duration::from_millis(ms));
        let told = [0, 1, 999, 1_000, 1_500, 2_000].map(told);
        assert_eq!(told, [true, false, false, true, false, true]);
    }
}
