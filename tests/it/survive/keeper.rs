//! The loss of the keeper itself.
//! Never a process of its tree that outlives it.

use serde_json::json;

use super::*;

#[tokio::test]
async fn a_lost_keeper_takes_its_tree_along_and_keeps_what_it_logged() {
    let app = TestApp::with("[agents]\nrestart_base = \"50ms\"\nrestart_cap = \"100ms\"\n").await;
    let ada = app.sign_in("ada").await;
    let turns = json!([
        [{"fork": {"setsid": true}}, {"flood": {"lines": 3000, "bytes": 40}}, {"hang": true}],
        [{"say": "{{message}}"}]
    ]);
    let id = player(&app, &ada, &turns).await;
    let lost = send(&ada, &id, "go").await;
    beyond(&ada, &id, 3_000).await;
    let dir = keeper_dir(&app, &id);
    let keeper = recorded(&dir, "keeper_pid");
    let program = recorded(&dir, "program_pid");
    let tree = marked(&dir);
    assert!(
        tree.contains(&program) && tree.len() >= 2,
        "{tree:?} without a grandchild"
    );
    kill9(keeper);
    let gone = settled(&ada, &id, &lost).await;
    assert_eq!(
        (&gone["state"], &gone["reason"]),
        (&json!("interrupted"), &json!("keeper_lost"))
    );
    let left: Vec<&i32> = tree.iter().filter(|pid| lives(**pid)).collect();
    assert!(
        left.is_empty(),
        "{left:?} of {tree:?} outlived their keeper"
    );
    let next = ada.turn(&id, "still there").await;
    assert_eq!(next["state"], "completed", "{next}");
    let tasks = [lost];
    let history = with_ends(&ada, &id, &tasks).await;
    assert_eq!(lines(&history), (1..=3_000).collect::<Vec<_>>());
    let exit = history
        .iter()
        .find(|event| event["type"] == "exit")
        .unwrap();
    assert_eq!(exit["data"]["reason"], "keeper_lost", "{exit}");
    ended_once(&history, &tasks);
}

#[tokio::test]
async fn a_keeper_that_dies_while_the_server_is_away_is_found_at_boot() {
    let mut app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let id = shell(&app, &ada).await;
    let lost = send(&ada, &id, "echo begun; sleep 60").await;
    printed(&ada, &id, "begun").await;
    let dir = keeper_dir(&app, &id);
    let tree = marked(&dir);
    app.kill9();
    kill9(recorded(&dir, "keeper_pid"));
    app.boot().await;
    let ada = ada.at(&app);
    let gone = settled(&ada, &id, &lost).await;
    assert_eq!(gone["state"], "interrupted", "{gone}");
    truthful(&ada, &id).await;
    assert!(
        tree.iter().all(|pid| !lives(*pid)),
        "{tree:?} outlived their keeper"
    );
    let fresh = shell(&app, &ada).await;
    assert_eq!(ada.turn(&fresh, "true").await["state"], "completed");
}
