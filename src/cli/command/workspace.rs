//! `workspace create`, `exec`, `rm`, `ls` and `show`.
//!
//! Never a value of a variable: the server shows none.

mod exec;

use std::process::ExitCode;

use reqwest::Method;
use serde_json::{Value, json};

use super::super::args::{
    JsonArgs, WorkspaceAction, WorkspaceArgs, WorkspaceCreateArgs, WorkspaceShowArgs,
};
use super::super::client::{Client, Request};
use super::super::failure::{Exit, Failure};
use super::super::find::{self, short};
use super::super::render::field;
use super::super::{clock, out};

const PATH: &str = "/api/workspaces";
/// Rows of a page: the most that the server gives.
const PAGE: usize = 200;

/// Does what was asked.
pub fn workspace(client: &Client, args: WorkspaceArgs) -> Result<ExitCode, Failure> {
    let done = match args.action {
        WorkspaceAction::Create(args) => create(client, &args),
        WorkspaceAction::Exec(args) => return exec::exec(client, &args),
        WorkspaceAction::Rm { id } => remove(client, &id),
        WorkspaceAction::Ls(args) => list(client, args),
        WorkspaceAction::Show(args) => show(client, &args),
    };
    done.map(ExitCode::from)
}

fn create(client: &Client, args: &WorkspaceCreateArgs) -> Result<Exit, Failure> {
    let env = super::run::variables(&args.env, |name| std::env::var(name).ok())?;
    let mut body = json!({"name": args.name, "env_vars": env});
    if let (Some(path), Some(fields)) = (&args.path, body.as_object_mut()) {
        fields.insert("path".into(), path.clone().into());
    }
    let made: Value = client.json(&Request::post(PATH).body(body))?;
    if args.json {
        out::json(&made)?;
        return Ok(Exit::Completed);
    }
    out::line(&field(&made, &["id"]).unwrap_or_default())?;
    let path = field(&made, &["path"]).unwrap_or_default();
    match field(&made, &["error_message"]) {
        None => out::note(&format!("{} is ready at {path}", args.name)),
        Some(why) => out::note(&format!("{} cannot be used: {path}: {why}", args.name)),
    }
    Ok(Exit::Completed)
}

fn all(client: &Client) -> Result<Vec<Value>, Failure> {
    let mut found: Vec<Value> = Vec::new();
    loop {
        let request = Request::get(PATH)
            .with("limit", PAGE)
            .with("offset", found.len());
        let page: Vec<Value> = client.json(&request)?;
        let last = page.len() < PAGE;
        found.extend(page);
        if last {
            return Ok(found);
        }
    }
}

fn list(client: &Client, args: JsonArgs) -> Result<Exit, Failure> {
    let found = all(client)?;
    if args.json {
        out::json(&Value::Array(found))?;
        return Ok(Exit::Completed);
    }
    let rows = found.iter().map(row).collect();
    out::line(&out::table(
        &["ID", "NAME", "STATUS", "AGE", "VARIABLES", "PATH"],
        rows,
    ))?;
    Ok(Exit::Completed)
}

fn row(one: &Value) -> Vec<String> {
    let text = |name: &str| field(one, &[name]).unwrap_or_default();
    vec![
        short(&text("id")).to_owned(),
        text("name"),
        status(one),
        clock::age(&text("created_at")),
        variables(one),
        text("path"),
    ]
}

fn status(one: &Value) -> String {
    let status = field(one, &["status"]).unwrap_or_default();
    match field(one, &["error_code"]) {
        Some(code) => format!("{status} ({code})"),
        None => status,
    }
}

fn variables(one: &Value) -> String {
    let names = one.get("env_vars").and_then(Value::as_object);
    let names: Vec<&str> = names
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
        .collect();
    names.join(",")
}

fn show(client: &Client, args: &WorkspaceShowArgs) -> Result<Exit, Failure> {
    let id = named(client, &args.id)?;
    let found: Value = client.json(&Request::get(format!("{PATH}/{id}")))?;
    if args.json {
        out::json(&found)?;
        return Ok(Exit::Completed);
    }
    for name in ["id", "name", "path", "error_message", "created_at"] {
        if let Some(text) = field(&found, &[name]) {
            out::line(&format!("{name}: {text}"))?;
        }
    }
    out::line(&format!("status: {}", status(&found)))?;
    out::line(&format!("variables: {}", variables(&found)))?;
    Ok(Exit::Completed)
}

fn remove(client: &Client, typed: &str) -> Result<Exit, Failure> {
    let id = named(client, typed)?;
    client.send(&Request::of(Method::DELETE, format!("{PATH}/{id}")))?;
    out::note(&format!("forgot {}; its directory stays", short(&id)));
    Ok(Exit::Completed)
}

/// The id of a workspace by its name, or by its id.
///
/// # Errors
/// When there is none, or more than one.
pub fn named(client: &Client, typed: &str) -> Result<String, Failure> {
    picked(&all(client)?, typed)
}

fn picked(found: &[Value], typed: &str) -> Result<String, Failure> {
    let of = |one: &Value| field(one, &["id"]);
    let named: Vec<String> = found
        .iter()
        .filter(|one| field(one, &["name"]).as_deref() == Some(typed))
        .filter_map(of)
        .collect();
    if let [only] = named.as_slice() {
        return Ok(only.clone());
    }
    let ids: Vec<String> = found.iter().filter_map(of).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    find::pick(&ids, typed, "workspace").map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workspace_is_picked_by_name_or_id() {
        let found = [
            json!({"id": "00000000-0000-0000-0000-000000000000", "name": "host"}),
            json!({"id": "1f0c0000-0000-4000-8000-00000000000a", "name": "site",
                "status": "error", "error_code": "path_missing", "env_vars": {"A": "***"}}),
        ];
        assert!(picked(&found, "host").unwrap().starts_with("0000"));
        assert!(picked(&found, "1f0c").unwrap().starts_with("1f0c"));
        assert_eq!(picked(&found, "none").unwrap_err().exit, Exit::NotFound);
        let row = row(&found[1]);
        assert_eq!(row[2], "error (path_missing)");
        assert_eq!(row[4], "A");
    }
}
