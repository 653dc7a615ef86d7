//! The services by their paths: one table for REST and for the real-time client.
//!
//! Never answers for a path that is in no row.

use serde_json::{Value, json};

use super::call::Call;
use crate::app::{App, Visit};
use crate::domain::{Error, Result};

/// Who has signed in, and what they are told.
#[derive(Debug, Clone)]
pub struct Entered {
    /// Who, and until when.
    pub visit: Visit,
    /// `{accessToken, authentication, user}`.
    pub reply: Value,
}

/// Answers a call.
///
/// # Errors
/// `not_found` for a service that is not there; those of the service.
pub async fn answer(_app: &App, _visit: &Visit, call: Call) -> Result<Value> {
    let path: String = call.path.chars().take(64).collect();
    Err(Error::not_found("service", path))
}

/// Signs in by the strategy that the data name.
///
/// # Errors
/// `bad_strategy`, those of a token.
pub async fn sign_in(app: &App, data: &Value) -> Result<Entered> {
    let text = |name: &str| data.get(name).and_then(Value::as_str);
    let (Some(strategy @ "jwt"), Some(token)) = (text("strategy"), text("accessToken")) else {
        return Err(Error::Unauthenticated {
            code: "bad_strategy",
            message: "the strategy is missing or not known: jwt".into(),
        });
    };
    let visit = app.authenticate(token).await?;
    let reply = json!({
        "accessToken": token,
        "authentication": {
            "strategy": strategy,
            "payload": {"sub": visit.who.user, "exp": visit.expires_at.0.div_euclid(1_000)},
        },
        "user": {"user_id": visit.who.user},
    });
    Ok(Entered { visit, reply })
}

/// Signs out; told what was signed in.
///
/// # Errors
/// When the database fails.
pub async fn leave(app: &App, visit: &Visit) -> Result<Value> {
    app.sign_out(&visit.who).await?;
    let user = json!({"user_id": visit.who.user});
    Ok(json!({"authentication": {"strategy": "jwt"}, "user": user}))
}
