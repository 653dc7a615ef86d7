//! A new server over what an older one left, and an old-one over a newer schema; the unit that lets
//! agents stay.

use std::collections::BTreeMap;
use std::os::unix::net::UnixDatagram;

use callboard::auth::Passwords;
use callboard::domain::survival::{Place, Survival};
use diesel::Connection;
use diesel::connection::SimpleConnection;
use diesel::sqlite::SqliteConnection;

use super::*;
use crate::app::PASSWORD;

const FIRST: &str = include_str!("../../../migrations/2026-11-22-000001_core/up.sql");
const UNIT: &str = include_str!("../../../config/systemd/callboard.service");

fn database(dir: &std::path::Path) -> SqliteConnection {
    let file = dir.join("callboard.db");
    SqliteConnection::establish(file.to_str().unwrap()).unwrap()
}

/// A database as the first build left it, with a person, a session, its task and its events.
async fn first_build(dir: &std::path::Path) -> String {
    let hash = Passwords::new().hash(PASSWORD.into()).await.unwrap();
    let (user, id) = (uuid::Uuid::new_v4(), uuid::Uuid::new_v4());
    let task = uuid::Uuid::now_v7();
    let mut conn = database(dir);
    conn.batch_execute(FIRST).unwrap();
    conn.batch_execute(&format!(
        "CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL,
             run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP);
         INSERT INTO __diesel_schema_migrations (version) VALUES ('20261122000001');
         INSERT INTO meta VALUES ('epoch', '0123456789abcdef');
         INSERT INTO users VALUES ('{user}', 'ada', 'ada', 'ada@example.org', 'ada@example.org',
             'member', '{hash}', 0, 1);
         INSERT INTO sessions VALUES ('{id}', '{user}', '{id}', 'old-one', 'shell', '/', NULL,
             'default', NULL, NULL, '{{}}', NULL, 1000, 2000, NULL, 'idle', '{{\"turns\":1}}');
         INSERT INTO tasks VALUES ('{task}', '{id}', '{user}', 1, 'completed', 'ls -l', 'ask',
             '{{}}', 1, NULL, NULL, 'said', NULL, 1100, 1200, 1300);
         INSERT INTO events VALUES ('{id}', 1, 1, '{user}', 'assistant_message', 1250, 0,
             '{{\"text\":\"said\"}}');"
    ))
    .unwrap();
    id.to_string()
}

#[tokio::test]
async fn a_database_of_the_first_build_is_taken_over_with_all_its_rows() {
    let dir = tempfile::tempdir().unwrap();
    let id = first_build(dir.path()).await;
    let mut app = TestApp::in_place(dir, "");
    app.boot().await;
    let ada = app.sign_in("ada").await;
    let agent = ada.get(&format!("/api/agents/{id}")).await.ok(200);
    assert_eq!(agent["name"], "old-one", "{agent}");
    assert_eq!(agent["lastSeq"], 1, "{agent}");
    let history = whole(&ada, &id, &[]).await;
    assert!(history[0].to_string().contains("said"), "{history:?}");
    let tasks = ada.get(&format!("/api/agents/{id}/tasks")).await.ok(200);
    assert!(tasks.to_string().contains("ls -l"), "{tasks}");
    // It also works with it.
    let new = player(&app, &ada, &json!([[{"say": "done"}]])).await;
    assert_eq!(ada.turn(&new, "go").await["outcome"], "completed");
    until_well(&app).await;
    // And a second start finds nothing to do.
    assert_eq!(app.stop().await, Some(0));
    app.boot().await;
    let ada = ada.at(&app);
    assert_eq!(ada.history(&id).await.len(), 1);
}

#[tokio::test]
async fn a_database_of_a_newer_build_is_refused_in_words() {
    let mut app = TestApp::start().await;
    assert_eq!(app.stop().await, Some(0));
    let newer = "INSERT INTO __diesel_schema_migrations (version) VALUES ('20991231000001')";
    database(app.dir()).batch_execute(newer).unwrap();
    let before = std::fs::read(app.dir().join("callboard.db")).unwrap();
    let refused = app.command().output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("20991231000001"), "{said}");
    assert!(said.contains("does not know"), "{said}");
    let after = std::fs::read(app.dir().join("callboard.db")).unwrap();
    assert!(before == after, "the refused database was written to");
}

