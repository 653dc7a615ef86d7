//! The terminals door: named sessions, and the WebSocket at each one's own path
//! (contract/hammurabi.md).
//!
//! Never an answer of its own: each handler asks `app` once.

mod sessions;
mod socket;
mod target;
mod wire;

use actix_web::{guard, web};

use crate::api::shared::guard::upgrades;
use crate::api::shared::work;
use target::SessionInPath;

/// Where a session is below.
const ONE: &str = "/api/agents/sessions/{name}";

/// The door's table of contents. The address of a session is its WebSocket when asked for one.
pub fn routes(config: &mut web::ServiceConfig) {
    let one = |tail: &str| web::resource(format!("{ONE}{tail}"));
    let socket = guard::fn_guard(|context| upgrades(context.head().headers()));
    config
        .service(
            web::resource("/api/agents/sessions")
                .get(sessions::list)
                .post(sessions::create),
        )
        .service(
            one("")
                .route(web::get().guard(socket).to(socket::connect))
                .route(web::get().to(sessions::show))
                .route(web::delete().to(sessions::remove)),
        )
        .service(one("/ws").get(socket::connect_bare))
        .service(one("/terminal").get(socket::connect_bare))
        .service(one("/reset").post(sessions::reset))
        .service(one("/complete").post(sessions::complete));
    work::routes::<SessionInPath>(config, ONE);
}
