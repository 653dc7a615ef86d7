//! A mission with the real `claude`, against a model server that plays scripts.

use super::*;
use crate::app::Sse;
use crate::claude::Rig;

#[tokio::test]
async fn claude_is_driven_from_creation_to_completion() {
    let rig = Rig::start().await;
    let ada = &rig.ada;
    let body = rig.asked(&json!({
        "agentType": null, "backend": "claude", "title": "Real", "model_effort": "low",
        "permission_mode": "bypassPermissions",
    }));
    let made = create(ada, &body).await;
    assert_eq!(
        (&made["backend"], &made["model_effort"]),
        (&json!("claude"), &json!("low"))
    );
    let mission = id(&made);
    let mut stream = Sse::open(ada, &format!("?mission_id={mission}"), None).await;
    send(ada, &mission, "Say hello").await;
    let mut said = String::new();
    let whole = loop {
        let part = stream.part().await.expect("the stream is over");
        match part.event.as_str() {
            "text_delta" => said += part.data["content"].as_str().unwrap(),
            "assistant_message" => break part.data["content"].as_str().unwrap().to_owned(),
            _ => {}
        }
    };
    assert!(
        whole.starts_with(&said) && !whole.is_empty(),
        "{said:?} {whole:?}"
    );
    let done = stream
        .until_like(|part| {
            part.event == "mission_status_changed" && part.data["status"] == "completed"
        })
        .await;
    assert_eq!(done.data["mission_id"], mission.as_str());
    let shown = show(ada, &mission).await;
    assert!(
        shown["session_id"].is_string(),
        "it has a conversation: {shown}"
    );
    assert!(shown["cost_cents"].as_f64().unwrap() > 0.0, "{shown}");
    assert_eq!(shown["history"][1]["content"], whole);

    // Cancelled and resumed, the conversation goes on where it was left.
    order(ada, &mission, "cancel")
        .await
        .fails(409, "not_running");
    ada.post(&format!("/api/agents/{mission}/stop"), &json!({}))
        .await
        .ok(200);
    let stopped = show(ada, &mission).await;
    assert_eq!(
        (&stopped["status"], &stopped["resumable"]),
        (&json!("interrupted"), &json!(true))
    );
    let resumed = order(ada, &mission, "resume").await.ok(200);
    assert!(
        resumed["taskId"].is_string(),
        "it was told to go on: {resumed}"
    );
    stands(ada, &mission, "completed").await;
    let after = show(ada, &mission).await;
    assert_eq!(after["session_id"], shown["session_id"]);
    assert_eq!(after["turns"], 2);
}
