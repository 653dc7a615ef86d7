//! The services of the feathers door over REST, as its clients ask them.
//! Never a record that another door tells otherwise.

mod finds;
mod prompts;
mod sign_in;

use serde_json::{Value, json};

use crate::app::{Answer, Caller, PASSWORD, TestApp, answer, until};

/// Makes a session of the built-in player: its record.
pub async fn session(who: &Caller, more: &Value) -> Value {
    let mut body = json!({"agentic_tool": "script"});
    let fields = body.as_object_mut().unwrap();
    fields.extend(more.as_object().unwrap().clone());
    who.post("/sessions", &body).await.ok(201)
}

/// The id of a session's record.
pub fn id(record: &Value) -> &str {
    record["session_id"].as_str().unwrap()
}

/// Changes an object.
pub async fn patch(who: &Caller, path: &str, body: &Value) -> Answer {
    let request = who.request(reqwest::Method::PATCH, path).json(body);
    answer(request).await
}
