//! The document of the API: what the doors say of their routes, completed by what holds for all.
//!
//! Never a route by hand: each stands beside its handler (`#[utoipa::path]`).

pub mod codes;
mod groups;
pub mod pages;
mod refusals;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};
use utoipa::openapi::OpenApi as Doors;

use super::{agents, control, feathers, operator, terminals};

/// Methods of an operation.
const METHODS: [&str; 6] = ["get", "head", "post", "put", "patch", "delete"];

/// What a client may sign in with.
const SCHEMES: [(&str, &str, &str); 3] = [
    ("key", "header", "X-API-Key"),
    ("ticket", "query", "ticket"),
    ("token", "query", "token"),
];

/// The nouns, in the order in which a reader needs them.
const TAGS: [(&str, &str); 17] = [
    ("auth", "Signing in and out, and the own account"),
    ("people", "Accounts and invitations"),
    ("keys", "API keys"),
    ("agents", "Agents by their ids"),
    (
        "sessions",
        "The same agents by the names that their owners gave",
    ),
    ("missions", "The same as missions, and their event stream"),
    ("tasks", "Prompts, and what became of them"),
    ("events", "What happened, numbered"),
    ("sockets", "Tickets and WebSockets"),
    ("approvals", "Questions of agents, and answers"),
    ("workspaces", "Places to run, and commands in them"),
    (
        "providers",
        "Providers of models, and how you are signed in to them",
    ),
    ("programs", "Agent programs of the machine"),
    ("operator", "For admins"),
    ("health", "How the server is"),
    ("figures", "What is kept, and what an operator alarms on"),
    ("document", "This document"),
];

/// The document as text, as it is checked in and served.
#[must_use]
pub fn text() -> String {
    let mut text = serde_json::to_string_pretty(&document()).unwrap_or_default();
    text.push('\n');
    text
}

fn document() -> Value {
    let mut doors = control::document();
    for door in [
        operator::document(),
        feathers::document(),
        terminals::document(),
        agents::document(),
        pages::document(),
    ] {
        doors.merge(door);
    }
    complete(&doors)
}

fn complete(doors: &Doors) -> Value {
    let mut all = serde_json::to_value(doors).unwrap_or_default();
    let Some(root) = all.as_object_mut() else {
        return all;
    };
    root.insert("info".into(), info());
    root.insert("security".into(), json!([{"bearer": []}, {"key": []}]));
    root.insert("tags".into(), tags());
    let paths = root.get_mut("paths").and_then(Value::as_object_mut);
    for (path, item) in paths.into_iter().flatten() {
        for method in METHODS {
            if let Some(operation) = item.get_mut(method).and_then(Value::as_object_mut) {
                settle(path, method, operation);
            }
        }
    }
    if let Some(parts) = root.get_mut("components").and_then(Value::as_object_mut) {
        parts.insert("securitySchemes".into(), schemes());
        let shapes = parts.get_mut("schemas").and_then(Value::as_object_mut);
        if let Some(shapes) = shapes {
            refusals::add_shape(shapes);
        }
    }
    all
}

fn info() -> Value {
    json!({
        "title": "Callboard",
        "version": env!("CARGO_PKG_VERSION"),
        "description": "Runs agent programs as supervised processes. Times are RFC 3339 in UTC, ids \
            are UUIDs, objects of others are 404. Members that are not known are ignored, wrong \
            types are refused. Every reply has an `X-Request-Id`. A sign-in goes as far as its \
            person's role; an API key no further than its scopes: `x-key-scopes` names those that \
            an operation takes, and none where no key will do.",
        "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    })
}

fn tags() -> Value {
    let tag = |(name, says): (&str, &str)| json!({"name": name, "description": says});
    TAGS.map(tag).into_iter().collect()
}

fn schemes() -> Value {
    let mut all = Map::new();
    let says = "A token or an API key";
    let bearer = json!({"type": "http", "scheme": "bearer", "description": says});
    all.insert("bearer".into(), bearer);
    for (name, place, header) in SCHEMES {
        let scheme = json!({"type": "apiKey", "in": place, "name": header});
        all.insert(name.into(), scheme);
    }
    Value::Object(all)
}

/// Gives an operation its id, the parameters of its path and its refusals.
fn settle(path: &str, method: &str, operation: &mut Map<String, Value>) {
    operation.insert("operationId".into(), id(path, method).into());
    // An empty requirement stands for an operation that anybody may ask for.
    let open = json!([{}]);
    if operation.get("security") == Some(&open) {
        operation.insert("security".into(), json!([]));
    }
    let named = places(path);
    refusals::add(operation, (path, method), !named.is_empty());
    let parameters = operation.entry("parameters").or_insert_with(|| json!([]));
    let Some(parameters) = parameters.as_array_mut() else {
        return;
    };
    for parameter in parameters.iter_mut() {
        if let Some(shape) = parameter.get_mut("schema") {
            never_null(shape);
        }
    }
    for (at, parameter) in named.into_iter().enumerate() {
        let known = parameters.iter().any(|one| {
            one.get("in") == Some(&"path".into()) && one.get("name") == parameter.get("name")
        });
        if !known {
            parameters.insert(at.min(parameters.len()), parameter);
        }
    }
    if parameters.is_empty() {
        operation.remove("parameters");
    }
}

/// A parameter is a text in an address or a header: null cannot be sent.
fn never_null(shape: &mut Value) {
    let is_null = |one: &Value| one == "null" || one.get("type").is_some_and(|kind| kind == "null");
    for choice in ["type", "oneOf"] {
        let Some(all) = shape.get_mut(choice).and_then(Value::as_array_mut) else {
            continue;
        };
        all.retain(|one| !is_null(one));
        let left = (all.len() == 1).then(|| all.pop()).flatten();
        match (left, shape.as_object_mut()) {
            (Some(left), Some(members)) if choice == "type" => {
                members.insert(choice.into(), left);
            }
            (Some(left), _) => *shape = left,
            (None, _) => {}
        }
    }
}

/// `post_api_agents_id_message`
fn id(path: &str, method: &str) -> String {
    let words = path.split(|c: char| !c.is_ascii_alphanumeric());
    let words = words.filter(|word| !word.is_empty());
    let mut all = vec![method];
    all.extend(words);
    // The slash at the end tells two pages apart.
    if path.ends_with('/') {
        all.push("index");
    }
    all.join("_")
}

/// The parameters that a path names.
fn places(path: &str) -> Vec<Value> {
    let mut before = "";
    let mut found = Vec::new();
    for part in path.split('/') {
        let name = part
            .strip_prefix('{')
            .and_then(|part| part.strip_suffix('}'));
        if let Some(name) = name {
            let (says, uuid) = match (before, name) {
                ("agents", _) => ("The agent's id", true),
                ("sessions", _) => ("The owner's name for the session, or its id", false),
                ("workspaces", _) => (
                    "The workspace's id; all zeros for the one that everybody has",
                    true,
                ),
                ("providers", _) => ("The provider's name in the settings", false),
                ("overrides", _) => ("The id of the answer", true),
                ("users", _) => ("The id of the account", true),
                ("invites", _) => ("The id of the invitation", true),
                ("api-keys", _) => ("The id of the key", true),
                (_, "task") => ("The task's id", true),
                (_, "file") => ("The name of the file", false),
                _ => ("Its id", true),
            };
            let shape = if uuid {
                json!({"type": "string", "format": "uuid"})
            } else {
                json!({"type": "string", "minLength": 1})
            };
            found.push(json!({
                "name": name, "in": "path", "required": true,
                "description": says, "schema": shape,
            }));
        }
        before = part;
    }
    found
}
