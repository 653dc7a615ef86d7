//! The terminals door: named sessions, and the WebSocket at each one's own path
//! (contract/hammurabi.md).
//!
//! Never an answer of its own: each handler asks `app` once.

mod doc;
mod sessions;
mod socket;
mod target;
mod wire;

use actix_web::{guard, web};
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;

use crate::api::shared::guard::upgrades;
use crate::api::shared::work;
use target::SessionInPath;

/// Where a session is below.
const ONE: &str = "/api/agents/sessions/{name}";

/// The routes of this door in the document.
#[derive(OpenApi)]
#[openapi(paths(
    sessions::list,
    sessions::create,
    sessions::show,
    sessions::remove,
    sessions::reset,
    sessions::complete,
    socket::connect_bare,
    socket::connect_terminal,
))]
struct Own;

/// The door in the document.
pub fn document() -> Document {
    Own::openapi().nest(ONE, work::Document::openapi())
}

/// The door's table of contents. The address of a session is its WebSocket when asked for one.
pub fn routes(config: &mut web::ServiceConfig) {
    let socket = guard::fn_guard(|context| upgrades(context.head().headers()));
    let all = web::resource("");
    let one = web::resource("")
        .route(web::get().guard(socket).to(socket::connect))
        .route(web::get().to(sessions::show))
        .route(web::delete().to(sessions::remove));
    let below = web::scope("/{name}")
        .service(one)
        .service(web::resource("/ws").get(socket::connect_bare))
        .service(web::resource("/terminal").get(socket::connect_terminal))
        .service(web::resource("/reset").post(sessions::reset))
        .service(web::resource("/complete").post(sessions::complete))
        .configure(work::routes::<SessionInPath>);
    config.service(
        web::scope("/api/agents/sessions")
            .service(all.get(sessions::list).post(sessions::create))
            .service(below),
    );
}
