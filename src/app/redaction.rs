//! What keeps the server's secrets out of what it answers.
//!
//! Never a session's own secrets: what is stored of a session is covered already.

use serde_json::Value;

use crate::secrets::house;

/// Covers them in the body of a failure.
pub fn cover(body: &mut Value) {
    house().value(body);
}
