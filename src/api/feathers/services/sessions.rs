//! `sessions`: find, get, create, patch, remove, and where one comes from.
//!
//! Never another session than the one that was named.

use serde_json::{Value, json};

use super::{listed, named, not_taken};
use crate::api::feathers::call::{Call, Method};
use crate::api::feathers::finding::{self, Field, Reads, selected};
use crate::api::feathers::wire::session as wire;
use crate::api::shared::Fields;
use crate::api::shared::body::bad_field;
use crate::api::shared::work::options;
use crate::app::{AgentRequest, App, Created, Lazy, OptionsRequest, Overview};
use crate::domain::find::SessionField as Of;
use crate::domain::{Error, PermissionMode, Principal, Result, SessionId, Tuning};

/// Rows of a page: default and most (contract/agor.md 2).
const PAGE: (usize, usize) = (50, 1_000);
/// Most that are made in one call.
const MOST_AT_ONCE: usize = 100;
/// Fields of an agent by the names that they have here.
const WORDS: [(&str, &str); 6] = [
    ("topic", "title"),
    ("agentType", "agentic_tool"),
    ("permissionMode", "permission_config.mode"),
    ("model", "model_config.model"),
    ("metadata", "custom_context"),
    ("message", "initial_prompt"),
];

const fn field(name: &'static str, field: Of, reads: Reads) -> Field<Of> {
    Field {
        name,
        field: Some(field),
        reads,
    }
}

/// What sessions are found by.
const FIELDS: [Field<Of>; 13] = [
    field("session_id", Of::Id, Reads::Text),
    field("created_by", Of::Owner, Reads::Text),
    field("agentic_tool", Of::Kind, Reads::Words(wire::tools)),
    field("status", Of::Status, Reads::Words(wire::statuses)),
    field("name", Of::Name, Reads::Text),
    field("title", Of::Topic, Reads::Text),
    field("model", Of::Model, Reads::Text),
    field("permission_mode", Of::Mode, Reads::Text),
    field("workspace_id", Of::Workspace, Reads::Text),
    field("parent_session_id", Of::Parent, Reads::Text),
    field("created_at", Of::CreatedAt, Reads::Time),
    field("last_updated", Of::UpdatedAt, Reads::Time),
    Field {
        name: "archived",
        field: None,
        reads: Reads::Always(false),
    },
];

/// Answers a call of the service.
///
/// # Errors
/// `bad_query`, `not_found`, those of making and driving an agent.
pub async fn answer(app: &App, who: &Principal, call: &Call) -> Result<Value> {
    match call.method {
        Method::Find => find(app, who, call).await,
        Method::Get => {
            let id = app.which_session(who, named(call)?).await?;
            let row = app.agent(who, id).await.map_err(as_session)?;
            let asked = finding::read::<Of>(&call.query, &FIELDS, PAGE)?;
            let shown = one(app, &row).await?;
            Ok(selected(shown, asked.select.as_ref(), "session_id"))
        }
        Method::Create => match &call.data {
            Value::Array(many) if many.len() <= MOST_AT_ONCE => {
                let mut made = Vec::with_capacity(many.len());
                for data in many {
                    let alone = Call {
                        data: data.clone(),
                        key: None,
                        ..call.clone()
                    };
                    made.push(create(app, who, &alone).await?);
                }
                Ok(Value::Array(made))
            }
            Value::Array(_) => Err(bad_field("", "at most 100 sessions at once")),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Object(_) => create(app, who, call).await,
        },
        Method::Patch => patch(app, who, call).await,
        Method::Remove => {
            let id = app.which_session(who, named(call)?).await?;
            let row = app.agent(who, id).await.map_err(as_session)?;
            let shown = one(app, &row).await?;
            app.remove(who, id).await.map_err(as_session)?;
            Ok(shown)
        }
        Method::Update => Err(not_taken(call)),
    }
}

/// Where a session comes from, and what comes from it.
///
/// # Errors
/// `not_found`.
pub async fn genealogy(app: &App, who: &Principal, id: &str, _: &Call) -> Result<Value> {
    let id = app.which_session(who, id).await?;
    let family = app.family(who, id).await.map_err(as_session)?;
    let all = family.ancestors.iter().chain(&family.children);
    let ids = all.chain([&family.session]).map(|row| row.session.id);
    let children = app.children(ids.collect()).await?;
    let word = |row: &Overview| {
        let below = children.get(&row.session.id);
        wire::session(row, below.map(Vec::as_slice).unwrap_or_default())
    };
    Ok(json!({
        "session": word(&family.session),
        "ancestors": family.ancestors.iter().map(word).collect::<Vec<_>>(),
        "children": family.children.iter().map(word).collect::<Vec<_>>(),
    }))
}

