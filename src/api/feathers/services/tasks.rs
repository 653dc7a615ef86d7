//! `tasks`: find, get, and remove of one that waits.
//!
//! Never touches a task that runs.

use serde_json::Value;

use super::{listed, named, not_taken};
use crate::api::feathers::call::{Call, Method};
use crate::api::feathers::finding::{self, Field, Reads, selected};
use crate::api::feathers::wire::task as wire;
use crate::app::{App, TaskView};
use crate::domain::find::TaskField as Of;
use crate::domain::{Error, Principal, Result};

/// Rows of a page: default and most (contract/agor.md 2).
const PAGE: (usize, usize) = (100, 500);

const fn field(name: &'static str, field: Of, reads: Reads) -> Field<Of> {
    Field {
        name,
        field: Some(field),
        reads,
    }
}

/// What tasks are found by.
const FIELDS: [Field<Of>; 8] = [
    field("task_id", Of::Id, Reads::Text),
    field("session_id", Of::Session, Reads::Text),
    field("created_by", Of::Owner, Reads::Text),
    field("status", Of::State, Reads::Words(wire::states)),
    field("queue_position", Of::Order, Reads::Number),
    field("created_at", Of::CreatedAt, Reads::Time),
    field("started_at", Of::StartedAt, Reads::Time),
    field("completed_at", Of::EndedAt, Reads::Time),
];

/// Answers a call of the service.
///
/// # Errors
/// `bad_query`, `not_found`, `invalid_state`.
pub async fn answer(app: &App, who: &Principal, call: &Call) -> Result<Value> {
    match call.method {
        Method::Find => {
            let asked = finding::read(&call.query, &FIELDS, PAGE)?;
            let page = app.find_tasks(who, asked.find.clone()).await?;
            Ok(listed(&asked, &page, "task_id", wire::task))
        }
        Method::Get => {
            let asked = finding::read::<Of>(&call.query, &FIELDS, PAGE)?;
            let view = one(app, who, named(call)?).await?;
            Ok(selected(
                wire::task(&view),
                asked.select.as_ref(),
                "task_id",
            ))
        }
        Method::Remove => {
            let view = one(app, who, named(call)?).await?;
            app.cancel_task(who, view.task.session, view.task.id)
                .await?;
            Ok(wire::task(&view))
        }
        Method::Patch => {
            let view = one(app, who, named(call)?).await?;
            let body = crate::api::shared::Fields::of(&call.data)?;
            let words = body.required_text(&["full_prompt"])?;
            let edited = app
                .edit_task(who, view.task.session, view.task.id, words)
                .await;
            let edited = edited.map_err(|error| error.in_words(&[("message", "full_prompt")]))?;
            Ok(wire::task(&edited))
        }
        Method::Create | Method::Update => Err(not_taken(call)),
    }
}

async fn one(app: &App, who: &Principal, text: &str) -> Result<TaskView> {
    let missing = || Error::not_found("task", text.chars().take(64).collect::<String>());
    let id = text.parse().map_err(|_no_id| missing())?;
    app.task_alone(who, id).await
}
