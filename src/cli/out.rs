//! Standard output and error of the client.
//!
//! Never panics when the reader goes away: that ends the command quietly.

use std::io::{self, Write};

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

use super::failure::Failure;
use super::plain;

/// One line to stdout, with control characters of others taken out.
///
/// # Errors
/// When stdout cannot be written, also because its reader went away.
pub fn line(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(plain::line(text).as_bytes())?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}

/// Bytes to stdout as they are.
///
/// # Errors
/// As `line`.
pub fn bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    Ok(out.flush()?)
}

/// One JSON document, indented, to stdout.
///
/// # Errors
/// As `line`.
pub fn json(value: &Value) -> Result<(), Failure> {
    let text = format!("{value:#}\n");
    bytes(text.as_bytes())
}

/// One JSON value on one line to stdout.
///
/// # Errors
/// As `line`.
pub fn json_line(text: &str) -> Result<(), Failure> {
    let mut whole = String::with_capacity(text.len().saturating_add(1));
    whole.push_str(text);
    whole.push('\n');
    bytes(whole.as_bytes())
}

/// One line to stderr, for people; folded at words where that is a terminal. What cannot be written
/// there is lost.
pub fn note(text: &str) {
    let width = terminal_size::terminal_size_of(io::stderr()).map(|(width, _)| width.0);
    let text = match width {
        Some(width) => folded(text, usize::from(width)),
        None => text.to_owned(),
    };
    let mut err = io::stderr().lock();
    if err.write_all(text.as_bytes()).is_ok() && err.write_all(b"\n").is_ok() {
        drop(err.flush());
    }
}

/// Folds lines at words; what follows stands two columns further in. A longer word stays whole.
fn folded(text: &str, width: usize) -> String {
    let lines: Vec<String> = text.split('\n').map(|line| fold(line, width)).collect();
    lines.join("\n")
}

fn fold(line: &str, width: usize) -> String {
    if line.chars().count() <= width {
        return line.to_owned();
    }
    let indent = line.chars().take_while(|c| *c == ' ').count();
    let mut out = " ".repeat(indent);
    let mut column = indent;
    let mut first = true;
    for word in line.split_whitespace() {
        let length = word.chars().count();
        if !first && column.saturating_add(length).saturating_add(1) > width {
            column = indent.saturating_add(2);
            out.push('\n');
            out.push_str(&" ".repeat(column));
        } else if !first {
            out.push(' ');
            column = column.saturating_add(1);
        }
        out.push_str(word);
        column = column.saturating_add(length);
        first = false;
    }
    out
}

/// A table as text, without a line at the end.
#[must_use]
pub fn table(header: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header.iter().copied());
    for row in rows {
        table.add_row(row.into_iter().map(|cell| plain::cell(&cell)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_folded_at_words() {
        let text = "callboard: one two three\n  why: a_word_that_is_too_long x";
        let folded = folded(text, 16);
        let want = "callboard: one\n  two three\n  why:\n    a_word_that_is_too_long\n    x";
        assert_eq!(folded, want);
        assert_eq!(super::folded("short", 16), "short");
    }

    #[test]
    fn a_table_has_one_line_a_row_and_no_control_characters() {
        let rows = vec![
            vec!["a1".into(), "idle\u{1b}[31m\nred".into()],
            vec!["b".into(), "busy".into()],
        ];
        assert_eq!(
            table(&["ID", "STATUS"], rows),
            "ID  STATUS\na1  idle red\nb   busy"
        );
    }
}
