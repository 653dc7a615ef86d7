//! `approve`: lists and answers the questions of agents.
//!
//! Never answers without being told which question.

use serde_json::{Value, json};

use super::super::args::ApproveArgs;
use super::super::client::{Client, Request};
use super::super::failure::{Exit, Failure};
use super::super::{find, out, render};

/// Answers a question, or lists the open ones.
pub fn approve(client: &Client, args: &ApproveArgs) -> Result<Exit, Failure> {
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
}

/// Answers one question.
///
/// # Errors
/// `Refused` when somebody else answered first, `NotFound` for an unknown one.
pub fn answer(client: &Client, id: &str, verdict: Verdict) -> Result<Value, Failure> {
    let mut body = json!({ "requestId": id, "approved": verdict.approved });
    if let (Some(response), Value::Object(map)) = (verdict.response, &mut body) {
        map.insert("response".into(), Value::String(response));
    }
    client.json(&Request::post("/api/chat/approve").body(body))
}

fn verdict(args: &ApproveArgs) -> Verdict {
    Verdict {
        approved: !args.deny,
        response: args.response.clone(),
    }
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
