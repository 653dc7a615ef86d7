//! API keys and the audit table: every door with a key, what a key may not do, and its end.
//! Never a key that outlives its revocation by more than a second.

mod actions;
pub mod audit;
mod cli;
mod ends;
mod made;
mod scopes;

use serde_json::{Value, json};

use crate::app::Caller;

/// Where keys are.
pub const KEYS: &str = "/api/v1/user/api-keys";

/// Makes a key and returns somebody who comes with it, and its id.
pub async fn with_key(who: &Caller, scopes: &[&str]) -> (Caller, String) {
    let body = json!({"name": "test", "scopes": scopes});
    let made = who.post(KEYS, &body).await.ok(201);
    (holding(who, &made), made["id"].as_str().unwrap().to_owned())
}

/// Somebody who comes with the key that was made.
pub fn holding(who: &Caller, made: &Value) -> Caller {
    let mut holder = who.clone();
    holder.token = made["rawKey"].as_str().unwrap().to_owned();
    holder
}
