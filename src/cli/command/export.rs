//! `export`: a session as JSON lines, page by page.
//!
//! Never leaves half a file under the name that was asked for.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::super::args::ExportArgs;
use super::super::client::{Client, Request};
use super::super::failure::{Exit, Failure};
use super::super::follow::{Follower, Patience};
use super::super::{credentials, find, interrupt, out};

/// Rows of a page: the server's most.
const PAGE: usize = 200;

/// Writes the session to stdout or a file.
pub fn export(url: Option<&str>, args: &ExportArgs) -> Result<Exit, Failure> {
    let Some(path) = args
        .output
        .as_deref()
        .filter(|path| *path != Path::new("-"))
    else {
        let client = credentials::signed_in(url)?;
        let id = find::agent(&client, &args.id)?;
        let mut stdout = BufWriter::new(io::stdout().lock());
        Export::new(&client, &id, &mut stdout).all()?;
        stdout.flush()?;
        return Ok(Exit::Completed);
    };
    let beside = beside(path);
    // Before the first thread, so that Ctrl-C takes the half file away.
    let held = interrupt::hold(&[Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP])?;
    let half = beside.clone();
    held.each(move |_| {
        drop(fs::remove_file(&half));
        interrupt::quit();
    });
    let client = credentials::signed_in(url)?;
    let id = find::agent(&client, &args.id)?;
    let written = write(&client, &id, &beside).and_then(|counts| {
        fs::rename(&beside, path).map_err(|error| unwritten(path, &error))?;
        Ok(counts)
    });
    if written.is_err() {
        drop(fs::remove_file(&beside));
    }
    let counts = written?;
    out::note(&format!(
        "{} tasks and {} events in {}",
        counts.tasks,
        counts.events,
        path.display()
    ));
    Ok(Exit::Completed)
}

fn write(client: &Client, id: &str, beside: &Path) -> Result<Counts, Failure> {
    let failed = |error: io::Error| unwritten(beside, &error);
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(beside)
        .map_err(failed)?;
    let mut file = BufWriter::new(file);
    let counts = Export::new(client, id, &mut file).all()?;
    file.flush().map_err(failed)?;
    file.get_ref().sync_all().map_err(failed)?;
    Ok(counts)
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    path.with_file_name(name)
}

fn unwritten(path: &Path, error: &io::Error) -> Failure {
    Failure::new(
        Exit::Failed,
        format!("{} cannot be written", path.display()),
    )
    .because(error.to_string())
}

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    tasks: u64,
    approvals: u64,
    events: u64,
    missing: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TaskPage {
    tasks: Vec<Box<RawValue>>,
    #[serde(default)]
    has_more: bool,
}

/// One export under way.
struct Export<'a, W> {
    client: &'a Client,
    agent: String,
    id: &'a str,
    to: &'a mut W,
    counts: Counts,
}

impl<'a, W: Write> Export<'a, W> {
    fn new(client: &'a Client, id: &'a str, to: &'a mut W) -> Self {
        Self {
            client,
            agent: format!("/api/agents/{id}"),
            id,
            to,
            counts: Counts::default(),
        }
    }

    fn all(mut self) -> Result<Counts, Failure> {
        let session: Box<RawValue> = self.client.json(&Request::get(&self.agent))?;
        self.raw("session", &session)?;
        self.tasks()?;
        self.approvals()?;
        let last = self.events()?;
        let counts = self.counts;
        self.value(&json!({
            "record": "end",
            "tasks": counts.tasks,
            "approvals": counts.approvals,
            "events": counts.events,
            "missingEvents": counts.missing,
            "lastSeq": last,
        }))?;
        if counts.missing > 0 {
            out::note(&format!(
                "callboard: {} events are no longer kept; each hole is a `gap`",
                counts.missing
            ));
        }
        Ok(counts)
    }

    /// In the order of their acceptance: a task that comes meanwhile is behind the others.
    fn tasks(&mut self) -> Result<(), Failure> {
        let mut offset = 0_usize;
        loop {
            let request = Request::get(format!("{}/tasks", self.agent))
                .with("limit", PAGE)
                .with("offset", offset);
            let page: TaskPage = self.client.json(&request)?;
            for task in &page.tasks {
                self.raw("task", task)?;
                self.counts.tasks = self.counts.tasks.saturating_add(1);
            }
            offset = offset.saturating_add(page.tasks.len());
            if page.tasks.is_empty() || !page.has_more {
                return Ok(());
            }
        }
    }

    /// The open ones: answered ones are events.
    fn approvals(&mut self) -> Result<(), Failure> {
        let page: Value = self
            .client
            .json(&Request::get("/api/chat/approvals/pending"))?;
        let all = page.get("approvals").and_then(Value::as_array);
        for approval in all.into_iter().flatten() {
            if approval.get("agentId").and_then(Value::as_str) == Some(self.id) {
                self.value(&json!({"record": "approval", "approval": approval}))?;
                self.counts.approvals = self.counts.approvals.saturating_add(1);
            }
        }
        Ok(())
    }

