//! Refusals that only the real-time client meets, in the words of its errors.
//!
//! Never a text that the client did not cause.

use serde_json::{Map, Value};

use crate::api::feathers::fault::{wire, worded};
use crate::domain::Error;

/// A refusal with the stable word of the house.
fn refusal(status: u16, code: &str, message: &str) -> Value {
    let mut data = Map::new();
    data.insert("code".into(), code.into());
    worded(status, message, data)
}

/// Nobody is signed in.
#[must_use]
pub fn not_signed_in() -> Value {
    let message = "sign in first: create `authentication`, or a token in the handshake";
    refusal(401, "missing_token", message)
}

/// More requests wait than may.
#[must_use]
pub fn too_many() -> Value {
    let message = "too many requests of this socket wait; send them slower";
    refusal(429, "rate_limited", message)
}

/// Bytes beside an event.
#[must_use]
pub fn no_bytes() -> Value {
    refusal(400, "bad_json", "only text is understood, no bytes")
}

/// An event that is no method of a service.
#[must_use]
pub fn no_method(name: &str) -> Value {
    let name: String = name.chars().take(64).collect();
    wire(&Error::not_found("method", name))
}

/// A service that does not take the method.
#[must_use]
pub fn not_taken(path: &str, method: &str) -> Value {
    let path: String = path.chars().take(64).collect();
    let message = format!("`{path}` does not take `{method}`");
    refusal(405, "method_not_allowed", &message)
}
