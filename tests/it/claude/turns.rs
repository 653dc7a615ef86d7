//! What a person sees of a turn: words as they come, thoughts, tools, and what it cost.

use serde_json::{Value, json};

use super::{Rig, alone, kinds, only};

#[tokio::test]
async fn a_prompt_is_answered_word_by_word() {
    alone(
        module_path!(),
        "a_prompt_is_answered_word_by_word",
        async || {
            let rig = Rig::start().await;
            let id = rig.agent(&json!({})).await;
            let mut ws = rig.ada.ws().await;
            ws.say(json!({"type": "subscribe", "channels": ["*"], "agentId": id}))
                .await;
            ws.wait_for("subscribed").await;
            let done = rig.turn(&id, "SCENARIO:slow 12 100ms").await;
            assert_eq!(done["state"], "completed", "{done}");
            let (mut words, mut pieces) = (String::new(), 0);
            let whole = loop {
                let frame = ws.next().await;
                if frame["type"] == "agent.delta" {
                    assert_eq!(frame["offset"], words.len(), "{frame}");
                    words.push_str(frame["text"].as_str().unwrap());
                    pieces += 1;
                }
                if frame["type"] == "agent.message" && frame["event"] == "assistant_message" {
                    break frame;
                }
            };
            assert!(pieces > 1, "{words}");
            assert_eq!(whole["data"]["content"], words);
            assert_eq!(done["text"], words);
            let usage = &done["usage"];
            assert!(usage["outputTokens"].as_u64().unwrap() > 0, "{usage}");
            assert!(usage["costUsd"].as_f64().unwrap() > 0.0, "{usage}");
            let history = rig.ada.history(&id).await;
            let started = only(&history, "turn_started");
            assert_eq!(started["taskId"], done["taskId"]);
            assert_eq!(only(&history, "turn_ended")["outcome"], "completed");
        },
    )
    .await;
}

#[tokio::test]
async fn model_effort_and_mode_reach_the_program() {
    alone(
        module_path!(),
        "model_effort_and_mode_reach_the_program",
        async || {
            let rig = Rig::start().await;
            let fields = json!({
                "model": "claude-sonnet-4-5", "effort": "high", "permissionMode": "plan",
            });
            let id = rig.agent(&fields).await;
            let done = rig.turn(&id, "SCENARIO:text hello").await;
            assert_eq!(done["state"], "completed", "{done}");
            let seen = rig.model.requests().await;
            let of = |request: &&Value| {
                request["scenario"]
                    .as_str()
                    .is_some_and(|s| s.contains("text"))
            };
            let request = seen.iter().find(of).unwrap();
            assert_eq!(request["model"], "claude-sonnet-4-5", "{request}");
            let shown = rig.ada.get(&format!("/api/agents/{id}")).await.ok(200);
            assert_eq!(shown["permissionMode"], "plan");
        },
    )
    .await;
}

#[tokio::test]
async fn thoughts_and_tools_are_told_in_order() {
    alone(
        module_path!(),
        "thoughts_and_tools_are_told_in_order",
        async || {
            let rig = Rig::start().await;
            let id = rig
                .agent(&json!({"permissionMode": "bypassPermissions"}))
                .await;
            let thought = rig.turn(&id, "SCENARIO:think about it").await;
            assert_eq!(thought["state"], "completed", "{thought}");
            let history = rig.ada.history(&id).await;
            let thinking = only(&history, "thinking");
            assert!(!thinking["content"].as_str().unwrap().is_empty());
            let command = json!({"command": "echo from the tool > made; cat made"});
            let done = rig
                .turn(&id, &format!("SCENARIO:tool Bash {command}"))
                .await;
            assert_eq!(done["state"], "completed", "{done}");
            let history = rig.ada.history(&id).await;
            let (call, result) = (only(&history, "tool_call"), only(&history, "tool_result"));
            assert_eq!(call["toolName"], "Bash");
            assert_eq!(call["args"]["command"], command["command"]);
            assert_eq!(call["toolCallId"], result["toolCallId"]);
            assert!(
                result["result"].to_string().contains("from the tool"),
                "{result}"
            );
            let kinds = kinds(&history);
            let place = |kind| kinds.iter().rposition(|one| *one == kind).unwrap();
            assert!(place("tool_call") < place("tool_result"));
            assert!(place("tool_result") < place("turn_ended"));
            assert!(rig.home.path().join("made").exists());
        },
    )
    .await;
}

#[tokio::test]
async fn an_interrupt_ends_a_turn_in_its_words_and_in_its_tool() {
    alone(
        module_path!(),
        "an_interrupt_ends_a_turn_in_its_words_and_in_its_tool",
        async || {
            let rig = Rig::start().await;
            let id = rig
                .agent(&json!({"permissionMode": "bypassPermissions"}))
                .await;
            let pid = rig.ada.get(&format!("/api/agents/{id}")).await.ok(200)["pid"].clone();
            let command = json!({"command": "touch begun; sleep 300"});
            let in_tool = format!("SCENARIO:tool Bash {command}");
            for (message, begun) in [("SCENARIO:slow 300 100ms", None), (&in_tool, Some("begun"))] {
                let task = rig.send(&id, message).await;
                rig.task(&id, &task, |task| task["state"] == "running")
                    .await;
                if let Some(file) = begun {
                    let file = rig.home.path().join(file);
                    crate::app::until(async || file.exists()).await;
                }
                let path = format!("/api/agents/{id}/interrupt");
                rig.ada.post(&path, &json!({})).await.ok(202);
                let ended = rig
                    .task(&id, &task, |task| !task["outcome"].is_null())
                    .await;
                assert_eq!(ended["state"], "stopped", "{ended}");
            }
            let done = rig.turn(&id, "SCENARIO:text and on").await;
            assert_eq!(done["state"], "completed", "{done}");
            let after = rig.ada.get(&format!("/api/agents/{id}")).await.ok(200);
            assert_eq!(after["pid"], pid, "the same process goes on");
        },
    )
    .await;
}
