//! A data directory that is copied or moved while its agents live.
//! Never a server that ends what belongs to another directory.

use serde_json::Value;

use super::*;
use crate::app::Agents;

/// A server that has ended, and its idle shell that lives on: who owns it, its id and its row.
async fn left_alone() -> (TestApp, Caller, String, Value) {
    let mut app = TestApp::prepared(tempfile::tempdir().unwrap(), "").await;
    app.agents = Agents::Stay;
    app.boot().await;
    let ada = app.sign_in("ada").await;
    let id = shell(&app, &ada).await;
    let before = agent_until(&ada, &id, |now| now["detail"] == "idle").await;
    let done = ada.turn(&id, "echo $((40 + 1))").await;
    assert_eq!(done["text"].as_str().map(str::trim), Some("41"), "{done}");
    assert_eq!(app.stop().await, Some(0));
    assert!(lives(pid_of(&before)));
    app.agents = Agents::End;
    (app, ada, id, before)
}

#[tokio::test]
async fn a_server_on_a_copy_leaves_the_agents_of_the_original_alone() {
    let (mut app, ada, id, before) = left_alone().await;
    let keeper = recorded(&keeper_dir(&app, &id), "keeper_pid");
    let place = tempfile::tempdir().unwrap();
    copy(app.dir(), place.path());
    let mut other = TestApp::in_place(place, "");
    other.boot().await;
    let there = ada.at(&other);
    // A message starts another process there: a shell that is lost does not come back by itself.
    let done = there.turn(&id, "echo $((40 + 3))").await;
    assert_eq!(done["text"].as_str().map(str::trim), Some("43"), "{done}");
    let second = agent_until(&there, &id, |now| now["detail"] == "idle").await;
    assert_eq!(second["incarnation"], 2, "{second}");
    assert_ne!(second["pid"], before["pid"]);
    let history = whole(&there, &id).await;
    let ends = history.iter().filter(|event| event["type"] == "exit");
    let reasons: Vec<&Value> = ends.map(|event| &event["data"]["reason"]).collect();
    assert_eq!(reasons, ["keeper_lost"], "{history:?}");
    assert!(other.log().contains("is left alone"), "{}", other.log());
    assert!(lives(pid_of(&before)) && lives(keeper), "{}", other.log());

    app.boot().await;
    let here = ada.at(&app);
    let after = agent_until(&here, &id, |now| now["detail"] == "idle").await;
    for field in ["pid", "incarnation"] {
        assert_eq!(after[field], before[field], "{after}");
    }
    for (who, process) in [(&here, &before), (&there, &second)] {
        let done = who.turn(&id, "echo $((40 + 2))").await;
        assert_eq!(done["text"].as_str().map(str::trim), Some("42"), "{done}");
        assert_eq!(agent(who, &id).await["pid"], process["pid"]);
        whole(who, &id).await;
    }
}

#[tokio::test]
async fn the_agents_of_a_moved_directory_are_attached_again() {
    let (app, ada, id, before) = left_alone().await;
    let place = tempfile::tempdir().unwrap();
    std::fs::rename(app.dir(), place.path()).unwrap();
    let mut moved = TestApp::in_place(place, "");
    moved.boot().await;
    let there = ada.at(&moved);
    let after = agent_until(&there, &id, |now| now["detail"] == "idle").await;
    for field in ["pid", "incarnation"] {
        assert_eq!(after[field], before[field], "{after}");
    }
    whole(&there, &id).await;
}
