//! `provider ls`, `login` and `logout`.
//!
//! Never takes a key from an argument, and never prints one.

use reqwest::Method;
use serde_json::{Value, json};

use super::super::args::{JsonArgs, ProviderAction, ProviderArgs, ProviderLoginArgs};
use super::super::client::{Client, Request};
use super::super::credentials;
use super::super::failure::{Exit, Failure};
use super::super::render::field;
use super::super::{out, terminal};

const PATH: &str = "/api/providers";

/// Does what was asked.
pub fn provider(url: Option<&str>, args: ProviderArgs) -> Result<Exit, Failure> {
    let client = || credentials::client(url);
    match args.action {
        ProviderAction::Ls(args) => list(&client()?, args),
        ProviderAction::Logout { name } => logout(&client()?, &name),
        ProviderAction::Login(args) if args.account => account(&client()?, &args),
        ProviderAction::Login(args) => {
            // Asked before the client exists: its threads would take Ctrl-C away from the question.
            let key = match terminal::person() {
                true => terminal::ask_hidden(&format!("Key of {}: ", args.name))?,
                false => terminal::first_line()?,
            };
            login(&client()?, &args.name, &key)
        }
    }
}

fn login(client: &Client, name: &str, key: &str) -> Result<Exit, Failure> {
    let path = format!("{PATH}/{}/auth", segment(name)?);
    let body = json!({ "api_key": key });
    let _done: Value = client.json(&Request::post(path).body(body))?;
    out::note(&format!(
        "signed in to {name}; your agents have the key from their next start on"
    ));
    Ok(Exit::Completed)
}

/// By a page in a browser. Where that leads back to the server itself there is no code to type.
fn account(client: &Client, args: &ProviderLoginArgs) -> Result<Exit, Failure> {
    let path = format!("{PATH}/{}/oauth", segment(&args.name)?);
    let begun: Value = client.json(&Request::post(format!("{path}/authorize")))?;
    let text = |name: &str| field(&begun, &[name]).unwrap_or_default();
    out::note("open this page and agree there:");
    out::line(&text("url"))?;
    let question = "The code that it shows, or the whole address of the page behind it: ";
    let code = match terminal::person() {
        true => terminal::ask(question)?,
        false => terminal::first_line()?,
    };
    if code.trim().is_empty() {
        return signed_in(client, &args.name);
    }
    let body = json!({"code": code.trim(), "state": text("state")});
    let _done: Value = client.json(&Request::post(format!("{path}/callback")).body(body))?;
    out::note(&format!("signed in to {}", args.name));
    Ok(Exit::Completed)
}

fn signed_in(client: &Client, name: &str) -> Result<Exit, Failure> {
    let found = all(client)?;
    let own = |one: &&Value| field(one, &["id"]).as_deref() == Some(name);
    let status = found
        .iter()
        .find(own)
        .and_then(|one| field(one, &["status"]));
    if status.as_deref() == Some("oauth") {
        out::note(&format!("signed in to {name}"));
        return Ok(Exit::Completed);
    }
    Err(
        Failure::new(Exit::SignedOut, format!("you are not signed in to {name}"))
            .mend(format!("callboard provider login {name} --account")),
    )
}

fn logout(client: &Client, name: &str) -> Result<Exit, Failure> {
    let path = format!("{PATH}/{}/auth", segment(name)?);
    let reply = client.send(&Request::of(Method::DELETE, path))?;
    let done: Value = reply.json()?;
    if done.get("removed") == Some(&Value::Bool(false)) {
        out::note(&format!("you were not signed in to {name}"));
        return Ok(Exit::Completed);
    }
    out::note(&format!("signed out of {name}"));
    if done.get("revoked") == Some(&Value::Bool(false)) {
        out::note("the provider could not be told: end the sign-in on its own pages too");
    }
    Ok(Exit::Completed)
}

/// A name as a part of a path; others than these signs are in no name.
fn segment(name: &str) -> Result<&str, Failure> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    if !name.is_empty() && name.chars().all(plain) {
        return Ok(name);
    }
    Err(Failure::new(Exit::NotFound, "there is no such provider").mend("callboard provider ls"))
}

fn all(client: &Client) -> Result<Vec<Value>, Failure> {
    let found: Value = client.json(&Request::get(PATH))?;
    let found = found.get("providers").and_then(Value::as_array);
    Ok(found.cloned().unwrap_or_default())
}

fn list(client: &Client, args: JsonArgs) -> Result<Exit, Failure> {
    if args.json {
        out::json(&client.json::<Value>(&Request::get(PATH))?)?;
        return Ok(Exit::Completed);
    }
    let found = all(client)?;
    let rows = found.iter().map(row).collect();
    out::line(&out::table(
        &["PROVIDER", "NAME", "AGENTS", "SIGN-IN", "UNTIL", "METHODS"],
        rows,
    ))?;
    Ok(Exit::Completed)
}

fn row(one: &Value) -> Vec<String> {
    let text = |name: &str| field(one, &[name]).unwrap_or_default();
    let words = |name: &str| {
        let all = one.get(name).and_then(Value::as_array);
        let all = all.into_iter().flatten().filter_map(Value::as_str);
        all.collect::<Vec<_>>().join(",")
    };
    let status = match field(one, &["error"]) {
        Some(why) => format!("{} ({why})", text("status")),
        None => text("status"),
    };
    vec![
        text("id"),
        text("name"),
        words("kinds"),
        status,
        text("expires_at"),
        words("methods"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_shown_with_what_is_wrong_with_its_sign_in() {
        let one = json!({
            "id": "one", "name": "One", "kinds": ["claude", "shell"], "status": "error",
            "error": "it is over", "expires_at": null, "methods": ["key", "oauth"],
        });
        assert_eq!(
            row(&one),
            [
                "one",
                "One",
                "claude,shell",
                "error (it is over)",
                "",
                "key,oauth"
            ]
        );
    }

    #[test]
    fn no_name_leads_to_another_path() {
        assert!(segment("one-2_x").is_ok());
        for name in ["", "a/b", "..", "a?b", "a b"] {
            assert_eq!(segment(name).unwrap_err().exit, Exit::NotFound, "{name}");
        }
    }
}
