//! The answer to a creation, on every door that has one.
//!
//! Never another reply to a repeated key: it is the first one, byte for byte.

use actix_web::HttpResponse;
use serde_json::Value;

use super::wire;
use crate::api::shared::Reply;
use crate::app::{AgentRequest, App, Created, Overview};
use crate::domain::prompt::IdempotencyKey;
use crate::domain::{Principal, Result};

/// Makes an agent and answers in the words of a door, with where its first prompt landed.
///
/// # Errors
/// As [`App::create_agent`].
pub async fn create(
    app: &App,
    who: &Principal,
    asked: AgentRequest,
    word: impl FnOnce(&Overview) -> Value,
) -> Reply {
    let key = asked.key.clone();
    let created = app.create_agent(who, asked).await?;
    let reply = reply(app, who, (created, key), word).await?;
    Ok(HttpResponse::Created()
        .content_type("application/json")
        .body(reply))
}

/// The words of a door for what was made, kept for the client's key; those that were kept for it
/// before.
///
/// # Errors
/// As [`App::keep_reply`].
pub async fn reply(
    app: &App,
    who: &Principal,
    (created, key): (Created, Option<IdempotencyKey>),
    word: impl FnOnce(&Overview) -> Value,
) -> Result<String> {
    match created {
        Created::Before(reply) => Ok(reply),
        Created::Now { agent, placement } => {
            let reply = wire::created(word(&agent), placement.as_ref()).to_string();
            if let Some(key) = &key {
                app.keep_reply(who, key, &reply).await?;
            }
            Ok(reply)
        }
    }
}
