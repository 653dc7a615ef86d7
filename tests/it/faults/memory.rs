//! An agent that takes more memory than it may.

use super::*;

/// Takes some 400 MB: the shell's own process, so that it is the shell that ends.
pub const GREEDY: &str = "x=$(head -c 400000000 /dev/zero | tr '\\0' x); echo ${#x}; exit 3";

#[tokio::test]
async fn an_agent_beyond_its_memory_ends_and_the_server_stays() {
    let app = TestApp::with("[agents.limits]\nmemory = \"64 MiB\"\n").await;
    let by = health(&app).await["isolation"]["limits"].clone();
    let (ada, admin) = (app.sign_in("ada").await, app.sign_in("admin").await);
    let made = json!({
        "agentType": "shell", "cwd": app.dir(), "permissionMode": "bypassPermissions",
    });
    let id = ada.ready_agent(&made).await;
    let other = player(&app, &ada, &json!([[{"say": "done"}]])).await;
    post(&ada, &id, GREEDY).await.ok(202);
    let path = format!("/api/agents/{id}");
    let exit = soon(async || {
        let now = ada.get(&path).await.ok(200);
        match now["lastExit"].is_null() {
            false => Ok(now["lastExit"].clone()),
            true => Err(now.to_string()),
        }
    })
    .await;
    match by == "cgroup" {
        // The kernel ends it.
        true => assert_eq!((&exit["oom"], &exit["signal"]), (&json!(true), &json!(9))),
        // The allocation is refused, which bash says, and ends by itself.
        false => {
            assert_eq!(exit["exitCode"], 2, "{exit}");
            let said = json!(ada.history(&id).await).to_string();
            assert!(said.contains("cannot allocate"), "{said}");
        }
    }
    // Whoever asks why is told, and so is the log.
    let why = ada.get(&format!("{path}/why")).await.ok(200).to_string();
    assert!(why.contains("exit"), "{why}");
    app.told("process_down").await;
    assert_eq!(ada.turn(&other, "go").await["outcome"], "completed");
    until_well(&app).await;
    assert_eq!(figure(&admin, "callboard_zombies").await, 0.0);
    assert_eq!(restarts(&admin).await, [""; 0], "{}", app.log());
}
