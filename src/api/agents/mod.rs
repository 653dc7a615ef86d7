//! The agents door: agents, their queues, events and questions, programs, sign-in, and `/ws`.
//!
//! Never an answer of its own: each handler asks `app` once.

#[expect(
    clippy::module_inception,
    reason = "the door is named after its first noun"
)]
mod agents;
mod approvals;
mod auth;
mod events;
mod health;
mod models;
mod target;
mod wire;
mod ws;

use actix_web::web;

use crate::api::shared::work;
use target::AgentInPath;

/// The door's table of contents.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .configure(health::routes)
        .configure(auth::routes)
        .configure(models::routes)
        .configure(approvals::routes)
        .configure(ws::routes)
        .configure(events::routes)
        .configure(|config| work::routes::<AgentInPath>(config, "/api/agents/{id}"))
        .configure(agents::routes);
}
