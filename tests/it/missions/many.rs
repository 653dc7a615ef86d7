//! More missions at once than the machine admits.

use super::*;

/// Each message stays with its mission; who must wait says so by name.
#[tokio::test]
async fn ten_missions_on_a_machine_that_admits_four() {
    let app = TestApp::with("[limits]\nmax_live_agents = 4\n").await;
    let ada = app.sign_in("ada").await;
    let gate = app.dir().join("gate");
    let mut missions = Vec::new();
    for _ in 0..10 {
        missions.push(shell(&ada, &app).await);
    }
    for (number, mission) in missions.iter().enumerate() {
        let words = format!(
            "until [ -e {} ]; do sleep 0.05; done; echo mine-{number}",
            gate.display()
        );
        let sent = send(&ada, mission, &words).await;
        assert_eq!(sent["mission_id"], mission.as_str());
    }
    let by_detail = async |detail: &str| {
        let all = ada.get(MISSIONS).await.ok(200);
        let all = all.as_array().unwrap().clone();
        all.iter().filter(|one| one["detail"] == detail).count()
    };
    until(async || by_detail("busy").await == 4 && by_detail("waiting").await == 6).await;
    let running = ada.get("/api/control/running").await.ok(200);
    let running = running.as_array().unwrap();
    assert_eq!(running.len(), 10);
    let state = |word: &str| running.iter().filter(|one| one["state"] == word).count();
    assert_eq!((state("running"), state("queued")), (4, 6));
    let waits = running
        .iter()
        .find(|one| one["detail"] == "waiting")
        .unwrap();
    assert_eq!(waits["queue_len"], 1);
    // One that waits is withdrawn from the line by a cancel; its message waits on.
    let cancelled = waits["mission_id"].as_str().unwrap();
    order(&ada, cancelled, "cancel").await.ok(200);
    assert_eq!(does(&ada, cancelled, "stopped").await["queue_len"], 1);
    std::fs::write(&gate, "").unwrap();
    // Four hold their places; they give them back as they are cancelled.
    for (number, mission) in missions
        .iter()
        .enumerate()
        .filter(|(_, one)| *one != cancelled)
    {
        stands(&ada, mission, "completed").await;
        let events = ada
            .get(&format!("{MISSIONS}/{mission}/events?types=tool_result"))
            .await
            .ok(200);
        let text = events.to_string();
        assert!(text.contains(&format!("mine-{number}")), "{text}");
        for other in (0..10).filter(|other| *other != number) {
            assert!(
                !text.contains(&format!("mine-{other}\"")),
                "{number}: {text}"
            );
        }
        set(&ada, mission, "completed").await.ok(200);
    }
    order(&ada, cancelled, "resume").await.ok(200);
    stands(&ada, cancelled, "completed").await;
}
