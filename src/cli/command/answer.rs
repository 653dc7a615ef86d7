//! `approve`: lists and answers the questions of agents, and shows and forgets what is remembered.
//!
//! Never answers without being told which question.

use reqwest::Method;
use serde_json::{Value, json};

use super::super::args::ApproveArgs;
use super::super::client::{Client, Request};
use super::super::failure::{Exit, Failure};
use super::super::wire::Approval;
use super::super::{find, out, plain, render};
use super::asked;

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
    let open = find::approvals(client)?;
    // One that is not open any more is refused by the server, which knows why.
    let open = open.iter().find(|open| open.request_id == id);
    let reply = answer(client, &id, &verdict(args, open)?)?;
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

impl Verdict {
    /// Yes, this once.
    #[must_use]
    pub fn yes(response: Option<String>) -> Self {
        Self {
            approved: true,
            response,
            remember: None,
        }
    }

    /// No, this once.
    #[must_use]
    pub fn no(response: Option<String>) -> Self {
        Self {
            approved: false,
            ..Self::yes(response)
        }
    }
}

/// Answers one question.
///
/// # Errors
/// `Refused` when somebody else answered first, `NotFound` for an unknown one.
pub fn answer(client: &Client, id: &str, verdict: &Verdict) -> Result<Value, Failure> {
    let body = json!({
        "requestId": id, "approved": verdict.approved, "response": verdict.response,
        "remember": verdict.remember,
    });
    client.json(&Request::post("/api/chat/approve").body(body))
}

/// What the flags say to this question; an error where they say nothing to it.
fn verdict(args: &ApproveArgs, open: Option<&Approval>) -> Result<Verdict, Failure> {
    let said = Verdict {
        approved: !args.deny,
        response: args.response.clone(),
        remember: args.remember.clone(),
    };
    let Some(open) = open.filter(|open| open.kind == "question") else {
        return Ok(said);
    };
    let wrong = |what: &str| Err(Failure::new(Exit::Usage, what).because(open.question.clone()));
    if said.remember.as_deref().is_some_and(|long| long != "once") {
        let wrong = wrong("the agent wants to know something: no answer to that is remembered");
        return wrong.map_err(|failure| failure.mend("answer it without --remember"));
    }
    let response = said.response.filter(|words| !words.trim().is_empty());
    if said.approved && response.is_none() {
        let wrong = wrong("the agent wants to know something, and a yes does not say it");
        return wrong.map_err(|failure| failure.mend("give --response TEXT, or --deny"));
    }
    let chosen = |words: String| match said.approved {
        true => asked::chosen(&open.options, &words),
        false => words,
    };
    Ok(Verdict {
        response: response.map(chosen),
        ..said
    })
}

/// What is answered by itself from now on, in words, or why it is not.
pub fn held(reply: &Value) -> Option<String> {
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

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::super::args::{Cli, Command};
    use super::super::super::testing::{Answer, Fake};
    use super::*;

    const ID: &str = "01929f3a-0000-7000-8000-000000000001";

    /// What `approve` did with these flags on an open question, and what it sent.
    fn approved(kind: &str, flags: &[&str]) -> (Result<Exit, Failure>, Vec<String>) {
        let open = json!({"approvals": [{
            "requestId": ID, "kind": kind, "question": "Which colour?",
            "options": ["Red", "Blue"],
        }]});
        let fake = Fake::start(move |_, got| match got.line.as_str() {
            "POST /api/chat/approve" => Answer::Json(200, r#"{"status":"approved"}"#.into()),
            _ => Answer::Json(200, open.to_string()),
        });
        let words = ["callboard", "approve", ID]
            .into_iter()
            .chain(flags.iter().copied());
        let Command::Approve(args) = Cli::try_parse_from(words).unwrap().command else {
            panic!("another command");
        };
        let done = approve(&Client::new(&fake.url, None).unwrap(), &args);
        let sent = fake
            .seen()
            .into_iter()
            .filter(|got| got.line.starts_with("POST"));
        (done, sent.map(|got| got.body).collect())
    }

    #[test]
    fn a_question_is_answered_in_words_or_by_number() {
        for (words, means) in [("2", "Blue"), ("red", "Red"), ("green", "green")] {
            let (done, sent) = approved("question", &["--response", words]);
            assert_eq!(done.unwrap(), Exit::Completed);
            let sent: Value = serde_json::from_str(&sent.concat()).unwrap();
            assert_eq!(sent["response"], means);
            assert_eq!(sent["approved"], true);
        }
        let (_, sent) = approved("question", &["--deny", "--response", "2"]);
        assert!(sent.concat().contains(r#""response":"2""#), "{sent:?}");
    }

    #[test]
    fn a_use_that_is_wrong_is_told_before_anything_is_sent() {
        for flags in [
            &[][..],
            &["--response", " "],
            &["--response", "2", "--remember", "always"],
            &["--deny", "--remember", "session"],
        ] {
            let (done, sent) = approved("question", flags);
            assert_eq!(done.unwrap_err().exit, Exit::Usage, "{flags:?}");
            assert_eq!(sent.len(), 0, "{flags:?}");
        }
        let (done, sent) = approved("permission", &["--remember", "always"]);
        assert_eq!((done.unwrap(), sent.len()), (Exit::Completed, 1));
    }
}
