//! The conversation outlives the program.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use super::{Rig, alone};

#[tokio::test]
async fn a_killed_program_goes_on_with_its_conversation() {
    alone(
        module_path!(),
        "a_killed_program_goes_on_with_its_conversation",
        async || {
            let rig = Rig::with("[agents]\nrestart_base = \"100ms\"").await;
            let id = rig.agent(&json!({})).await;
            let done = rig.turn(&id, "SCENARIO:text the first words").await;
            assert_eq!(done["state"], "completed", "{done}");
            let task = rig.send(&id, "SCENARIO:slow 300 100ms").await;
            rig.task(&id, &task, |task| task["state"] == "running")
                .await;
            let busy = rig.ada.get(&format!("/api/agents/{id}")).await.ok(200);
            let pid = i32::try_from(busy["pid"].as_i64().unwrap()).unwrap();
            kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
            let lost = rig
                .task(&id, &task, |task| !task["outcome"].is_null())
                .await;
            assert_eq!(lost["state"], "interrupted", "{lost}");
            let back = rig.until(&id, |now| now["detail"] == "idle").await;
            assert_ne!(back["pid"], busy["pid"]);
            assert_eq!(back["lastExit"]["signal"], 9, "{back}");
            let done = rig.turn(&id, "SCENARIO:text what did I say first?").await;
            assert_eq!(done["state"], "completed", "{done}");
            let seen = rig.model.requests().await;
            let last = seen
                .iter()
                .rfind(|request| {
                    request["scenario"]
                        .as_str()
                        .is_some_and(|s| s.contains("text"))
                })
                .unwrap();
            assert!(last["messages"].as_u64().unwrap() >= 3, "{last}");
        },
    )
    .await;
}

#[tokio::test]
async fn a_fork_knows_what_was_said_before_and_leaves_it_alone() {
    alone(
        module_path!(),
        "a_fork_knows_what_was_said_before_and_leaves_it_alone",
        async || {
            let rig = Rig::start().await;
            let id = rig.agent(&json!({})).await;
            rig.turn(&id, "SCENARIO:text the first words").await;
            let fork = rig.agent(&json!({"forkOf": id})).await;
            let done = rig.turn(&fork, "SCENARIO:text in the fork").await;
            assert_eq!(done["state"], "completed", "{done}");
            let seen = rig.model.requests().await;
            let most = seen.iter().map(|one| one["messages"].as_u64().unwrap());
            assert!(most.max().unwrap() >= 3, "{seen:?}");
            let done = rig.turn(&id, "SCENARIO:text and on").await;
            assert_eq!(done["state"], "completed", "{done}");
        },
    )
    .await;
}
