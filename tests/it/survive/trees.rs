//! The end of whole trees, asked for as people do: by a deletion, a stop, a kill; with namespaces and
//! without. Never a process left within fifteen seconds.

use serde_json::json;

use super::*;
use crate::keeper::kill::{BOUND, TREES, standing_in};

/// The ways to ask for the end.
#[derive(Clone, Copy, Debug)]
enum Way {
    Delete,
    Kill,
    Stop,
}

async fn ends(setting: &str) {
    let quick = "[agents]\nstop_grace = \"500ms\"\n";
    let app = TestApp::with(&format!("{quick}isolation = \"{setting}\"\n")).await;
    let ada = app.sign_in("ada").await;
    for (number, (name, words)) in TREES.iter().enumerate() {
        for way in [Way::Delete, Way::Kill, Way::Stop] {
            let yard = tempfile::tempdir().unwrap();
            let id = ada
                .ready_agent(&json!({
                    "agentType": "shell", "permissionMode": "bypassPermissions",
                    "cwd": yard.path(),
                }))
                .await;
            // A shell of its own, so that what the words trap and wait for is not the agent's.
            let file = yard.path().join("tree.sh");
            std::fs::write(&file, words).unwrap();
            send(&ada, &id, "bash ./tree.sh").await;
            printed(&ada, &id, "up").await;
            let begun = Instant::now();
            match way {
                Way::Delete => ada.delete(&format!("/api/agents/{id}")).await,
                Way::Kill => {
                    ada.post(&format!("/api/agents/{id}/kill"), &json!({}))
                        .await
                }
                Way::Stop => {
                    ada.post(&format!("/api/agents/{id}/stop"), &json!({}))
                        .await
                }
            }
            .ok(200);
            let took = begun.elapsed();
            let left = standing_in(yard.path());
            assert!(
                left.is_empty(),
                "{setting}, {way:?}, {number} {name}: {left:?}"
            );
            assert!(took < BOUND, "{setting}, {way:?}, {name}: {took:?}");
        }
    }
}

#[tokio::test]
async fn every_tree_ends_in_its_namespaces() {
    ends("tree").await;
}

#[tokio::test]
async fn every_tree_ends_without_namespaces() {
    ends("none").await;
}

/// One server on one data directory: another one refuses to start, and says who is there.
#[tokio::test]
async fn a_second_server_on_one_directory_refuses() {
    let app = TestApp::start().await;
    let mut second = app.command();
    let pid = app.pid().to_string();
    let refused = tokio::task::spawn_blocking(move || {
        second
            .stderr(std::process::Stdio::piped())
            .output()
            .unwrap()
    });
    let refused = refused.await.unwrap();
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success(), "{told}");
    assert!(told.contains(&pid), "{told}");
    let ready = app.http.get(app.url() + "/health/ready");
    crate::app::answer(ready).await.ok(200);
}
