//! A thread of the server that is held up.

use nix::sys::signal::Signal;
use tokio::task::JoinHandle;

use super::*;

/// Holds the thread of the actors up for so long, by a stop of an agent that comes to a point there.
async fn stall(app: &mut TestApp, ms: u32) -> (Caller, String, Caller, JoinHandle<()>) {
    app.env
        .push(("FAILPOINTS", format!("session_wedge=1*sleep({ms})")));
    app.boot().await;
    let (ada, admin) = (app.sign_in("ada").await, app.sign_in("admin").await);
    let id = player(app, &ada, &json!([[{"hang": true}]])).await;
    let task = send(&ada, &id, "go").await;
    until_task(&ada, &id, &task, "running").await;
    let (who, path) = (ada.clone(), format!("/api/agents/{id}/stop"));
    let stop = tokio::spawn(async move {
        let request = who.request(reqwest::Method::POST, &path).json(&json!({}));
        // The server may end under it.
        let _whatever = request.send().await;
    });
    (ada, id, admin, stop)
}

#[tokio::test]
async fn a_stalled_thread_is_seen_while_it_stalls_and_after() {
    let mut app = TestApp::prepared(tempfile::tempdir().unwrap(), "").await;
    let (_ada, _id, admin, stop) = stall(&mut app, 5_000).await;
    soon(async || {
        let late = figure(&admin, "callboard_thread_lag_seconds{thread=\"actors\"}").await;
        match late >= 1.0 {
            true => Ok(()),
            false => Err(format!("{late} s late")),
        }
    })
    .await;
    soon(
        async || match app.log().contains("a thread of the server is late") {
            true => Ok(()),
            false => Err(app.log()),
        },
    )
    .await;
    stop.await.unwrap();
    until_well(&app).await;
    let name = "callboard_thread_stalls_total{thread=\"actors\"}";
    assert!(figure(&admin, name).await >= 1.0);
}

#[tokio::test]
async fn a_server_that_does_not_come_back_ends_and_its_agents_live() {
    let mut app = TestApp::prepared(tempfile::tempdir().unwrap(), "").await;
    app.env = vec![("CALLBOARD_WATCHDOG__EXIT_AFTER", "3s".into())];
    let (ada, id, _admin, stop) = stall(&mut app, 60_000).await;
    assert_eq!(app.ended().await, Some(70));
    stop.abort();
    app.told("does not come back").await;
    app.told("a thread of the process").await;
    app.env.clear();
    app.boot().await;
    let ada = ada.at(&app);
    ada.get(&format!("/api/agents/{id}")).await.ok(200);
    until_well(&app).await;
}

#[tokio::test]
async fn a_server_that_was_stopped_as_a_whole_lives_on() {
    let mut app = TestApp::prepared(tempfile::tempdir().unwrap(), "").await;
    app.env = vec![("CALLBOARD_WATCHDOG__EXIT_AFTER", "2s".into())];
    app.boot().await;
    let ada = app.sign_in("ada").await;
    let id = player(&app, &ada, &json!([[{"say": "done"}]])).await;
    for stops in 1..=3 {
        app.signal(Signal::SIGSTOP);
        let stopped = Instant::now();
        // Longer than its threads may be late.
        while stopped.elapsed() < Duration::from_secs(4) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        app.signal(Signal::SIGCONT);
        soon(async || {
            let told = app.log().matches("the whole server stood still").count();
            match told >= stops {
                true => Ok(()),
                false => Err(app.log()),
            }
        })
        .await;
        assert!(!app.has_ended(), "{}", app.log());
    }
    assert_eq!(ada.turn(&id, "go").await["outcome"], "completed");
    until_well(&app).await;
}
