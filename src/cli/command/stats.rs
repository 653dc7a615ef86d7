//! `stats`: what the server keeps, and its room on the disk.
//!
//! Never computes a figure of its own.

use serde_json::Value;

use super::super::args::JsonArgs;
use super::super::client::{Client, Request};
use super::super::failure::{Exit, Failure};
use super::super::{clock, out};

/// Shows the figures.
pub fn stats(client: &Client, args: JsonArgs) -> Result<Exit, Failure> {
    let stats: Value = client.json(&Request::get("/api/stats"))?;
    if args.json {
        out::json(&stats)?;
    } else {
        out::line(&out::table(&["what", "figure"], rows(&stats)))?;
    }
    Ok(Exit::Completed)
}

fn rows(stats: &Value) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut row = |what: &str, figure: Option<String>| {
        if let Some(figure) = figure {
            rows.push(vec![what.to_owned(), figure]);
        }
    };
    row("sessions", counts(stats, "sessions", "byStatus"));
    row("  deleted, rows kept", number(stats, "/sessions/deleted"));
    row("tasks", counts(stats, "tasks", "byState"));
    row("questions", counts(stats, "approvals", "byState"));
    row("processes noted", number(stats, "/incarnations/total"));
    row("events", number(stats, "/events/total"));
    let oldest = stats.pointer("/events/oldest").and_then(Value::as_str);
    row(
        "  oldest",
        oldest.map(|at| format!("{} ago", clock::age(at))),
    );
    row("database", bytes(stats, "/database/bytes"));
    row("audit rows", number(stats, "/audit/total"));
    row("supervisors' log", number(stats, "/supervisorLog/total"));
    row("output logs", bytes(stats, "/logs/bytes"));
    let state = stats.pointer("/disk/state").and_then(Value::as_str);
    let free = bytes(stats, "/disk/freeBytes").zip(bytes(stats, "/disk/totalBytes"));
    let free = free.map(|(free, total)| format!("{free} free of {total}"));
    row(
        "disk",
        free.zip(state)
            .map(|(free, state)| format!("{free}, {state}")),
    );
    let swept = stats.pointer("/retention/lastSweep/at");
    let swept = swept.and_then(Value::as_str);
    row(
        "last tidied",
        swept.map(|at| format!("{} ago", clock::age(at))),
    );
    row("  removed", removed(stats));
    rows
}

/// `12 (idle 3, stopped 9)`.
fn counts(stats: &Value, part: &str, by: &str) -> Option<String> {
    let part = stats.get(part)?;
    let total = part.get("total")?;
    let each = part.get(by)?.as_object()?;
    let each: Vec<String> = each.iter().map(|(word, n)| format!("{word} {n}")).collect();
    if each.is_empty() {
        return Some(total.to_string());
    }
    Some(format!("{total} ({})", each.join(", ")))
}

fn removed(stats: &Value) -> Option<String> {
    let removed = stats.pointer("/retention/lastSweep/removed")?.as_object()?;
    let some = removed
        .iter()
        .filter(|(_, count)| count.as_u64() != Some(0));
    let words: Vec<String> = some.map(|(word, n)| format!("{word} {n}")).collect();
    Some(if words.is_empty() {
        "nothing".to_owned()
    } else {
        words.join(", ")
    })
}

fn number(stats: &Value, at: &str) -> Option<String> {
    stats.pointer(at)?.as_u64().map(|number| number.to_string())
}

fn bytes(stats: &Value, at: &str) -> Option<String> {
    stats.pointer(at)?.as_u64().map(size)
}

/// In the largest unit that leaves at least one.
fn size(bytes: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let unit = units.into_iter().find(|(unit, _)| bytes >= *unit);
    let Some((unit, name)) = unit else {
        return format!("{bytes} B");
    };
    let tenths = bytes.saturating_mul(10) / unit;
    format!("{}.{} {name}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn sizes_are_shown_with_one_digit() {
        assert_eq!(size(1_023), "1023 B");
        assert_eq!(size(1_536), "1.5 KiB");
        assert_eq!(size(5 << 30), "5.0 GiB");
    }

    #[test]
    fn a_reply_without_the_server_s_figures_is_shown_too() {
        let own = json!({"sessions": {"total": 2, "byStatus": {"idle": 2}, "deleted": 0},
            "tasks": {"total": 0, "byState": {}}, "incarnations": {"total": 3},
            "approvals": {"total": 2, "byState": {"denied": 2}}, "events": {"total": 7, "oldest": null}});
        let shown: Vec<String> = rows(&own).into_iter().map(|row| row.join("=")).collect();
        let expected = [
            "sessions=2 (idle 2)",
            "  deleted, rows kept=0",
            "tasks=0",
            "questions=2 (denied 2)",
            "processes noted=3",
            "events=7",
        ];
        assert_eq!(shown, expected);
    }
}
