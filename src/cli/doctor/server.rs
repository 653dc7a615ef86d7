//! Whether the server answers, what it says of itself, and whether this person is signed in.
//!
//! Never sends a password.

use serde_json::Value;

use super::super::client::{Client, Request};
use super::super::failure::{Exit, Failure};
use super::super::{credentials, render};
use super::Check;
use super::agents::NAME as SURVIVAL;

/// The checks about the server.
pub fn checks(url: Option<&str>) -> Vec<Check> {
    let client = match credentials::client(url) {
        Ok(client) => client,
        Err(failure) => return vec![refused("server", &failure)],
    };
    match client.json::<Value>(&Request::get("/health/detailed")) {
        Ok(health) => {
            let mut checks = vec![answers(&client, &health), isolation(&health)];
            checks.extend(cgroup(&health));
            checks.extend(limits(&health));
            checks.extend(restart(&health));
            checks.push(signed_in(&client));
            checks
        }
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
    let means = text(health, "/isolation/means").unwrap_or_default();
    let mend = text(health, "/isolation/mend");
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

/// Whether each tree has a cgroup, by which it is ended whatever its processes do.
fn cgroup(health: &Value) -> Option<Check> {
    let name = "agent cgroups";
    let has = health.pointer("/isolation/cgroup")?.as_bool()?;
    let mend = text(health, "/isolation/cgroupMend");
    Some(match (has, mend) {
        (true, _) => Check::ok(name, "each agent has one"),
        (false, Some(mend)) => Check::warning(name, "the server cannot make them", mend),
        (false, None) => Check::ok(name, "none, as the server's settings say"),
    })
}

/// By what the limits of agents are held.
fn limits(health: &Value) -> Option<Check> {
    let name = "agent limits";
    let means = text(health, "/isolation/limits")?;
    let missing = text(health, "/isolation/limitsMissing");
    let mend = text(health, "/isolation/limitsMend");
    Some(match (means.as_str(), missing, mend) {
        ("none", _, _) => Check::ok(name, "none are set"),
        (means, Some(missing), Some(mend)) => {
            Check::warning(name, format!("{means}: {missing}"), mend)
        }
        (means, _, _) => Check::ok(name, format!("held by {means}")),
    })
}

/// Whether agents survive a restart, in the server's own words.
fn restart(health: &Value) -> Option<Check> {
    let survive = health.pointer("/restart/agentsSurvive")?.as_bool();
    let mend = text(health, "/restart/mend");
    let found = match survive {
        Some(true) => "nothing ends them with the server",
        Some(false) => "what runs the server ends them with it",
        None => "the server is in a unit that does not tell what it ends",
    };
    Some(match mend {
        None => Check::ok(SURVIVAL, found),
        Some(mend) => Check::warning(SURVIVAL, found, mend),
    })
}

/// A text at this place of the answer.
fn text(health: &Value, place: &str) -> Option<String> {
    health.pointer(place)?.as_str().map(str::to_owned)
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::State;
    use super::*;

    #[test]
    fn what_holds_agents_is_told_with_its_mend() {
        let health = json!({
            "isolation": {"cgroup": true, "cgroupMend": null, "limits": "cgroup"},
            "restart": {"agentsSurvive": true, "mend": null},
        });
        let all = [cgroup(&health), limits(&health), restart(&health)];
        assert!(all.iter().flatten().all(|check| check.state == State::Ok));
        let health = json!({
            "isolation": {
                "cgroup": false, "cgroupMend": "a",
                "limits": "rlimit", "limitsMissing": "half", "limitsMend": "b",
            },
            "restart": {"agentsSurvive": false, "mend": "c"},
        });
        let all = [cgroup(&health), limits(&health), restart(&health)];
        let mends: Vec<String> = all
            .into_iter()
            .flatten()
            .filter_map(|check| check.mend)
            .collect();
        assert_eq!(mends, ["a", "b", "c"]);
        let unknown = json!({"restart": {"agentsSurvive": null, "mend": "look"}});
        assert_eq!(restart(&unknown).unwrap().state, State::Warning);
        let old = json!({"isolation": {"means": "group"}});
        assert_eq!(
            (cgroup(&old), limits(&old), restart(&old)),
            (None, None, None)
        );
    }
}
