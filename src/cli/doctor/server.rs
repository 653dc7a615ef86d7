//! Whether the server answers, what it says of itself, and whether this person is signed in.
//!
//! Never sends a password.

use serde_json::Value;

use super::super::client::{Client, Request};
use super::super::failure::{Exit, Failure};
use super::super::{credentials, render};
use super::Check;

/// The checks about the server.
pub fn checks(url: Option<&str>) -> Vec<Check> {
    let client = match credentials::client(url) {
        Ok(client) => client,
        Err(failure) => return vec![refused("server", &failure)],
    };
    match client.json::<Value>(&Request::get("/health/detailed")) {
        Ok(health) => vec![
            answers(&client, &health),
            isolation(&health),
            signed_in(&client),
        ],
        Err(failure) => vec![refused("server", &failure)],
    }
}

fn answers(client: &Client, health: &Value) -> Check {
    let version = render::field(health, &["version"]).unwrap_or_default();
    let at = client.base();
    let found = format!("{at} answers, version {version}");
    match render::field(health, &["status"]).as_deref() {
        Some("ok") => Check::ok("server", found),
        Some(status) => Check::warning(
            "server",
            format!("{found}, status {status}: {}", worst(health)),
            "read its log; `GET /health/detailed` names the service",
        ),
        None => Check::trouble(
            "server",
            format!("{at} answers, but not as Callboard"),
            "name the right address with --url or CALLBOARD_URL",
        ),
    }
}

/// What holds the trees of the server's agents together.
fn isolation(health: &Value) -> Check {
    let name = "isolation";
    let means = render::field(health, &["isolation", "means"]).unwrap_or_default();
    let mend = render::field(health, &["isolation", "mend"]);
    match (means.as_str(), mend) {
        ("", _) => Check::warning(name, "the server does not say", "use one of this version"),
        ("group", Some(mend)) => Check::warning(
            name,
            "agents are held together by their process groups alone",
            mend,
        ),
        ("group", None) => Check::ok(name, "none, as the server's settings say"),
        (means, _) => Check::ok(name, format!("agents live in {}", means.replace('_', " "))),
    }
}

fn worst(health: &Value) -> String {
    let services = health.get("services").and_then(Value::as_object);
    let bad: Vec<String> = services
        .into_iter()
        .flatten()
        .filter_map(|(name, service)| {
            let status = render::field(service, &["status"])?;
            (status != "ok" && status != "healthy").then(|| format!("{name} {status}"))
        })
        .collect();
    bad.join(", ")
}

fn signed_in(client: &Client) -> Check {
    let mend = "run `callboard login`";
    if client.token().is_none() {
        return Check::warning("signed in", "no token for this server", mend);
    }
    match client.json::<Value>(&Request::get("/api/auth/me")) {
        Ok(me) => {
            let name = render::field(&me, &["username"]).unwrap_or_default();
            let role = render::field(&me, &["role"]).unwrap_or_default();
            Check::ok("signed in", format!("{name}, {role}"))
        }
        Err(failure) if failure.exit == Exit::SignedOut => {
            Check::warning("signed in", "the token is no longer valid", mend)
        }
        Err(failure) => refused("signed in", &failure),
    }
}

fn refused(name: &'static str, failure: &Failure) -> Check {
    let mend = failure.mend.clone();
    Check::trouble(
        name,
        failure.what.clone(),
        mend.unwrap_or_else(|| String::from("read the server's log")),
    )
}
