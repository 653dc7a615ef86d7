//! SIGKILL of the server while its agents work.
//! Never an agent that notices.

use serde_json::json;

use super::*;

#[tokio::test]
async fn a_flood_goes_on_without_a_server() {
    flood_without_a_server(TestApp::start().await).await;
}

/// See the test above.
pub async fn flood_without_a_server(mut app: TestApp) {
    const LINES: u64 = 100_000;
    let ada = app.sign_in("ada").await;
    let turns = json!([[{"flood": {"lines": LINES, "bytes": 40}}, {"say": "done"}]]);
    let id = player(&app, &ada, &turns).await;
    let before = agent_until(&ada, &id, |now| now["detail"] == "idle").await;
    let task = send(&ada, &id, "go").await;
    beyond(&ada, &id, 500).await;
    let seen = latest(&ada, &id).await;
    app.kill9();
    assert!(seen < LINES, "the flood was over before the kill: {seen}");
    assert!(lives(pid_of(&before)), "the agent died with the server");
    app.boot().await;
    let ada = ada.at(&app);
    truthful(&ada, &id).await;
    let done = settled(&ada, &id, &task).await;
    assert_eq!(done["state"], "completed", "{done}");
    let after = agent(&ada, &id).await;
    assert_eq!(
        (&after["pid"], &after["incarnation"]),
        (&before["pid"], &before["incarnation"])
    );
    let tasks = [task];
    let history = with_ends(&ada, &id, &tasks).await;
    assert_eq!(lines(&history), (1..=LINES).collect::<Vec<_>>());
    ended_once(&history, &tasks);
}

#[tokio::test]
async fn a_shell_command_goes_on_without_a_server() {
    let mut app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let id = shell(&app, &ada).await;
    let before = agent_until(&ada, &id, |now| now["detail"] == "idle").await;
    let task = send(
        &ada,
        &id,
        "for i in $(seq 20000); do echo line $i; done; touch done",
    )
    .await;
    let log = format!("/api/agents/{id}/log?limit=1048576");
    let end = Instant::now() + LONG;
    while !ada.get(&log).await.text.contains("line 100\r") {
        assert!(Instant::now() < end);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    app.kill9();
    app.boot().await;
    let ada = ada.at(&app);
    truthful(&ada, &id).await;
    let done = settled(&ada, &id, &task).await;
    assert_eq!(done["state"], "completed", "{done}");
    assert_eq!(agent(&ada, &id).await["pid"], before["pid"]);
    let text = ada.get(&log).await.text;
    // The first line stands behind the shell's own mark.
    let printed: Vec<u64> = text
        .lines()
        .filter_map(|line| line.rsplit(['\x07', '\\']).next()?.strip_prefix("line "))
        .filter_map(|number| number.parse().ok())
        .collect();
    let wanted: Vec<u64> = (1..=20_000).collect();
    assert!(
        printed == wanted,
        "{} lines in {} bytes",
        printed.len(),
        text.len()
    );
    let tasks = [task];
    ended_once(&with_ends(&ada, &id, &tasks).await, &tasks);
    let next = ada.turn(&id, "echo still $((40 + 2))").await;
    assert_eq!(
        next["text"].as_str().map(str::trim),
        Some("still 42"),
        "{next}"
    );
}
