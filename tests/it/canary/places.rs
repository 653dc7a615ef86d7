//! Where a secret could be: files of the database, processes, texts.
//! Never the raw output logs of keepers: those are a process's own output, kept as it was.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use diesel::prelude::*;
use diesel::sql_types::Text;

use crate::app::TestApp;

/// A secret that is found nowhere else.
#[derive(Clone, Copy)]
pub struct Canary(pub &'static str);

impl Canary {
    /// As base64 has it.
    pub fn encoded(&self) -> String {
        STANDARD.encode(self.0)
    }

    /// Whether a text holds it, also within base64 of any text around it.
    pub fn is_in(&self, text: &str) -> bool {
        let within = (0..3_usize).any(|before| {
            let encoded = STANDARD.encode(["x".repeat(before).as_str(), self.0].concat());
            // Two signs at either end belong to what stands around it as well.
            text.contains(encoded.get(3..encoded.len() - 4).unwrap())
        });
        within || text.contains(self.0)
    }
}

/// Fails when a text holds one of them.
#[track_caller]
pub fn clean(what: &str, text: &str, canaries: &[Canary]) {
    assert!(!text.is_empty(), "{what}: nothing to look at");
    for canary in canaries {
        if canary.is_in(text) {
            let at = text.find(canary.0).unwrap_or(0);
            let from = text.floor_char_boundary(at.saturating_sub(300));
            let to = text.ceil_char_boundary((at + 100).min(text.len()));
            panic!(
                "{what} holds {}: {:?}",
                canary.0,
                text.get(from..to).unwrap()
            );
        }
    }
}

/// The database's files with what was written and is not in their tables any more.
pub fn database(dir: &Path) -> String {
    let mut all = String::new();
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        if entry
            .file_name()
            .to_string_lossy()
            .starts_with("callboard.db")
        {
            all.push_str(&String::from_utf8_lossy(
                &std::fs::read(entry.path()).unwrap(),
            ));
        }
    }
    all
}

/// The address of its database where that is one of PostgreSQL.
pub fn postgres(app: &TestApp) -> Option<String> {
    Some(app.database()).filter(|url| url.starts_with("postgres"))
}

/// Every row of every table on PostgreSQL, bytes as the text that they may be; the files otherwise.
pub fn stored(app: &TestApp) -> String {
    let Some(url) = postgres(app) else {
        return database(app.dir());
    };
    let mut conn = PgConnection::establish(&url).unwrap();
    let named = "SELECT quote_ident(table_name) AS text FROM information_schema.tables \
                 WHERE table_schema = 'public' AND table_type = 'BASE TABLE'";
    let tables: Vec<Line> = diesel::sql_query(named).load(&mut conn).unwrap();
    assert!(tables.len() > 10, "{} tables", tables.len());
    let mut all = String::new();
    for table in tables {
        let rows = format!(
            "SELECT row_to_json(r)::text AS text FROM {} AS r",
            table.text
        );
        let rows: Vec<Line> = diesel::sql_query(rows).load(&mut conn).unwrap();
        for row in rows {
            let row: serde_json::Value = serde_json::from_str(&row.text).unwrap();
            for value in row.as_object().unwrap().values() {
                let text = value.as_str().map_or_else(|| value.to_string(), plain);
                all.push_str(&text);
                all.push('\n');
            }
        }
    }
    all
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    text: String,
}

/// The text that a column's bytes are; another column as it is.
fn plain(text: &str) -> String {
    let Some(digits) = text.strip_prefix("\\x") else {
        return text.to_owned();
    };
    let pairs = digits.as_bytes().chunks(2);
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = pairs.map(byte).collect();
    bytes.map_or_else(
        || text.to_owned(),
        |bytes| String::from_utf8_lossy(&bytes).into_owned(),
    )
}

/// Environment and command line of a process.
pub fn process(pid: u64) -> String {
    let read = |file: &str| std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let all = [read("environ"), read("cmdline")].concat();
    String::from_utf8_lossy(&all).replace('\0', "\n")
}

/// The same of every keeper of this data directory: those that name it or stand in it.
pub fn processes(dir: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).into_owned();
        let cwd = std::fs::read_link(entry.path().join("cwd")).unwrap_or_default();
        let ours = command.contains(dir.to_str().unwrap()) || cwd.starts_with(dir);
        if ours && command.contains("callboard-keeper") {
            found.push((format!("the keeper {pid}"), process(pid)));
        }
    }
    found
}