async fn find(app: &App, who: &Principal, call: &Call) -> Result<Value> {
    let asked = finding::read(&call.query, &FIELDS, PAGE)?;
    let page = app.find_sessions(who, asked.find.clone()).await?;
    let ids = page.items.iter().map(|row| row.session.id).collect();
    let children = app.children(ids).await?;
    Ok(listed(&asked, &page, "session_id", |row| {
        let below = children.get(&row.session.id);
        wire::session(row, below.map(Vec::as_slice).unwrap_or_default())
    }))
}

async fn one(app: &App, row: &Overview) -> Result<Value> {
    let id = row.session.id;
    let children = app.children(vec![id]).await?;
    let below = children.get(&id).map(Vec::as_slice);
    Ok(wire::session(row, below.unwrap_or_default()))
}

async fn create(app: &App, who: &Principal, call: &Call) -> Result<Value> {
    let asked = requested(call)?;
    let key = asked.key.clone();
    let created = app.create_agent(who, asked).await;
    match created.map_err(|error| error.in_words(&WORDS))? {
        Created::Before(reply) => serde_json::from_str(&reply).map_err(Error::internal),
        Created::Now { agent, .. } => {
            let reply = one(app, &agent).await?;
            if let Some(key) = &key {
                app.keep_reply(who, key, &reply.to_string()).await?;
            }
            Ok(reply)
        }
    }
}

/// What a session is asked to be made of.
fn requested(call: &Call) -> Result<AgentRequest> {
    let body = Fields::of(&call.data)?;
    if let Some(worktree) = body.text(&["worktree_id"])? {
        return Err(Error::not_found("worktree", worktree));
    }
    let permissions = inner(&body, "permission_config")?;
    let model = inner(&body, "model_config")?;
    Ok(AgentRequest {
        kind: body.text(&["agentic_tool", "agenticTool"])?,
        session: body.id(&["parent_session_id"])?,
        name: body.text(&["name"])?,
        topic: body.text(&["title"])?,
        model: model.text(&["model"])?,
        message: body.text(&["initial_prompt"])?,
        cwd: body.text(&["cwd"])?,
        workspace: body.id(&["workspace_id"])?,
        permission_mode: match permissions.text(&["mode"])? {
            Some(mode) => Some(mode),
            None => body.text(&["permissionMode", "permission_mode"])?,
        },
        scenario: body.text(&["scenario"])?,
        options: OptionsRequest {
            effort: model.text(&["effort"])?,
            ..options::requested(&body)?
        },
        metadata: body.object("custom_context")?,
        lazy: Lazy::Yes,
        key: call.key.clone(),
        ..AgentRequest::default()
    })
}

/// An object within the body.
fn inner(body: &Fields, name: &str) -> Result<Fields> {
    Fields::of(&body.object(name)?)
}

/// Changes the title, the permission mode and the model; the rest is not the client's to change.
async fn patch(app: &App, who: &Principal, call: &Call) -> Result<Value> {
    let id = app.which_session(who, named(call)?).await?;
    let body = Fields::of(&call.data)?;
    let permissions = inner(&body, "permission_config")?;
    let model = inner(&body, "model_config")?;
    let mode = permissions.text(&["mode"])?;
    let tuning = Tuning {
        permission_mode: mode.map(|mode| PermissionMode::parse(&mode)).transpose()?,
        model: model.text(&["model"])?.map(Some),
    };
    let row = app.tune(who, id, tuning).await;
    let row = row.map_err(|error| as_session(error).in_words(&WORDS))?;
    one(app, &row).await
}

fn as_session(error: Error) -> Error {
    error.called("agent", "session")
}

/// The session that a path names.
///
/// # Errors
/// `not_found`, `ambiguous_id`.
pub async fn which(app: &App, who: &Principal, text: &str) -> Result<SessionId> {
    let id = app.which_session(who, text).await?;
    app.agent(who, id).await.map_err(as_session)?;
    Ok(id)
}
