//! The figures, who may read them, and that each is explained.

use std::collections::BTreeSet;

use callboard::keeper::wire::identity;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::*;
use crate::survive::panics::arm;
use crate::survive::{keeper_dir, recorded};

#[tokio::test]
async fn figures_are_for_admins_and_tell_no_names() {
    let app = TestApp::start().await;
    let (ada, admin) = (app.sign_in("ada").await, app.sign_in("admin").await);
    ada.get("/metrics").await.fails(403, "forbidden");
    let id = player(&app, &ada, &json!([[{"say": "done"}], [{"hang": true}]])).await;
    ada.turn(&id, "one").await;
    let busy = send(&ada, &id, "two").await;
    until_task(&ada, &id, &busy, "running").await;
    send(&ada, &id, "three").await;
    let _socket = ada.ws().await;

    let reply = admin.get("/metrics").await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let kind = reply.headers["content-type"].to_str().unwrap();
    assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
    for secret in [id.as_str(), "ada", app.dir().to_str().unwrap()] {
        assert!(!reply.text.contains(secret), "{secret}: {}", reply.text);
    }
    for (name, expected) in [
        ("callboard_up", 1.0),
        ("callboard_agents{status=\"busy\"}", 1.0),
        ("callboard_agents_live", 1.0),
        ("callboard_sessions_awake", 1.0),
        ("callboard_keepers", 1.0),
        ("callboard_zombies", 0.0),
        ("callboard_queue_tasks", 1.0),
        ("callboard_sockets", 1.0),
        ("callboard_supervisor_escalations_total", 0.0),
        ("callboard_slow_readers_cut_total", 0.0),
        ("process_max_fds", file_limit(&app)),
    ] {
        assert_eq!(
            figure(&admin, name).await,
            expected,
            "{name}\n{}",
            reply.text
        );
    }
    for name in [
        "callboard_database_wait_seconds_count{for=\"writer\"}",
        "callboard_database_wait_seconds_count{for=\"reader\"}",
        "callboard_journal_last_commit_seconds",
        "callboard_ring_bytes",
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_start_time_seconds",
    ] {
        assert!(figure(&admin, name).await > 0.0, "{name}\n{}", reply.text);
    }
}

/// A keeper that stands still waits for nobody: what ended below it is counted until it goes on.
#[tokio::test]
async fn an_ended_process_that_nobody_waited_for_is_counted() {
    let app = TestApp::start().await;
    let (ada, admin) = (app.sign_in("ada").await, app.sign_in("admin").await);
    let id = player(&app, &ada, &json!([[{"say": "done"}]])).await;
    let keeper = Pid::from_raw(recorded(&keeper_dir(&app, &id), "keeper_pid"));
    let below = identity::children(keeper.as_raw().unsigned_abs());
    let program = Pid::from_raw(i32::try_from(below[0]).unwrap());
    let counted = async |wanted: f64| {
        soon(async || match figure(&admin, "callboard_zombies").await {
            found if found == wanted => Ok(()),
            found => Err(format!("{found}, not {wanted}")),
        })
        .await;
    };
    counted(0.0).await;
    kill(keeper, Signal::SIGSTOP).unwrap();
    kill(program, Signal::SIGKILL).unwrap();
    counted(1.0).await;
    kill(keeper, Signal::SIGCONT).unwrap();
    counted(0.0).await;
    assert_eq!(ada.turn(&id, "go").await["outcome"], "completed");
}

/// What an operator alarms on moves when it should: a task that waits, an actor that panicked.
#[tokio::test]
async fn a_waiting_task_and_a_panic_are_counted() {
    let app = TestApp::start().await;
    let (ada, admin) = (app.sign_in("ada").await, app.sign_in("admin").await);
    let id = player(&app, &ada, &json!([[{"hang": true}], [{"say": "done"}]])).await;
    assert_eq!(figure(&admin, "callboard_queue_oldest_seconds").await, 0.0);
    let busy = send(&ada, &id, "one").await;
    until_task(&ada, &id, &busy, "running").await;
    send(&ada, &id, "two").await;
    soon(
        async || match figure(&admin, "callboard_queue_oldest_seconds").await {
            age if age > 0.0 => Ok(()),
            age => Err(format!("{age} s old")),
        },
    )
    .await;
    assert_eq!(restarts(&admin).await, [""; 0], "{}", app.log());
    let other = player(&app, &ada, &json!([[{"say": "done"}]])).await;
    arm(&app, &["queue.Stand=1*panic->off".to_owned()]).await;
    assert_eq!(ada.turn(&other, "go").await["outcome"], "completed");
    soon(async || {
        let told = restarts(&admin).await;
        match told.iter().any(|line| line.contains("kind=\"queue\"")) {
            true => Ok(()),
            false => Err(format!("{told:?}")),
        }
    })
    .await;
}

#[tokio::test]
async fn every_figure_is_in_the_book_and_no_other() {
    let app = TestApp::start().await;
    let admin = app.sign_in("admin").await;
    let text = admin.get("/metrics").await.text;
    let mut shown = BTreeSet::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("# HELP ")) {
        let (name, help) = line.split_once(' ').unwrap();
        assert!(help.len() > 10 && help.ends_with('.'), "{line}");
        shown.insert(name.to_owned());
    }
    let book = include_str!("../../../docs/metrics.md");
    let rows = book.lines().filter_map(|line| line.strip_prefix("| `"));
    let written: BTreeSet<String> = rows
        .map(|row| row.split(['`', '{']).next().unwrap().to_owned())
        .collect();
    let unknown: Vec<_> = shown.difference(&written).collect();
    assert!(unknown.is_empty(), "not in docs/metrics.md: {unknown:?}");
    // These have no sample until something happens.
    let later = BTreeSet::from([
        "callboard_actor_restarts_total".to_owned(),
        "callboard_agents".to_owned(),
        "callboard_database_errors_total".to_owned(),
        "callboard_process_events_total".to_owned(),
    ]);
    let missing: Vec<_> = written.difference(&shown).cloned().collect();
    assert!(
        missing.iter().all(|name| later.contains(name)),
        "in docs/metrics.md and not shown: {missing:?}"
    );
}
