//! A tool's call, its result, and what a turn used: one line each, as wide as the screen.
//!
//! Never hides that something was cut: a mark or a count stands for it.

use serde_json::Value;

use super::{plain, render};

/// The call of a tool.
#[must_use]
pub fn call(data: &Value, width: usize) -> String {
    let line = format!("  > {} {}", render::tool(data), render::arguments(data));
    fit(&line, width)
}

/// The first line of its result that has words, and how many follow.
#[must_use]
pub fn result(data: &Value, width: usize) -> String {
    let text = plain::line(&render::result(data));
    let mut lines = text
        .trim_end()
        .lines()
        .skip_while(|line| line.trim().is_empty());
    let Some(first) = lines.next() else {
        return String::from("    (no output)");
    };
    let more = match lines.count() {
        0 => String::new(),
        1 => String::from(" (1 more line)"),
        more => format!(" ({more} more lines)"),
    };
    let left = width.saturating_sub(more.len());
    format!("{}{more}", fit(&format!("    {first}"), left))
}

/// What a turn used, as far as its program tells; nothing when it does not.
#[must_use]
pub fn used(task: &Value) -> Option<String> {
    let usage = task.get("usage")?;
    let cost = usage.get("costUsd").and_then(Value::as_f64);
    let cost = cost.filter(|cost| *cost > 0.0);
    let mut words: Vec<String> = cost.map(dollars).into_iter().collect();
    for (key, word) in [
        ("inputTokens", "tokens in"),
        ("outputTokens", "out"),
        ("cacheReadTokens", "cache read"),
        ("cacheWriteTokens", "cache write"),
    ] {
        let count = usage.get(key).and_then(Value::as_u64);
        if let Some(count) = count.filter(|count| *count > 0) {
            words.push(format!("{count} {word}"));
        }
    }
    (!words.is_empty()).then(|| words.join(", "))
}

/// A sum that is not shown as nothing while it is something.
fn dollars(sum: f64) -> String {
    if sum >= 1.0 {
        return format!("${sum:.2}");
    }
    format!("${sum:.4}")
}

/// Text on one line of less than this width: a full one would break on some terminals.
fn fit(text: &str, width: usize) -> String {
    let text = plain::cell(text);
    let text = text.trim_end();
    let most = width.saturating_sub(1).max(1);
    if text.chars().count() <= most {
        return text.to_owned();
    }
    render::cut(text, most.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_call_is_one_line_with_what_it_is_about() {
        let line = |tool: &str, args: Value| call(&json!({"toolName": tool, "args": args}), 80);
        assert_eq!(
            line("Read", json!({"file_path": "/a/b", "limit": 3})),
            "  > Read /a/b"
        );
        assert_eq!(
            line("Grep", json!({"path": ".", "pattern": "x"})),
            "  > Grep x"
        );
        assert_eq!(
            line("Bash", json!({"command": "one\n\ttwo"})),
            "  > Bash one  two"
        );
        let asks = json!({"questions": [{"question": "Which?"}]});
        assert_eq!(line("AskUserQuestion", asks), "  > AskUserQuestion Which?");
        let long = line("Bash", json!({"command": "\u{e4}".repeat(300)}));
        assert_eq!(long.chars().count(), 79);
        assert!(long.ends_with("\u{e4}\u{2026}"), "{long}");
    }

    #[test]
    fn a_result_is_one_line_and_says_how_much_is_missing() {
        let line = |text: &str| result(&json!({"result": text}), 40);
        assert_eq!(line("done\n"), "    done");
        assert_eq!(line("\n\na\u{1b}[31mb\nc\n"), "    ab (1 more line)");
        assert_eq!(line(" \n"), "    (no output)");
        let long = line(&format!("{}\n2\n3\n4", "x".repeat(90)));
        assert_eq!(long.chars().count(), 39);
        assert!(long.ends_with("x\u{2026} (3 more lines)"), "{long}");
        let failed = json!({"result": {"output": "no", "exitCode": 2}});
        assert_eq!(result(&failed, 40), "    [2] no");
    }

    #[test]
    fn what_was_used_is_told_where_it_is_known() {
        let usage = json!({"usage": {
            "costUsd": 0.01234, "inputTokens": 12, "outputTokens": 3, "cacheReadTokens": 0,
        }});
        assert_eq!(used(&usage).unwrap(), "$0.0123, 12 tokens in, 3 out");
        assert_eq!(used(&json!({"usage": {"costUsd": 2.5}})).unwrap(), "$2.50");
        assert_eq!(used(&json!({"usage": null})), None);
        let nothing = json!({"usage": {"inputTokens": 0, "costUsd": 0.0}});
        assert_eq!(used(&nothing), None);
    }
}