/// The unit's settings by section and key.
fn unit() -> BTreeMap<(String, String), String> {
    let (mut section, mut found) = (String::new(), BTreeMap::new());
    for line in UNIT.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
            continue;
        }
        let (key, value) = line.split_once('=').unwrap_or_else(|| panic!("{line}"));
        let old = found.insert((section.clone(), key.to_owned()), value.to_owned());
        assert_eq!(old, None, "{line} stands twice");
    }
    found
}

#[test]
fn the_unit_keeps_agents_and_says_what_the_server_does() {
    let unit = unit();
    let service = |key: &str| {
        let value = unit.get(&("Service".to_owned(), key.to_owned()));
        value.map_or("", String::as_str)
    };
    // What `callboard doctor` and the server's own health judge by.
    let place = Place {
        unit: Some("callboard.service".to_owned()),
        first: false,
    };
    assert_eq!(place.judge(Some(service("KillMode"))), Survival::Yes);
    assert_eq!(place.judge(Some("control-group")), Survival::Unit);
    assert_eq!(service("Delegate"), "yes");
    assert_eq!(service("Restart"), "on-failure");
    assert_eq!(service("Type"), "notify");
    // A database that is away for hours is no reason to give up.
    let limit = unit.get(&("Unit".to_owned(), "StartLimitIntervalSec".to_owned()));
    assert_eq!(limit.map(String::as_str), Some("0"));
    let words: Vec<&str> = service("ExecStart").split(' ').collect();
    assert!(words[0].ends_with("/callboard"), "{words:?}");
    let parsed = <callboard::cli::args::Cli as clap::Parser>::try_parse_from(words);
    assert!(parsed.is_ok(), "{:?}", parsed.err());
    // It may drain in peace: 25 s for requests, 10 s for the tree, 5 s for the log.
    let stop: u64 = service("TimeoutStopSec").parse().unwrap();
    assert!(stop >= 40, "{stop}");
}

#[tokio::test]
async fn a_service_manager_hears_when_the_server_is_ready_lives_and_stops() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(LONG)).unwrap();
    let mut app = TestApp::prepared(tempfile::tempdir().unwrap(), "").await;
    app.env = vec![
        ("NOTIFY_SOCKET", path.to_str().unwrap().to_owned()),
        ("WATCHDOG_USEC", "1000000".to_owned()),
    ];
    app.boot().await;
    let (lives, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let hearing = std::thread::spawn(move || {
        let mut words = Vec::new();
        while words.last().is_none_or(|word| word != "STOPPING=1") {
            let mut word = [0; 64];
            let length = manager.recv(&mut word).unwrap();
            words.push(String::from_utf8_lossy(&word[..length]).into_owned());
            if words.last().is_some_and(|word| word == "WATCHDOG=1") {
                lives.send(()).unwrap();
            }
        }
        words
    });
    until_well(&app).await;
    // It says that it lives every half second, again and again.
    for _word in 0..2 {
        heard.recv().await.unwrap();
    }
    assert_eq!(app.stop().await, Some(0));
    let words = hearing.join().unwrap();
    let count = |wanted: &str| words.iter().filter(|word| *word == wanted).count();
    let (ready, alive) = (count("READY=1"), count("WATCHDOG=1"));
    let asked = words
        .iter()
        .filter(|w| w.starts_with("EXTEND_TIMEOUT_USEC="));
    assert_eq!((ready, count("STOPPING=1")), (1, 1), "{words:?}");
    assert!(words[0].starts_with("EXTEND_TIMEOUT_USEC="), "{words:?}");
    let others = ready + alive + asked.count();
    assert!(alive >= 2 && others == words.len() - 1, "{words:?}");
}
