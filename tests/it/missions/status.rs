//! The status of a mission: what facts make of it, and what a person may say.

use super::*;
use crate::app::Sse;

#[tokio::test]
async fn a_person_says_how_a_mission_stands() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let mission = shell(&ada, &app).await;
    // Open already, or nothing to interrupt.
    set(&ada, &mission, "active")
        .await
        .fails(409, "invalid_state");
    set(&ada, &mission, "pending")
        .await
        .fails(409, "invalid_state");
    set(&ada, &mission, "interrupted")
        .await
        .fails(409, "no_turn");
    turn(&ada, &mission, "true").await;
    let done = stands(&ada, &mission, "completed").await;
    assert_eq!(done["detail"], "idle");
    let mut stream = Sse::open(&ada, &format!("?mission_id={mission}"), None).await;
    stream.until("status").await;
    let reply = set(&ada, &mission, "active").await.ok(200);
    assert_eq!(reply["mission"]["status"], "active");
    assert_eq!(reply["mission"]["detail"], "idle", "nothing was started");
    let changed = stream.until("mission_status_changed").await;
    assert_eq!(
        (&changed.data["previous"], &changed.data["status"]),
        (&json!("completed"), &json!("active"))
    );
    set(&ada, &mission, "failed").await.ok(200);
    let failed = stands(&ada, &mission, "failed").await;
    assert_eq!(failed["detail"], "completed");
    let pid = ada.get(&format!("/api/agents/{mission}")).await.ok(200)["pid"].clone();
    assert!(pid.is_null(), "its process has ended");
    set(&ada, &mission, "completed").await.ok(200);
    stands(&ada, &mission, "completed").await;
    set(&ada, &mission, "pending").await.ok(200);
    assert_eq!(show(&ada, &mission).await["status"], "pending");
    let listed = ada.get(&format!("{MISSIONS}?status=pending")).await.ok(200);
    assert_eq!(listed[0]["id"], mission.as_str());
    assert!(
        ada.get(&format!("{MISSIONS}?status=failed,completed"))
            .await
            .ok(200)[0]
            .is_null()
    );
    // A message takes it up again.
    turn(&ada, &mission, "true").await;
    stands(&ada, &mission, "completed").await;
    let known = json!({"status": "done"});
    let refused = ada
        .post(&format!("{MISSIONS}/{mission}/status"), &known)
        .await;
    assert_eq!(refused.fails(400, "bad_field")["field"], "status");
}

#[tokio::test]
async fn a_turn_that_a_person_ends_is_interrupted_and_can_go_on() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let mission = shell(&ada, &app).await;
    send(&ada, &mission, "sleep 600").await;
    stands(&ada, &mission, "active").await;
    does(&ada, &mission, "busy").await;
    until(async || {
        let current = ada
            .get(&format!("{MISSIONS}/{mission}/queue"))
            .await
            .ok(200);
        current["current"]["state"] == "running"
    })
    .await;
    set(&ada, &mission, "interrupted").await.ok(200);
    let ended = stands(&ada, &mission, "interrupted").await;
    assert!(ended["interrupted_at"].is_string());
    assert_eq!(
        (&ended["terminal_reason"], &ended["resumable"]),
        (&json!("stopped"), &json!(false))
    );
    // Nothing waits, and a shell cannot be told to go on but by words of its own.
    order(&ada, &mission, "resume")
        .await
        .fails(409, "invalid_state");
    let path = format!("{MISSIONS}/{mission}/resume");
    let resumed = ada.post(&path, &json!({"content": "true"})).await.ok(200);
    assert_eq!(resumed["id"], mission.as_str());
    stands(&ada, &mission, "completed").await;
    order(&ada, &mission, "resume")
        .await
        .fails(409, "invalid_state");
}

#[tokio::test]
async fn a_failed_turn_and_a_failed_program_are_failed() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let mission = player(
        &ada,
        &app,
        &json!([[{"fail": "no luck"}], [{"say": "better"}]]),
    )
    .await;
    let done = turn(&ada, &mission, "go").await;
    assert_eq!(done["outcome"], "failed");
    let failed = show(&ada, &mission).await;
    assert_eq!(
        (&failed["status"], &failed["terminal_reason"]),
        (&json!("failed"), &json!("failed"))
    );
    turn(&ada, &mission, "again").await;
    assert_eq!(show(&ada, &mission).await["status"], "completed");
}

#[tokio::test]
async fn a_mission_stands_as_before_after_a_crash_of_the_server() {
    let mut app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let (done, open, busy) = (
        shell(&ada, &app).await,
        shell(&ada, &app).await,
        shell(&ada, &app).await,
    );
    for mission in [&done, &open] {
        turn(&ada, mission, "true").await;
        set(&ada, mission, "completed").await.ok(200);
    }
    set(&ada, &open, "pending").await.ok(200);
    send(&ada, &busy, "sleep 1000").await;
    does(&ada, &busy, "busy").await;
    ada.post(&format!("{MISSIONS}/{done}/load"), &json!({}))
        .await
        .ok(200);
    app.kill9();
    app.boot().await;
    let ada = ada.at(&app);
    stands(&ada, &done, "completed").await;
    stands(&ada, &open, "pending").await;
    does(&ada, &busy, "busy").await;
    assert_eq!(show(&ada, &busy).await["status"], "active");
    let current = ada.get(&format!("{MISSIONS}/current")).await.ok(200);
    assert_eq!(current["id"], done.as_str());
    order(&ada, &busy, "cancel").await.ok(200);
    let cancelled = stands(&ada, &busy, "interrupted").await;
    assert_eq!(cancelled["terminal_reason"], "cancelled");
}
