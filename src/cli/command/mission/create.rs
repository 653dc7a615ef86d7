//! `mission create`: a mission, and its first message.
//!
//! Never prints a variable's value.

use serde_json::{Map, Value};

use super::super::super::args::CreateMissionArgs;
use super::super::super::client::{Client, Request};
use super::super::super::failure::{Exit, Failure};
use super::super::super::render::{self, at};
use super::super::super::{find, out, terminal};
use super::super::run::{absolute, made_with, place};
use super::super::workspace;
use super::follow::{self, From};
use super::{MISSIONS, named};

/// Makes one, and watches it when asked to.
pub fn create(client: &Client, args: &CreateMissionArgs) -> Result<Exit, Failure> {
    let message = args.message.as_deref();
    let message = message.map(terminal::text_or_stdin).transpose()?;
    let request = Request::post(MISSIONS)
        .body(Value::Object(body(client, args, message)?))
        .key(uuid::Uuid::new_v4().to_string());
    let made: Value = client.json(&request)?;
    if args.follow {
        let id = render::field(&made, &["id"]).unwrap_or_default();
        let task = render::field(&made, &["taskId"]);
        out::note(&format!("callboard: mission {}", named(&made)));
        return follow::watch(client, (&id, From::Beginning, task), args.json);
    }
    if args.json {
        out::json(&made)?;
        return Ok(Exit::Completed);
    }
    out::line(&render::field(&made, &["id"]).unwrap_or_default())?;
    if at(&made, "agent_missing") == true {
        let agent = render::field(&made, &["agent"]).unwrap_or_default();
        out::note(&format!(
            "callboard: nobody knows an agent `{agent}`; the program itself answers"
        ));
    }
    if message_less(args) {
        let short = render::field(&made, &["id"]).unwrap_or_default();
        let short = find::short(&short);
        out::note(&format!(
            "callboard: it starts with its first message: callboard mission send TEXT -m {short}"
        ));
    }
    Ok(Exit::Completed)
}

fn message_less(args: &CreateMissionArgs) -> bool {
    args.message.is_none()
}

fn body(
    client: &Client,
    args: &CreateMissionArgs,
    message: Option<String>,
) -> Result<Map<String, Value>, Failure> {
    let mut body = made_with(&args.making)?;
    for (key, value) in [
        ("title", &args.title),
        ("backend", &args.backend),
        ("agent", &args.agent),
        ("model_override", &args.model),
        ("message", &message),
    ] {
        if let Some(value) = value {
            body.insert(key.into(), value.clone().into());
        }
    }
    if let Some(workspace) = &args.workspace {
        body.insert(
            "workspace_id".into(),
            workspace::named(client, workspace)?.into(),
        );
    }
    if let Some(parent) = &args.parent {
        body.insert("parent_id".into(), find::agent(client, parent)?.into());
    }
    if let Some(scenario) = &args.scenario {
        body.insert("scenario".into(), place(scenario)?.into());
    }
    let here = client.is_local() && args.workspace.is_none();
    let here = here.then(|| std::path::PathBuf::from("."));
    if let Some(cwd) = args.cwd.clone().or(here) {
        body.insert("cwd".into(), absolute(&cwd)?.into());
    }
    Ok(body)
}
