//! How turns end that do not end well: told as what they are, and never for ever.

use serde_json::json;

use super::{Rig, alone, only};

#[tokio::test]
async fn errors_of_the_provider_are_failures_with_their_reason() {
    alone(
        module_path!(),
        "errors_of_the_provider_are_failures_with_their_reason",
        async || {
            let rig = Rig::start().await;
            for status in [400, 401, 500] {
                let id = rig.agent(&json!({})).await;
                let done = rig
                    .turn(&id, &format!("SCENARIO:err{status} retry=no"))
                    .await;
                assert_eq!(done["state"], "failed", "{status}: {done}");
                let reason = done["reason"].as_str().unwrap();
                assert!(
                    reason.contains(&status.to_string()) || reason.contains("auth"),
                    "{status}: {done}"
                );
                let agent = rig.ada.get(&format!("/api/agents/{id}")).await.ok(200);
                assert_eq!(agent["status"], "failed", "{status}: {agent}");
            }
        },
    )
    .await;
}

#[tokio::test]
async fn a_model_that_hangs_is_given_up_at_the_deadline() {
    alone(
        module_path!(),
        "a_model_that_hangs_is_given_up_at_the_deadline",
        async || {
            let stall = "quiet_after = \"1s\"\nstalled_after = \"2s\"";
            let settings = format!("[agents]\nturn_deadline = \"8s\"\n[agents.stall]\n{stall}");
            let rig = Rig::with(&settings).await;
            let id = rig.agent(&json!({})).await;
            let task = rig.send(&id, "SCENARIO:hang").await;
            let stalled = rig.until(&id, |now| now["detail"] == "stalled").await;
            assert_eq!(stalled["status"], "running", "{stalled}");
            let done = rig
                .task(&id, &task, |task| !task["outcome"].is_null())
                .await;
            assert_eq!(done["state"], "timed_out", "{done}");
            assert_eq!(done["reason"], "deadline", "{done}");
            let done = rig.turn(&id, "SCENARIO:text and on").await;
            assert_eq!(done["state"], "completed", "{done}");
        },
    )
    .await;
}

#[tokio::test]
async fn a_rate_limit_parks_the_session_and_the_prompt_is_sent_again() {
    alone(
        module_path!(),
        "a_rate_limit_parks_the_session_and_the_prompt_is_sent_again",
        async || {
            let rig = Rig::with("[agents.rate_limit]\nbase = \"2s\"\ncap = \"4s\"").await;
            let id = rig.agent(&json!({})).await;
            let task = rig.send(&id, "SCENARIO:rate_limit 1 after=2s").await;
            let parked = rig.until(&id, |now| now["detail"] == "rate_limited").await;
            assert!(parked["retryAt"].is_string(), "{parked}");
            let done = rig
                .task(&id, &task, |task| !task["outcome"].is_null())
                .await;
            assert_eq!(done["state"], "completed", "{done}");
            assert_eq!(done["attempt"], 2, "{done}");
            let history = rig.ada.history(&id).await;
            assert!(history.iter().any(|event| event["type"] == "rate_limited"));
            only(&history, "turn_ended");
        },
    )
    .await;
}

#[tokio::test]
async fn a_session_that_has_spent_its_money_takes_no_more_work() {
    alone(
        module_path!(),
        "a_session_that_has_spent_its_money_takes_no_more_work",
        async || {
            let rig = Rig::start().await;
            let id = rig.agent(&json!({"limits": {"spendUsd": 0.000_001}})).await;
            let done = rig.turn(&id, "SCENARIO:text hello").await;
            assert_eq!(done["state"], "completed", "{done}");
            let agent = rig.until(&id, |now| now["pid"].is_null()).await;
            assert_eq!(agent["lastExit"]["reason"], "limit", "{agent}");
        },
    )
    .await;
}

#[tokio::test]
async fn nothing_of_a_tool_outlives_the_stop() {
    alone(
        module_path!(),
        "nothing_of_a_tool_outlives_the_stop",
        async || {
            let rig = Rig::start().await;
            let id = rig
                .agent(&json!({"permissionMode": "bypassPermissions"}))
                .await;
            let command = "setsid sleep 4321 & echo $! > pid; sleep 4322";
            let tool = json!({"command": command});
            rig.send(&id, &format!("SCENARIO:tool Bash {tool}")).await;
            let file = rig.home.path().join("pid");
            crate::app::until(async || file.metadata().is_ok_and(|meta| meta.len() > 1)).await;
            let path = format!("/api/agents/{id}/stop");
            rig.ada.post(&path, &json!({})).await.ok(200);
            let all = std::fs::read_dir("/proc").unwrap();
            let left: Vec<String> = all
                .filter_map(|entry| std::fs::read(entry.ok()?.path().join("cmdline")).ok())
                .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
                .filter(|line| line.contains("sleep 432"))
                .collect();
            assert!(left.is_empty(), "{left:?}");
        },
    )
    .await;
}
