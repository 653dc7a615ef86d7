//! What holds agents, told to people and felt by agents.
//! Never a limit that is only a word in an answer.

use serde_json::{Value, json};

use crate::app::{TestApp, answer, until};

async fn health(app: &TestApp) -> Value {
    answer(app.http.get(app.url() + "/health/detailed"))
        .await
        .ok(200)
}

#[tokio::test]
async fn a_stranger_learns_what_holds_agents_here() {
    let app = TestApp::start().await;
    let health = health(&app).await;
    let isolation = &health["isolation"];
    assert_eq!(isolation["limits"], "none", "{health}");
    assert_eq!(isolation["limitsMend"], Value::Null);
    let grouped = isolation["cgroup"].as_bool().unwrap();
    assert_eq!(grouped, isolation["cgroupMend"].is_null(), "{health}");
    let survive = health["restart"]["agentsSurvive"].as_bool();
    assert_eq!(survive == Some(true), health["restart"]["mend"].is_null());
}

#[tokio::test]
async fn an_agent_that_uses_up_its_time_ends_with_the_signal_of_it() {
    let app = TestApp::with("[agents.limits]\ncpu_time = \"1s\"\n").await;
    assert_eq!(health(&app).await["isolation"]["limits"], "rlimit");
    let ada = app.sign_in("ada").await;
    let made = ada
        .agent(
            &json!({"agentType": "shell", "cwd": app.dir(), "permissionMode": "bypassPermissions"}),
        )
        .await;
    let one = format!("/api/agents/{made}");
    let words = json!({"message": "while :; do :; done"});
    ada.post(&format!("{one}/message"), &words).await.ok(202);
    until(async || !ada.get(&one).await.ok(200)["lastExit"].is_null()).await;
    let exit = ada.get(&one).await.ok(200)["lastExit"].clone();
    assert_eq!(exit["signal"], libc::SIGXCPU, "{exit}");
    assert_eq!(
        (&exit["reason"], &exit["oom"]),
        (&json!("limit"), &json!(false))
    );
}

/// The settings that hold nothing together but the group make no cgroup either.
#[tokio::test]
async fn isolation_can_be_switched_off() {
    let app = TestApp::with("[agents]\nisolation = \"none\"\n").await;
    let health = health(&app).await;
    let isolation = &health["isolation"];
    assert_eq!(
        (&isolation["means"], &isolation["cgroup"]),
        (&json!("group"), &json!(false))
    );
    assert_eq!(
        (&isolation["mend"], &isolation["cgroupMend"]),
        (&Value::Null, &Value::Null)
    );
}