    fn events(&mut self) -> Result<u64, Failure> {
        let mut follower = Follower::new(self.client, self.id, "0");
        let mut last = 0;
        loop {
            let batch = follower.next(Duration::ZERO, Patience::None)?;
            if let Some(gap) = &batch.gap {
                let missing = gap.to.saturating_sub(gap.from).saturating_add(1);
                self.counts.missing = self.counts.missing.saturating_add(missing);
                self.value(&json!({
                    "record": "gap", "from": gap.from, "to": gap.to, "reason": gap.reason,
                }))?;
            }
            for seen in &batch.events {
                self.raw("event", &seen.raw)?;
                self.counts.events = self.counts.events.saturating_add(1);
                last = seen.event.seq;
            }
            if !batch.more {
                return Ok(last);
            }
        }
    }

    /// What the server said, byte for byte.
    fn raw(&mut self, record: &str, value: &RawValue) -> Result<(), Failure> {
        let line = format!("{{\"record\":\"{record}\",\"{record}\":{}}}\n", value.get());
        Ok(self.to.write_all(line.as_bytes())?)
    }

    fn value(&mut self, value: &Value) -> Result<(), Failure> {
        Ok(self.to.write_all(format!("{value}\n").as_bytes())?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{Answer, Fake};
    use super::*;

    fn server() -> Fake {
        Fake::start(|_, got| {
            let (path, query) = got.line.split_once('?').unwrap_or((&got.line, ""));
            let body = match (path, query) {
                ("GET /api/agents/a", _) => r#"{"id":"a","name":"build"}"#,
                ("GET /api/agents/a/tasks", "limit=200&offset=0") => {
                    r#"{"tasks":[{"id":"t1"},{"id":"t2"}],"hasMore":true}"#
                }
                ("GET /api/agents/a/tasks", "limit=200&offset=2") => {
                    r#"{"tasks":[{"id":"t3"}],"hasMore":false}"#
                }
                ("GET /api/chat/approvals/pending", _) => {
                    r#"{"approvals":[{"agentId":"b"},{"agentId":"a","requestId":"q"}]}"#
                }
                ("GET /api/agents/a/events", query) if query.contains("after=0") => {
                    r#"{"epoch":"e","events":[{"seq":3,"type":"status","x": 1.50}],"nextCursor":3,
                       "hasMore":true,"gap":{"from":1,"to":2,"reason":"retention"}}"#
                }
                ("GET /api/agents/a/events", query) if query.contains("after=3") => {
                    r#"{"epoch":"e","events":[{"seq":4,"type":"exit"}],"nextCursor":4,"hasMore":false}"#
                }
                _ => return Answer::Json(500, "{}".into()),
            };
            Answer::Json(200, body.into())
        })
    }

    #[test]
    fn every_page_becomes_lines_and_the_last_one_says_that_it_is_whole() {
        let fake = server();
        let client = Client::new(&fake.url, Some("t".into())).unwrap();
        let mut text = Vec::new();
        Export::new(&client, "a", &mut text).all().unwrap();
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "{\"record\":\"session\",\"session\":{\"id\":\"a\",\"name\":\"build\"}}\n\
             {\"record\":\"task\",\"task\":{\"id\":\"t1\"}}\n\
             {\"record\":\"task\",\"task\":{\"id\":\"t2\"}}\n\
             {\"record\":\"task\",\"task\":{\"id\":\"t3\"}}\n\
             {\"approval\":{\"agentId\":\"a\",\"requestId\":\"q\"},\"record\":\"approval\"}\n\
             {\"from\":1,\"reason\":\"retention\",\"record\":\"gap\",\"to\":2}\n\
             {\"record\":\"event\",\"event\":{\"seq\":3,\"type\":\"status\",\"x\": 1.50}}\n\
             {\"record\":\"event\",\"event\":{\"seq\":4,\"type\":\"exit\"}}\n\
             {\"approvals\":1,\"events\":2,\"lastSeq\":4,\"missingEvents\":2,\
             \"record\":\"end\",\"tasks\":3}\n"
        );
    }

    #[test]
    fn a_server_that_goes_away_amid_it_leaves_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let fake = Fake::start(|number, _| match number {
            0 => Answer::Json(200, r#"{"id":"a"}"#.into()),
            _ => Answer::Cut,
        });
        let client = Client::new(&fake.url, Some("t".into())).unwrap();
        let beside = beside(&dir.path().join("a.jsonl"));
        let failure = write(&client, "a", &beside).unwrap_err();
        assert_eq!(failure.exit, Exit::Unreachable);
        assert!(!dir.path().join("a.jsonl").exists());
    }
}
