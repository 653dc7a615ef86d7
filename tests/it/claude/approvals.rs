//! Questions of the program to a person, and what becomes of the answers.

use serde_json::{Value, json};

use super::{Rig, alone, only};

fn touch(file: &str) -> String {
    let command = json!({"command": format!("touch {file}"), "description": "makes a file"});
    format!("SCENARIO:tool Bash {command}")
}

#[tokio::test]
async fn a_tool_runs_when_a_person_allows_it_and_not_when_she_refuses() {
    alone(
        module_path!(),
        "a_tool_runs_when_a_person_allows_it_and_not_when_she_refuses",
        async || {
            let rig = Rig::start().await;
            let id = rig.agent(&json!({})).await;
            for (file, allowed) in [("yes", true), ("no", false)] {
                let task = rig.send(&id, &touch(file)).await;
                let question = rig.question(&id).await;
                assert_eq!(question["toolName"], "Bash", "{question}");
                assert_eq!(question["args"]["command"], format!("touch {file}"));
                let agent = rig.ada.get(&format!("/api/agents/{id}")).await.ok(200);
                assert_eq!(agent["detail"], "awaiting_approval");
                assert!(!rig.home.path().join(file).exists());
                rig.answer(&question, allowed, json!({})).await;
                let done = rig
                    .task(&id, &task, |task| !task["outcome"].is_null())
                    .await;
                assert_eq!(done["state"], "completed", "{done}");
                assert_eq!(rig.home.path().join(file).exists(), allowed);
                // A second answer is refused.
                let again = json!({"requestId": question["requestId"], "approved": true});
                let again = rig.ada.post("/api/chat/approve", &again).await;
                assert_eq!(again.status, 409, "{}", again.text);
            }
        },
    )
    .await;
}

#[tokio::test]
async fn an_answer_that_is_to_be_remembered_is_not_asked_for_again() {
    alone(
        module_path!(),
        "an_answer_that_is_to_be_remembered_is_not_asked_for_again",
        async || {
            let rig = Rig::start().await;
            let id = rig.agent(&json!({})).await;
            let task = rig.send(&id, &touch("kept")).await;
            let question = rig.question(&id).await;
            rig.answer(&question, true, json!({"remember": "session"}))
                .await;
            rig.task(&id, &task, |task| !task["outcome"].is_null())
                .await;
            std::fs::remove_file(rig.home.path().join("kept")).unwrap();
            let done = rig.turn(&id, &touch("kept")).await;
            assert_eq!(done["state"], "completed", "{done}");
            assert!(rig.home.path().join("kept").exists());
            // Another command is asked about.
            rig.send(&id, &touch("other")).await;
            let question = rig.question(&id).await;
            assert_eq!(question["args"]["command"], "touch other");
        },
    )
    .await;
}

#[tokio::test]
async fn a_question_that_nobody_answers_is_refused() {
    alone(
        module_path!(),
        "a_question_that_nobody_answers_is_refused",
        async || {
            let rig = Rig::with("[agents]\napproval_ttl = \"2s\"").await;
            let id = rig.agent(&json!({})).await;
            let done = rig.turn(&id, &touch("late")).await;
            assert_eq!(done["state"], "completed", "{done}");
            assert!(!rig.home.path().join("late").exists());
            let history = rig.ada.history(&id).await;
            assert_eq!(only(&history, "approval_resolved")["status"], "expired");
            let refused = |event: &&Value| event["type"] == "tool_result";
            assert!(history.iter().any(|event| refused(&event)), "{history:?}");
        },
    )
    .await;
}

#[tokio::test]
async fn an_answer_arrives_although_the_server_died_while_it_was_awaited() {
    alone(
        module_path!(),
        "an_answer_arrives_although_the_server_died_while_it_was_awaited",
        async || {
            let mut rig = Rig::start().await;
            let id = rig.agent(&json!({})).await;
            let before = rig.ada.get(&format!("/api/agents/{id}")).await.ok(200);
            let task = rig.send(&id, &touch("after")).await;
            let question = rig.question(&id).await;
            rig.app.kill9();
            rig.app.boot().await;
            rig.ada = rig.ada.at(&rig.app);
            let same = rig.question(&id).await;
            assert_eq!(same["requestId"], question["requestId"]);
            rig.until(&id, |now| now["detail"] == "awaiting_approval")
                .await;
            rig.answer(&question, true, json!({})).await;
            let done = rig
                .task(&id, &task, |task| !task["outcome"].is_null())
                .await;
            assert_eq!(done["state"], "completed", "{done}");
            assert!(rig.home.path().join("after").exists());
            let after = rig.ada.get(&format!("/api/agents/{id}")).await.ok(200);
            assert_eq!(after["pid"], before["pid"]);
            let history = rig.ada.history(&id).await;
            only(&history, "turn_ended");
            only(&history, "tool_result");
        },
    )
    .await;
}
