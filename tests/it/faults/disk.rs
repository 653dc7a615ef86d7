//! A disk that is full all the same.

use std::io::Write;

use super::*;

#[tokio::test]
async fn what_was_accepted_before_a_full_disk_is_done_after_it() {
    let name = concat!(
        module_path!(),
        "::what_was_accepted_before_a_full_disk_is_done_after_it"
    );
    let Some(place) = small_disk(name, 64).await else {
        return;
    };
    let inside = tempfile::tempdir_in(&place).unwrap();
    let mut app = TestApp::prepared(inside, "[disk]\nwarn_free = 0\nrefuse_free = 0\n").await;
    app.boot().await;
    let (ada, admin) = (app.sign_in("ada").await, app.sign_in("admin").await);
    let id = player(&app, &ada, &json!([[{"say": "done"}]])).await;
    ada.post(&format!("/api/agents/{id}/pause"), &json!({}))
        .await
        .ok(200);
    let mut accepted = vec![send(&ada, &id, "before").await];

    let filler = place.join("filler");
    fill(&filler);
    // Some may still fit into what the database has; the disk ends it before long.
    let large = "x".repeat(500_000);
    let refused = loop {
        let reply = post(&ada, &id, &large).await;
        if reply.status != 202 {
            break reply;
        }
        accepted.push(reply.json()["taskId"].as_str().unwrap().to_owned());
        assert!(accepted.len() < 60, "the disk is never full");
    };
    refused.fails(503, "disk_full");
    assert!(refused.headers.contains_key("retry-after"));
    let told = until_part(&app, "writes", "unhealthy").await;
    assert_eq!(told["status"], "degraded", "{told}");
    assert_eq!(ready(&app).await.status, 503);
    ada.get(&format!("/api/agents/{id}")).await.ok(200);

    std::fs::remove_file(&filler).unwrap();
    until_well(&app).await;
    ada.post(&format!("/api/agents/{id}/resume"), &json!({}))
        .await
        .ok(200);
    for task in &accepted {
        until_task(&ada, &id, task, "completed").await;
    }
    assert_eq!(ada.turn(&id, "after").await["outcome"], "completed");
    whole(&ada, &id, &accepted).await;
    assert_eq!(restarts(&admin).await, [""; 0], "{}", app.log());
    drop(app);
}

/// Takes every byte that is left.
fn fill(file: &std::path::Path) {
    let mut out = std::fs::File::create(file).unwrap();
    for size in [1 << 20, 4096, 1] {
        let block = vec![7_u8; size];
        while out.write_all(&block).is_ok() {}
    }
}
