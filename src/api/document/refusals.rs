//! The refusals of an operation: each status once, with every code that it may carry.
//!
//! Never a status without a code: both come from one table.

use std::collections::BTreeMap;

use actix_web::http::Method;
use serde_json::{Map, Value, json};
use utoipa::{PartialSchema, ToSchema};

use super::codes::CODES;
use super::groups::{ANY, SIGNED_IN, WITH_BODY, expanded};
use crate::api::feathers;
use crate::api::shared::doc::Error;
use crate::api::shared::needs::needs;
use crate::app::Needs;
use crate::domain::Scope;

/// Where annotations name the codes of their route.
const OWN: &str = "x-error-codes";
/// Where an operation names the scopes that it takes of an API key.
const SCOPES: &str = "x-key-scopes";

/// Adds the refusals to the responses of an operation; `placed`: its path names an object.
pub fn add(operation: &mut Map<String, Value>, (path, method): (&str, &str), placed: bool) {
    let own = operation.remove(OWN);
    let own = own.iter().filter_map(Value::as_array).flatten();
    let mut names: Vec<&str> = own.filter_map(Value::as_str).collect();
    names.extend(ANY);
    let open = operation.get("security") == Some(&json!([]));
    if !open {
        names.extend(SIGNED_IN);
        let (code, scopes) = of_keys(path, method);
        names.push(code);
        operation.insert(SCOPES.into(), scopes);
    }
    if operation.contains_key("requestBody") {
        names.extend(WITH_BODY);
    }
    if placed {
        names.push("not_found");
    }
    let names = expanded(&names);
    let mut by_status: BTreeMap<u16, Vec<(&str, &str)>> = BTreeMap::new();
    for name in &names {
        let known = CODES.iter().find(|code| code.name == name);
        // A test tells a code that is in no table; here it stays visible.
        let (status, says) = known.map_or((500, "?"), |code| (code.status, code.says));
        by_status.entry(status).or_default().push((name, says));
    }
    let responses = operation.entry("responses").or_insert_with(|| json!({}));
    for (status, codes) in by_status {
        let Some(responses) = responses.as_object_mut() else {
            return;
        };
        let said = responses.get(&status.to_string()).cloned();
        let shape = match feathers::is_service(path) {
            true => feathers::refusal().0,
            false => Error::name(),
        };
        let told = response((status, &shape), &codes, said);
        responses.insert(status.to_string(), told);
    }
}

/// What an operation takes of an API key: the code of its refusal, and the scopes. There are none
/// where no key will do.
fn of_keys(path: &str, method: &str) -> (&'static str, Value) {
    // A word of our own list, which is a method.
    let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap_or_default();
    match needs(&method, path) {
        Needs::SignIn => ("login_required", json!([])),
        Needs::Scopes(scopes) => {
            let words = scopes.iter().copied().map(Scope::name);
            ("missing_scope", words.collect())
        }
    }
}

/// One status; `said` is what the annotation answers under it besides.
fn response((status, shape): (u16, &str), codes: &[(&str, &str)], said: Option<Value>) -> Value {
    let line = |(name, says): &(&str, &str)| format!("- `{name}`: {says}");
    let mut lines: Vec<String> = codes.iter().map(line).collect();
    let names: Vec<&str> = codes.iter().map(|(name, _)| *name).collect();
    let mut shape = json!({"$ref": format!("#/components/schemas/{shape}")});
    if let Some(said) = &said {
        let text = said.get("description").and_then(Value::as_str);
        lines.insert(0, format!("{}; or:", text.unwrap_or_default()));
        let own = said.pointer("/content/application~1json/schema");
        shape = json!({"oneOf": [own, shape]});
    }
    let mut response = json!({
        "description": lines.join("\n"),
        "content": {"application/json": {"schema": shape}},
        OWN: names,
    });
    let header = match status {
        401 => Some((
            "WWW-Authenticate",
            json!({"type": "string", "const": "Bearer"}),
        )),
        429 | 503 => Some(("Retry-After", json!({"type": "integer", "minimum": 0}))),
        _ => None,
    };
    if let (Some((name, shape)), Some(response)) = (header, response.as_object_mut()) {
        response.insert("headers".into(), json!({name: {"schema": shape}}));
    }
    response
}

/// Adds the shapes of refusals.
pub fn add_shape(shapes: &mut Map<String, Value>) {
    let mut all = vec![(Error::name().into_owned(), Error::schema())];
    all.extend(feathers::refusal().1);
    for (name, shape) in all {
        let shape = serde_json::to_value(shape).unwrap_or_default();
        shapes.insert(name, shape);
    }
}
