//! Secrets of tool servers, handed to the program and looked for everywhere else.
//! Never proved by silence: the program is made to print them, and they are in its output.

use serde_json::{Value, json};

use super::{Rig, alone};
use crate::app::until;
use crate::canary::places::{Canary, clean, database, process, processes};

/// In a header of one tool server.
const HEADER: Canary = Canary("canary-21-header-6e0d93ab");
/// In a variable of another.
const OWN: Canary = Canary("canary-22-variable-b7c4415f");
const ALL: [Canary; 2] = [HEADER, OWN];

/// One that cannot be reached, and one that notes its variable and ends.
fn servers(noted: &std::path::Path) -> Value {
    let notes = format!("printenv NOTES_TOKEN >'{}'", noted.display());
    json!({
        "far": {"type": "http", "url": "http://127.0.0.1:1",
                "headers": {"Authorization": format!("Bearer {}", HEADER.0)}},
        "notes": {"command": "sh", "args": ["-c", notes], "env": {"NOTES_TOKEN": OWN.0}},
    })
}

/// Everything that the doors say of it.
async fn told(rig: &Rig, id: &str) -> String {
    let admin = rig.app.sign_in("admin").await;
    let mut all = String::new();
    for path in [
        format!("/api/agents/{id}"),
        format!("/api/agents/{id}/events?after=0&limit=1000"),
        format!("/api/agents/{id}/tasks"),
        format!("/api/agents/{id}/why"),
        "/api/agents".to_owned(),
        "/api/agents/sessions".to_owned(),
        "/health/detailed".to_owned(),
    ] {
        all.push_str(&rig.ada.get(&path).await.text);
    }
    for path in [
        "/api/supervisor/tree",
        "/api/supervisor/events?after=0",
        "/api/audit",
    ] {
        all.push_str(&admin.get(path).await.text);
    }
    all
}

#[tokio::test]
async fn secrets_of_tool_servers_reach_the_program_and_nobody_else() {
    alone(
        module_path!(),
        "secrets_of_tool_servers_reach_the_program_and_nobody_else",
        async || {
            let mut rig = Rig::start().await;
            // Outside of what is looked through.
            let noted = rig.home.path().join("noted");
            let id = rig
                .agent(&json!({
                    "permissionMode": "bypassPermissions", "mcpServers": servers(&noted),
                }))
                .await;
            let agent = rig.ada.get(&format!("/api/agents/{id}")).await.ok(200);
            let program = process(agent["pid"].as_u64().unwrap());
            clean("the program's environment and arguments", &program, &ALL);
            for (what, text) in processes(rig.app.dir()) {
                clean(&what, &text, &ALL);
            }
            // It prints the file that it was given them in.
            let file = rig.app.dir().join(format!("agents/{id}-1/mcp.json"));
            let command =
                json!({"command": format!("cat '{}'; base64 -w0 <'{0}'", file.display())});
            let done = rig
                .turn(&id, &format!("SCENARIO:tool Bash {command}"))
                .await;
            assert_eq!(done["state"], "completed", "{done}");
            until(async || std::fs::read_to_string(&noted).is_ok_and(|t| t.contains(OWN.0))).await;
            let log = rig
                .ada
                .get(&format!("/api/agents/{id}/log?limit=1048576"))
                .await
                .text;
            for canary in ALL {
                assert!(log.contains(canary.0), "{} was not printed", canary.0);
            }
            clean("the task", &done.to_string(), &ALL);
            let told = told(&rig, &id).await;
            assert!(told.contains("********"), "{told}");
            clean("the replies", &told, &ALL);
            rig.app.stop().await;
            clean("the database", &database(rig.app.dir()), &ALL);
            clean("the server's log", &rig.app.log(), &ALL);
            assert!(!file.exists(), "the file outlives its program");
        },
    )
    .await;
}
