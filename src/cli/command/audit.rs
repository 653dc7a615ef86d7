//! `audit list` and `audit verify`.
//!
//! Never changes a row.

use serde_json::{Value, json};

use super::super::args::{AuditListArgs, AuditVerifyArgs};
use super::super::client::{Client, Request};
use super::super::failure::{Exit, Failure};
use super::super::find::short;
use super::super::render::field;
use super::super::{AuditVerdict, out};

/// Prints who did what.
pub fn list(client: &Client, args: &AuditListArgs) -> Result<Exit, Failure> {
    let mut request = Request::get("/api/audit")
        .with("after", args.after)
        .with("limit", args.limit);
    if let Some(actor) = &args.actor {
        request = request.with("actor", actor);
    }
    if let Some(action) = &args.action {
        request = request.with("action", action);
    }
    let page: Value = client.json(&request)?;
    if args.json {
        out::json(&page)?;
        return Ok(Exit::Completed);
    }
    let entries = page.get("entries").and_then(Value::as_array);
    let rows = entries.into_iter().flatten().map(row).collect();
    out::line(&out::table(
        &["N", "AT", "ACTOR", "FROM", "ACTION", "OBJECT", "RESULT"],
        rows,
    ))?;
    if page.get("hasMore").and_then(Value::as_bool) == Some(true) {
        let next = page.get("nextCursor").and_then(Value::as_u64).unwrap_or(0);
        out::note(&format!("more follows: --after {next}"));
    }
    Ok(Exit::Completed)
}

fn row(entry: &Value) -> Vec<String> {
    let text = |name: &str| field(entry, &[name]).unwrap_or_default();
    let n = entry.get("n").and_then(Value::as_u64).unwrap_or(0);
    vec![
        n.to_string(),
        text("at"),
        short(&text("actor")).to_owned(),
        text("address"),
        text("action"),
        text("object"),
        text("result"),
    ]
}

/// Says whether the chain is whole.
pub fn verify(
    args: &AuditVerifyArgs,
    look: fn(&AuditVerifyArgs) -> Result<AuditVerdict, Failure>,
) -> Result<Exit, Failure> {
    let verdict = look(args)?;
    if args.json {
        let broken = verdict
            .broken
            .map(|(n, why)| json!({ "n": n, "reason": why }));
        out::json(&json!({
            "ok": verdict.broken.is_none(),
            "rows": verdict.rows,
            "head": verdict.head.as_ref().map(|(n, hash)| json!({"n": n, "hash": hash})),
            "broken": broken,
        }))?;
    } else if let Some((n, why)) = verdict.broken {
        out::line(&format!("broken at row {n}: {why}"))?;
    } else {
        out::line(&format!("{} rows, all in their place", verdict.rows))?;
        if let Some((n, hash)) = &verdict.head {
            out::line(&format!("the last is {n} with the hash {hash}"))?;
        }
    }
    Ok(match verdict.broken {
        None => Exit::Completed,
        Some(_) => Exit::Failed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verify_with(broken: Option<(u64, &'static str)>) -> Exit {
        let args = AuditVerifyArgs {
            data_dir: None,
            config: None,
            json: true,
        };
        let whole = |_: &AuditVerifyArgs| Ok(AuditVerdict::default());
        let cut = |_: &AuditVerifyArgs| {
            Ok(AuditVerdict {
                broken: Some((3, "the row was changed")),
                ..AuditVerdict::default()
            })
        };
        verify(&args, if broken.is_some() { cut } else { whole }).unwrap()
    }

    #[test]
    fn a_broken_chain_fails_the_command() {
        assert_eq!(verify_with(None), Exit::Completed);
        assert_eq!(verify_with(Some((3, "x"))), Exit::Failed);
    }
}
