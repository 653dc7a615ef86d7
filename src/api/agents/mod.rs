//! The agents door: agents, their queues, events and questions, programs, sign-in, people, and
//! `/ws`.
//!
//! Never an answer of its own: each handler asks `app` once.

#[expect(
    clippy::module_inception,
    reason = "the door is named after its first noun"
)]
mod agents;
mod approvals;
mod auth;
mod doc;
mod events;
mod health;
mod invites;
mod models;
mod target;
mod users;
mod why;
mod wire;
mod ws;

use actix_web::web;
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;

use crate::api::shared::work;
use target::AgentInPath;

/// The door in the document.
pub fn document() -> Document {
    let mut all = health::Document::openapi();
    for part in [
        auth::Document::openapi(),
        users::Document::openapi(),
        invites::Document::openapi(),
        models::Document::openapi(),
        approvals::Document::openapi(),
        ws::Document::openapi(),
        events::Document::openapi(),
        why::Document::openapi(),
        agents::Document::openapi(),
    ] {
        all.merge(part);
    }
    all.nest("/api/agents/{id}", work::Document::openapi())
}

/// The door's table of contents.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .configure(health::routes)
        .configure(auth::routes)
        .configure(users::routes)
        .configure(invites::routes)
        .configure(models::routes)
        .configure(approvals::routes)
        .configure(ws::routes)
        .configure(agents::routes)
        .service(
            web::scope("/api/agents/{id}")
                .configure(events::routes)
                .configure(why::routes)
                .configure(work::routes::<AgentInPath>)
                .configure(agents::below),
        );
}
