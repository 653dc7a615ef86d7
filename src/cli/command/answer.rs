//! `approve`: lists and answers the questions of agents, and shows and forgets what is remembered.
//!
//! Never answers without being told which question.

use reqwest::Method;
use serde_json::{Value, json};

use super::super::args::ApproveArgs;
use super::super::client::{Client, Request};
use super::super::failure::{Exit, Failure};
use super::super::{find, out, plain, render};

/// Answers a question, or lists the open ones.
pub fn approve(client: &Client, args: &ApproveArgs) -> Result<Exit, Failure> {
    if let Some(typed) = &args.forget {
        return forget(client, args, typed);
    }
    if args.overrides {
        return overrides(client, args);
    }
    let Some(typed) = &args.request else {
        return pending(client, args);
    };
    let id = find::approval(client, typed)?;
    let reply = answer(client, &id, verdict(args))?;
    if args.json {
        out::json(&reply)?;
    } else {
        let status = render::field(&reply, &["status"]).unwrap_or_else(|| String::from("answered"));
        out::note(&format!("{id}: {status}"));
        if let Some(words) = held(&reply) {
            out::note(&words);
        }
    }
    Ok(Exit::Completed)
}

/// A person's answer.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// Yes or no.
    pub approved: bool,
    /// Words that go with it.
    pub response: Option<String>,
    /// For how long it holds: `once`, `session` or `always`.
    pub remember: Option<String>,
}

/// Answers one question.
///
/// # Errors
/// `Refused` when somebody else answered first, `NotFound` for an unknown one.
pub fn answer(client: &Client, id: &str, verdict: Verdict) -> Result<Value, Failure> {
    let body = json!({
        "requestId": id, "approved": verdict.approved, "response": verdict.response,
        "remember": verdict.remember,
    });
    client.json(&Request::post("/api/chat/approve").body(body))
}

fn verdict(args: &ApproveArgs) -> Verdict {
    Verdict {
        approved: !args.deny,
        response: args.response.clone(),
        remember: args.remember.clone(),
    }
}

/// What is answered by itself from now on, in words, or why it is not.
fn held(reply: &Value) -> Option<String> {
    let rule = &reply["remembered"];
    let Some(matches) = render::field(rule, &["matches"]) else {
        return render::field(reply, &["note"]);
    };
    let verb = if rule["approved"] == true {
        "allowed"
    } else {
        "denied"
    };
    let scope = match render::field(rule, &["scope"]).as_deref() {
        Some("session") => "in this session",
        Some(_) | None => "in every session",
    };
    Some(format!(
        "from now on {verb} {scope}: {}",
        plain::line(&matches)
    ))
}

fn remembered(client: &Client) -> Result<Value, Failure> {
    client.json(&Request::get("/api/chat/approvals/overrides").with("limit", 200))
}

fn overrides(client: &Client, args: &ApproveArgs) -> Result<Exit, Failure> {
    let page = remembered(client)?;
    if args.json {
        out::json(&page)?;
        return Ok(Exit::Completed);
    }
    out::line(&render::overrides(&page))?;
    if page.get("hasMore") == Some(&Value::Bool(true)) {
        let total = page.get("total").unwrap_or(&Value::Null);
        out::note(&format!(
            "the newest 200 of {total}; --json pages are at /api/chat/approvals/overrides?offset=200"
        ));
    }
    Ok(Exit::Completed)
}

fn forget(client: &Client, args: &ApproveArgs, typed: &str) -> Result<Exit, Failure> {
    let id = if uuid::Uuid::parse_str(typed).is_ok() {
        typed.to_owned()
    } else {
        let page = remembered(client)?;
        let rules = page.get("overrides").and_then(Value::as_array);
        let ids: Vec<&str> = rules
            .into_iter()
            .flatten()
            .filter_map(|rule| rule.get("id")?.as_str())
            .collect();
        find::pick(&ids, typed, "remembered answer")
            .map(str::to_owned)
            .map_err(|failure| failure.mend("list them with `callboard approve --overrides`"))?
    };
    let path = format!("/api/chat/approvals/overrides/{id}");
    let reply: Value = client.json(&Request::of(Method::DELETE, path))?;
    if args.json {
        out::json(&reply)?;
    } else {
        out::note(&format!("{id}: forgotten; it is asked again from now on"));
    }
    Ok(Exit::Completed)
}

fn pending(client: &Client, args: &ApproveArgs) -> Result<Exit, Failure> {
    if args.json {
        let page: Value = client.json(&Request::get("/api/chat/approvals/pending"))?;
        out::json(&page)?;
        return Ok(Exit::Completed);
    }
    let open = find::approvals(client)?;
    out::line(&render::approvals(&open))?;
    match open.first() {
        Some(first) => {
            let id = find::tail(&first.request_id);
            out::note(&format!(
                "answer with `callboard approve {id}` or `callboard approve {id} --deny`"
            ));
        }
        None => out::note("no open questions"),
    }
    Ok(Exit::Completed)
}
