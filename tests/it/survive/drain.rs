//! The end of a server that is asked for, as an upgrade does it.
//! Never the end of its agents.

use nix::sys::signal::Signal;
use serde_json::json;

use super::*;
use crate::app::{Agents, try_answer};

#[tokio::test]
async fn agents_live_on_through_a_restart() {
    agents_live_on(TestApp::start().await).await;
}

/// See the test above.
pub async fn agents_live_on(mut app: TestApp) {
    let ada = app.sign_in("ada").await;
    let id = player(
        &app,
        &ada,
        &json!([[{"flood": {"lines": 60_000, "bytes": 40}}]]),
    )
    .await;
    let before = agent_until(&ada, &id, |now| now["detail"] == "idle").await;
    let task = send(&ada, &id, "go").await;
    beyond(&ada, &id, 200).await;
    app.kill9();
    app.agents = Agents::Stay;
    app.boot().await;
    let here = ada.at(&app);
    let held = {
        let (who, path) = (here.clone(), format!("/api/agents/{id}/message?wait=30"));
        tokio::spawn(async move {
            let body = json!({"message": "behind it"});
            try_answer(who.request(reqwest::Method::POST, &path).json(&body)).await
        })
    };
    agent_until(&here, &id, |now| now["queueDepth"] == 1).await;
    app.signal(Signal::SIGTERM);
    refused(&here, &id).await;
    assert_eq!(app.ended().await, Some(0));
    assert!(held.await.unwrap().is_ok(), "the held request was cut off");
    assert!(lives(pid_of(&before)), "the agent ended with its server");
    assert!(!app.log().contains("could not be stored"), "{}", app.log());
    app.agents = Agents::End;
    app.boot().await;
    let admin = app.sign_in("admin").await;
    let said = admin.get("/api/supervisor/events?after=0").await.ok(200);
    let ended = |line: &Value| line["path"] == "root" && line["event"] == "ended";
    assert!(
        said["events"].as_array().unwrap().iter().any(ended),
        "{said}"
    );
    let ada = ada.at(&app);
    assert_eq!(settled(&ada, &id, &task).await["state"], "completed");
    assert_eq!(agent(&ada, &id).await["pid"], before["pid"]);
    let history = whole(&ada, &id).await;
    assert_eq!(count(&history, "turn_ended", &task), 1);
    let first: Vec<u64> = lines(&history).into_iter().take(60_000).collect();
    assert_eq!(first, (1..=60_000).collect::<Vec<_>>());
}

/// New work is refused while the server drains, with the time to come back, until it is gone.
async fn refused(who: &Caller, id: &str) {
    let end = Instant::now() + LONG;
    loop {
        let body = json!({"message": "too late"});
        let path = format!("/api/agents/{id}/message");
        match try_answer(who.request(reqwest::Method::POST, &path).json(&body)).await {
            Ok(reply) if reply.status == 503 => {
                assert!(reply.headers.contains_key("retry-after"), "{reply:?}");
                return;
            }
            Ok(reply) => assert_eq!(reply.status, 202),
            Err(error) => {
                assert!(error.is_connect() || error.is_request(), "{error}");
                return;
            }
        }
        assert!(Instant::now() < end, "it does not drain");
    }
}
