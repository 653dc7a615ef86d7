//! What the log observer writes, read back as the JSON lines of the server.
//! Never the server's own subscriber: each test has one of its own.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use super::*;

#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("page").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn line(record: &Record) -> serde_json::Value {
    let page = Page::default();
    let writer = page.clone();
    let log = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .without_time()
        .with_target(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(log, || LogObserver.record(record));
    let bytes = page.0.lock().expect("page").clone();
    serde_json::from_slice(&bytes).expect("one JSON line")
}

#[test]
fn a_crash_is_a_warning_with_its_cause() {
    let down = Record {
        exit: Some(Exit::Panic),
        reason: Some("boom at x.rs:1".into()),
        lifetime: Some(Duration::from_secs(2)),
        ..Record::new("root/a".into(), 3, Event::ChildDown)
    };
    let expected = serde_json::json!({
        "level": "WARN", "path": "root/a", "generation": 3, "event": "child_down",
        "exit": "panic", "reason": "boom at x.rs:1", "lifetime_ms": 2_000,
    });
    assert_eq!(line(&down), expected);
}

#[test]
fn a_restart_is_no_warning_and_has_its_numbers() {
    let restart = Record {
        delay: Some(Duration::from_millis(50)),
        count: Some((1, 5)),
        ..Record::new("root/a".into(), 3, Event::RestartIn)
    };
    let expected = serde_json::json!({
        "level": "INFO", "path": "root/a", "generation": 3, "event": "restart_in",
        "delay_ms": 50, "restarts": 1, "intensity": 5,
    });
    assert_eq!(line(&restart), expected);
}

#[test]
fn orderly_ends_are_no_trouble_and_lost_ones_are() {
    let of = |event, exit| {
        let record = Record {
            exit,
            ..Record::new("root".into(), 1, event)
        };
        is_trouble(&record)
    };
    assert!(!of(Event::ChildDown, Some(Exit::Shutdown)));
    assert!(of(Event::ChildDown, Some(Exit::Failed("x".into()))));
    for event in [
        Event::StartFailed,
        Event::IntensityReached,
        Event::Abandoned,
        Event::GaveUp,
        Event::Detached,
    ] {
        assert!(of(event, None), "{event}");
    }
}
