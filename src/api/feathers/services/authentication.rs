//! `authentication`: strategies `local`, `jwt` and `api-key`, refresh and logout
//! (contract/agor.md 1).
//!
//! Never tells a wrong name from a wrong password.

use serde_json::{Value, json};

use crate::api::feathers::wire::user as wire;
use crate::api::shared::Fields;
use crate::app::{App, Credentials, Visit};
use crate::domain::{Error, Result};

/// Who has signed in, and what they are told.
#[derive(Debug, Clone)]
pub struct Entered {
    /// Who, and until when.
    pub visit: Visit,
    /// `{accessToken, authentication, user, refreshToken}`.
    pub reply: Value,
}

/// Signs in by the strategy that the data name.
///
/// # Errors
/// `bad_strategy`, `bad_credentials`, `too_many_attempts`, those of a token.
pub async fn sign_in(app: &App, data: &Value) -> Result<Entered> {
    let body = Fields::of(data)?;
    match body.text(&["strategy"])?.as_deref() {
        Some("local") => {
            let credentials = Credentials {
                login: Some(body.required_text(&["email", "username"])?),
                password: body.required_text(&["password"])?,
            };
            let signed_in = app.sign_in(credentials).await?;
            let visit = app.authenticate(&signed_in.token).await?;
            let refresh = app.refresh_token(&visit.who).await?;
            entered(app, visit, "local", signed_in.token, Some(refresh)).await
        }
        Some("jwt") => {
            let token = body.required_text(&["accessToken"])?;
            let visit = app.authenticate(&token).await?;
            entered(app, visit, "jwt", token, None).await
        }
        Some("api-key") => {
            let key = body.required_text(&["apiKey"])?;
            let visit = app.authenticate(&key).await?;
            entered(app, visit, "api-key", key, None).await
        }
        Some(_) | None => Err(Error::Unauthenticated {
            code: "bad_strategy",
            message: "the strategy is missing or not known: local, jwt or api-key".into(),
        }),
    }
}

/// A new token and a new refresh token for one that was not used yet.
///
/// # Errors
/// `bad_refresh_token`; one that was used already ends the whole sign-in.
pub async fn refresh(app: &App, data: &Value) -> Result<Entered> {
    let body = Fields::of(data)?;
    let old = body.required_text(&["refreshToken", "refresh_token"])?;
    let renewed = app.refresh(&old).await?;
    let visit = app.authenticate(&renewed.token).await?;
    entered(app, visit, "jwt", renewed.token, Some(renewed.refresh)).await
}

/// Signs out; told what was signed in.
///
/// # Errors
/// `login_required` with an API key.
pub async fn leave(app: &App, visit: &Visit) -> Result<Value> {
    let user = app.account(&visit.who).await?;
    if visit.who.key().is_none() {
        app.sign_out(&visit.who).await?;
    }
    Ok(json!({"authentication": {"strategy": "jwt"}, "user": wire::user(&user)}))
}

async fn entered(
    app: &App,
    visit: Visit,
    strategy: &str,
    token: String,
    refresh: Option<String>,
) -> Result<Entered> {
    let user = app.account(&visit.who).await?;
    let mut reply = json!({
        "accessToken": token,
        "authentication": {
            "strategy": strategy,
            "payload": {"sub": user.id, "exp": visit.expires_at.0.div_euclid(1_000)},
        },
        "user": wire::user(&user),
    });
    if let (Some(refresh), Value::Object(reply)) = (refresh, &mut reply) {
        reply.insert("refreshToken".into(), refresh.into());
    }
    Ok(Entered { visit, reply })
}
