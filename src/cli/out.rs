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

/// One line to stderr, for people. What cannot be written there is lost.
pub fn note(text: &str) {
    let mut err = io::stderr().lock();
    if err.write_all(text.as_bytes()).is_ok() && err.write_all(b"\n").is_ok() {
        drop(err.flush());
    }
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
