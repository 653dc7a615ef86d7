//! `stats`: what runs, what it costs, what is kept, and what the machine does.
//!
//! Never computes a figure of its own.

use std::time::Duration;

use serde_json::Value;

use super::super::args::StatsArgs;
use super::super::client::{Client, Request};
use super::super::failure::{Exit, Failure};
use super::super::{clock, out, terminal};

/// Pause between two looks of `--watch`.
const EVERY: Duration = Duration::from_secs(2);

/// Shows the figures.
pub fn stats(client: &Client, args: &StatsArgs) -> Result<Exit, Failure> {
    let mut shown = false;
    loop {
        match client.json(&Request::get("/api/stats")) {
            Ok(stats) => show(&stats, args)?,
            // Watching goes on over a restart of the server.
            Err(failure) if args.watch && shown && failure.transient() => failure.print(),
            Err(failure) => return Err(failure),
        }
        shown = true;
        if !args.watch {
            return Ok(Exit::Completed);
        }
        clock::pause(EVERY);
    }
}

fn show(stats: &Value, args: &StatsArgs) -> Result<(), Failure> {
    if args.json {
        return if args.watch {
            out::json_line(&stats.to_string())
        } else {
            out::json(stats)
        };
    }
    if args.watch && terminal::on_stdout() {
        // Home, and clear to the end of the screen (ECMA-48 CUP, ED).
        out::bytes(b"\x1b[H\x1b[2J")?;
    }
    out::line(&out::table(&["what", "figure"], rows(stats)))
}

fn rows(stats: &Value) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut row = |what: &str, figure: Option<String>| {
        if let Some(figure) = figure {
            rows.push(vec![what.to_owned(), figure]);
        }
    };
    row("processors", processors(stats));
    let used = bytes(stats, "/memory/usedBytes").zip(bytes(stats, "/memory/totalBytes"));
    row(
        "memory",
        used.map(|(used, total)| format!("{used} of {total}")),
    );
    row("  the server", bytes(stats, "/memory/serverBytes"));
    let rates = bytes(stats, "/network/rxBytesPerSecond");
    let rates = rates.zip(bytes(stats, "/network/txBytesPerSecond"));
    row(
        "network",
        rates.map(|(rx, tx)| format!("{rx}/s in, {tx}/s out")),
    );
    row("missions", missions(stats));
    row("cost", cost(stats));
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

/// `12.5 % of 2`.
fn processors(stats: &Value) -> Option<String> {
    let percent = stats.pointer("/cpu/percent")?.as_f64()?;
    let cores = stats.pointer("/cpu/cores")?.as_array()?.len();
    Some(format!("{percent:.1} % of {cores}"))
}

/// `3 (active 1, completed 2)`.
fn missions(stats: &Value) -> Option<String> {
    let all = stats.get("missions")?.as_object()?;
    let some = all
        .iter()
        .filter(|(word, count)| *word != "total" && count.as_u64() != Some(0));
    let each: Vec<String> = some.map(|(word, n)| format!("{word} {n}")).collect();
    let total = all.get("total")?;
    Some(match each.is_empty() {
        true => total.to_string(),
        false => format!("{total} ({})", each.join(", ")),
    })
}

fn cost(stats: &Value) -> Option<String> {
    let usd = stats.pointer("/cost/usd")?.as_f64()?;
    let tokens = stats.pointer("/cost/tokens")?.as_u64()?;
    Some(format!("{usd:.2} USD, {tokens} tokens"))
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
            "approvals": {"total": 2, "byState": {"denied": 2}}, "events": {"total": 7, "oldest": null},
            "cpu": {"percent": 12.54, "cores": [25.0, 0.0]}, "memory": null,
            "missions": {"total": 3, "active": 1, "failed": 0, "completed": 2},
            "cost": {"usd": 1.5, "tokens": 70}});
        let shown: Vec<String> = rows(&own).into_iter().map(|row| row.join("=")).collect();
        let expected = [
            "processors=12.5 % of 2",
            "missions=3 (active 1, completed 2)",
            "cost=1.50 USD, 70 tokens",
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
