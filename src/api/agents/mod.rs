//! The agents door: agents, their queues, events and questions, sign-in, and `/ws`.
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
mod queue;
mod tasks;
mod wire;
mod ws;

use actix_web::web;

/// The door's table of contents.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .configure(health::routes)
        .configure(auth::routes)
        .configure(approvals::routes)
        .configure(ws::routes)
        .configure(events::routes)
        .configure(queue::routes)
        .configure(tasks::routes)
        .configure(agents::routes);
}
