//! Taking a mission up again.

use super::*;

#[tokio::test]
async fn what_waits_is_taken_up_and_nothing_is_run_twice() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let mission = shell(&ada, &app).await;
    let out = app.dir().join("out");
    send(&ada, &mission, "sleep 600").await;
    does(&ada, &mission, "busy").await;
    let after = format!("echo after >> {}", out.display());
    assert_eq!(send(&ada, &mission, &after).await["queued"], true);
    order(&ada, &mission, "cancel").await.ok(200);
    let cancelled = show(&ada, &mission).await;
    assert_eq!(
        (&cancelled["status"], &cancelled["queue_len"]),
        (&json!("interrupted"), &json!(1))
    );
    assert_eq!(cancelled["resumable"], true);
    order(&ada, &mission, "resume").await.ok(200);
    stands(&ada, &mission, "completed").await;
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "after\n");
    // Words of one's own, once for a key.
    order(&ada, &mission, "cancel")
        .await
        .fails(409, "not_running");
    send(&ada, &mission, "sleep 600").await;
    does(&ada, &mission, "busy").await;
    order(&ada, &mission, "cancel").await.ok(200);
    let resume = async || {
        let request = ada.request(Method::POST, &format!("{MISSIONS}/{mission}/resume"));
        let words = format!("echo own >> {}", out.display());
        let request = request.json(&json!({"content": words}));
        ada.ask(request.header("idempotency-key", "once"))
            .await
            .ok(200)
    };
    let first = resume().await;
    stands(&ada, &mission, "completed").await;
    let again = resume().await;
    assert_eq!(first["taskId"], again["taskId"]);
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "after\nown\n");
    let clean = json!({"clean_workspace": true});
    let path = format!("{MISSIONS}/{mission}/resume");
    ada.post(&path, &clean)
        .await
        .fails(400, "option_not_supported");
}

#[tokio::test]
async fn a_paused_mission_goes_on() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let mission = shell(&ada, &app).await;
    ada.post(&format!("/api/agents/{mission}/pause"), &json!({}))
        .await
        .ok(200);
    send(&ada, &mission, "true").await;
    let held = show(&ada, &mission).await;
    assert_eq!(
        (&held["status"], &held["detail"]),
        (&json!("active"), &json!("paused"))
    );
    order(&ada, &mission, "resume").await.ok(200);
    stands(&ada, &mission, "completed").await;
}

#[tokio::test]
async fn of_several_resumes_one_takes_it_up() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let mission = shell(&ada, &app).await;
    turn(&ada, &mission, "false").await;
    stands(&ada, &mission, "failed").await;
    let path = format!("{MISSIONS}/{mission}/resume");
    let words = json!({"content": "sleep 1000"});
    let asked = (0..8).map(|_| ada.post_once(&path, &words));
    let answers = futures_util::future::join_all(asked).await;
    let taken = answers.iter().filter(|answer| answer.status == 200).count();
    let refused = answers.iter().filter(|answer| answer.status == 409).count();
    assert_eq!((taken, refused), (1, 7));
    assert_eq!(does(&ada, &mission, "busy").await["queue_len"], 0);
}

/// What a mission says of itself is what a resume finds.
#[tokio::test]
async fn what_is_said_to_be_resumable_is() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let mission = player(&ada, &app, &json!([[{"fail": "broken"}]])).await;
    turn(&ada, &mission, "go").await;
    // The player has failed its turn, stands there and cannot be told to go on.
    let failed = stands(&ada, &mission, "failed").await;
    assert_eq!(
        (&failed["detail"], &failed["resumable"]),
        (&json!("idle"), &json!(false))
    );
    order(&ada, &mission, "resume")
        .await
        .fails(409, "invalid_state");
    ada.post(&format!("/api/agents/{mission}/stop"), &json!({}))
        .await
        .ok(200);
    assert_eq!(show(&ada, &mission).await["resumable"], true);
    order(&ada, &mission, "resume").await.ok(200);
    set(&ada, &mission, "failed").await.ok(200);
    until(async || show(&ada, &mission).await["status"] == "failed").await;
    let said = show(&ada, &mission).await;
    let answer = order(&ada, &mission, "resume").await;
    assert_eq!(
        said["resumable"] == true,
        answer.status == 200,
        "{said} {}",
        answer.text
    );
}
