//! The HTTP server of the scripted model: its socket, its routes, and the door for tests.
//!
//! Never waits for an answer in flight when it ends: some of them never come.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, Data};
use actix_web::{App, Error, HttpResponse, HttpServer, rt};
use thiserror::Error as ThisError;

use super::ledger::Ledger;
use super::messages;

/// Threads that answer.
const WORKERS: usize = 2;
/// Connections for each of them; more wait.
const CONNECTIONS: usize = 256;
/// Time for a client to send the head of a request.
const HEAD: Duration = Duration::from_secs(10);
/// Life of an idle connection.
const IDLE: Duration = Duration::from_secs(75);

/// Why it does not start.
#[derive(Debug, ThisError)]
pub enum FakeModelError {
    /// The address is reached from elsewhere.
    #[error("{0} is not an address of loopback; expected 127.0.0.1:PORT or [::1]:PORT")]
    NotLoopback(SocketAddr),
    /// The address cannot be taken.
    #[error("{0} cannot be listened on: {1}")]
    Bind(SocketAddr, #[source] io::Error),
    /// The server failed.
    #[error("the model server failed: {0}")]
    Server(#[source] io::Error),
}

/// A scripted model with an address, which [`FakeModel::run`] lets answer.
#[derive(Debug)]
pub struct FakeModel {
    listener: TcpListener,
    address: SocketAddr,
}

impl FakeModel {
    /// Takes an address of loopback; port 0 is a free one.
    ///
    /// # Errors
    /// When it is no such address, or taken.
    pub fn bind(address: SocketAddr) -> Result<Self, FakeModelError> {
        if !address.ip().is_loopback() {
            return Err(FakeModelError::NotLoopback(address));
        }
        let taken = TcpListener::bind(address).and_then(|listener| {
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            Ok(Self { listener, address })
        });
        taken.map_err(|error| FakeModelError::Bind(address, error))
    }

    /// Where clients reach it, as a base of URLs.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers until the future ends, and gives what it gave; blocks this thread.
    ///
    /// # Errors
    /// When the server cannot be started, or ends by itself.
    pub fn run<T>(self, until: impl Future<Output = T>) -> Result<T, FakeModelError> {
        rt::System::new().block_on(async move {
            let ledger = Data::new(Ledger::default());
            let server = HttpServer::new(move || {
                App::new()
                    .app_data(Data::clone(&ledger))
                    .wrap(from_fn(own_machine))
                    .configure(routes)
            })
            .workers(WORKERS)
            .max_connections(CONNECTIONS)
            .client_request_timeout(HEAD)
            .keep_alive(IDLE)
            .disable_signals()
            .listen(self.listener)
            .map_err(FakeModelError::Server)?
            .run();
            let handle = server.handle();
            let mut serving = rt::spawn(server);
            tokio::select! {
                given = until => {
                    handle.stop(false).await;
                    Ok(given)
                }
                _ = &mut serving => Err(FakeModelError::Server(io::Error::other("it ended"))),
            }
        })
    }
}

/// All that is answered.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .configure(messages::routes)
        .service(
            web::resource("/")
                .route(web::get().to(alive))
                .route(web::head().to(alive)),
        )
        .service(
            web::resource("/_/requests")
                .route(web::get().to(requests))
                .route(web::delete().to(forget)),
        )
        .default_service(web::to(messages::nowhere));
}

async fn alive() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain")
        .body("a scripted model\n")
}

async fn requests(ledger: Data<Ledger>) -> HttpResponse {
    HttpResponse::Ok().json(ledger.seen())
}

async fn forget(ledger: Data<Ledger>) -> HttpResponse {
    ledger.clear();
    HttpResponse::NoContent().finish()
}

/// Nothing for a web page that found the port, also under a name that leads here.
pub(super) async fn own_machine(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    if is_foreign(request.headers()) {
        let refused = request.into_response(messages::foreign());
        return Ok(refused.map_into_right_body());
    }
    Ok(next.call(request).await?.map_into_left_body())
}

fn is_foreign(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|it| it.to_str().ok());
    let host = host.unwrap_or_default();
    let name = match host.rsplit_once(':') {
        Some((name, _)) if !host.ends_with(']') => name,
        Some(_) | None => host,
    };
    let own = ["127.0.0.1", "localhost", "[::1]"].contains(&name);
    !own || headers.contains_key(header::ORIGIN)
}
