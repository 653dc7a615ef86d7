//! Requests that cross each other: with a stop, a deletion, a crash, a question.
//! Never a prompt that waits for nothing, and never a process that belongs to nobody.

use serde_json::json;

use super::*;

const QUICK: &str = "[agents]\nstop_grace = \"1s\"\n";

/// Processes whose working directory is this one: the agents of one test.
fn standing_in(dir: &Path) -> Vec<i32> {
    let numbers = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == dir) && lives(*pid)
    })
    .collect()
}

async fn nobody_stands_in(dir: &Path) {
    answer(async || match standing_in(dir) {
        left if left.is_empty() => Ok(()),
        left => Err(format!("{left:?}")),
    })
    .await;
}

fn quiet_shell(app: &TestApp) -> Value {
    json!({
        "agentType": "shell", "cwd": app.dir(), "permissionMode": "bypassPermissions",
        "start": false,
    })
}

#[tokio::test]
async fn a_prompt_that_had_no_process_yet_is_run_after_a_crash() {
    let mut app = TestApp::prepared(tempfile::tempdir().unwrap(), QUICK).await;
    app.env = vec![("FAILPOINTS", "queue_after_accept=return".into())];
    app.boot().await;
    let ada = app.sign_in("ada").await;
    let id = ada.agent(&quiet_shell(&app)).await;
    let path = format!("/api/agents/{id}/message");
    let send = ada.request(reqwest::Method::POST, &path);
    let cut = send.json(&json!({"message": "echo here"})).send().await;
    assert!(cut.is_err(), "the server answered");
    app.reap();
    app.env = vec![];
    app.boot().await;
    let ada = ada.at(&app);
    let tasks = ada.get(&format!("/api/agents/{id}/tasks")).await.ok(200);
    let task = tasks["tasks"][0]["id"].as_str().unwrap().to_owned();
    let done = settled(&ada, &id, &task).await;
    assert_eq!(done["state"], "completed", "{done}");
}

#[tokio::test]
async fn a_question_behind_an_interrupt_harms_nobody() {
    let app = TestApp::with(QUICK).await;
    let ada = app.sign_in("ada").await;
    let ask = json!({"ask": {"tool": "edit", "args": {}}});
    let turns = json!([[{"flood": {"lines": 20_000, "bytes": 40}}, ask, ask], [{"say": "well"}]]);
    let id = player(&app, &ada, &turns).await;
    let task = send(&ada, &id, "go").await;
    beyond(&ada, &id, 300).await;
    ada.post(&format!("/api/agents/{id}/interrupt"), &json!({}))
        .await
        .ok(202);
    let done = settled(&ada, &id, &task).await;
    assert_eq!(done["state"], "stopped", "{done}");
    assert_eq!(ada.turn(&id, "more").await["state"], "completed");
    let tasks = [task];
    ended_once(&with_ends(&ada, &id, &tasks).await, &tasks);
}

#[tokio::test]
async fn a_prompt_during_a_stop_starts_the_next_process() {
    let app = TestApp::with(QUICK).await;
    let ada = app.sign_in("ada").await;
    for again in ["message", "start"] {
        let id = shell(&app, &ada).await;
        // It does not end before it is killed, so that the stop takes its time.
        send(&ada, &id, "trap '' HUP TERM; echo begun; sleep 60").await;
        printed(&ada, &id, "begun").await;
        let before = pid_of(&agent(&ada, &id).await);
        let stop = {
            let (who, path) = (ada.clone(), format!("/api/agents/{id}/stop"));
            tokio::spawn(async move { who.post(&path, &json!({})).await.ok(200) })
        };
        agent_until(&ada, &id, |now| now["detail"] == "stopping").await;
        if again == "message" {
            let next = send(&ada, &id, "true").await;
            assert_eq!(settled(&ada, &id, &next).await["state"], "completed");
        } else {
            ada.post(&format!("/api/agents/{id}/start"), &json!({}))
                .await
                .ok(200);
            agent_until(&ada, &id, |now| now["detail"] == "idle").await;
        }
        assert_eq!(stop.await.unwrap()["stopped"], true);
        assert!(!lives(before));
        assert_ne!(pid_of(&agent(&ada, &id).await), before);
    }
}

#[tokio::test]
async fn only_a_start_or_a_prompt_starts_a_process() {
    let app = TestApp::with(QUICK).await;
    let ada = app.sign_in("ada").await;
    let id = ada.agent(&quiet_shell(&app)).await;
    let order = format!("/api/agents/{id}/queue/order");
    let put = ada.request(reqwest::Method::PUT, &order);
    crate::app::answer(put.json(&json!({"order": []})))
        .await
        .ok(200);
    ada.post(&format!("/api/agents/{id}/resume"), &json!({}))
        .await
        .ok(200);
    ada.delete(&format!("/api/agents/{id}")).await.ok(200);
    assert!(!app.dir().join("keepers").join(&id).exists());
    assert_eq!(standing_in(app.dir()), Vec::<i32>::new());
}

#[tokio::test]
async fn a_deletion_leaves_nothing_whatever_crosses_it() {
    let app = TestApp::with(QUICK).await;
    let ada = app.sign_in("ada").await;
    let mut crossing = vec![];
    for n in 0..12 {
        let id = ada.agent(&quiet_shell(&app)).await;
        if n % 2 == 0 {
            ada.post(&format!("/api/agents/{id}/start"), &json!({}))
                .await
                .ok(200);
        }
        let (who, path) = (ada.clone(), format!("/api/agents/{id}/message"));
        crossing.push(tokio::spawn(async move {
            who.post(&path, &json!({"message": "sleep 30"})).await
        }));
        // So many requests later: the deletion meets the prompt at another moment each time.
        for _ in 0..n {
            ada.get("/health/live").await.ok(200);
        }
        ada.delete(&format!("/api/agents/{id}")).await.ok(200);
    }
    for sent in crossing {
        let sent = sent.await.unwrap();
        assert!(matches!(sent.status.as_u16(), 202 | 404), "{}", sent.text);
    }
    nobody_stands_in(app.dir()).await;
    let open = ada.get("/api/chat/approvals/pending").await.ok(200);
    assert_eq!(open["approvals"], json!([]));
}

#[tokio::test]
async fn the_largest_prompt_arrives_however_it_is_written() {
    let app = TestApp::with(QUICK).await;
    let ada = app.sign_in("ada").await;
    let id = player(&app, &ada, &json!([[{"say": "well"}]])).await;
    for letter in ["\n", "\u{1}", "x"] {
        let text = letter.repeat(if letter == "\u{1}" {
            300_000
        } else {
            1_000_000
        });
        let done = ada.turn(&id, &text).await;
        assert_eq!(done["state"], "completed");
    }
}

#[tokio::test]
async fn sessions_are_read_on_after_the_journal_has_panicked() {
    let mut app = TestApp::prepared(tempfile::tempdir().unwrap(), QUICK).await;
    app.env = vec![("FAILPOINTS", "journal_commit=12*off->1*panic->off".into())];
    app.boot().await;
    let ada = app.sign_in("ada").await;
    let turns = json!([[{"flood": {"lines": 40_000, "bytes": 40}}]]);
    let id = player(&app, &ada, &turns).await;
    let before = agent_until(&ada, &id, |now| now["detail"] == "idle").await;
    let task = send(&ada, &id, "go").await;
    // Nothing is asked of the agent meanwhile: it must be read on by itself.
    let admin = app.sign_in("admin").await;
    answer(async || {
        let log = admin.get("/api/supervisor/events?after=0").await.text;
        if log.contains("panic") {
            Ok(())
        } else {
            Err(log)
        }
    })
    .await;
    let done = settled(&ada, &id, &task).await;
    assert_eq!(done["state"], "completed", "{done}");
    assert_eq!(agent(&ada, &id).await["pid"], before["pid"]);
    let tasks = [task];
    let history = with_ends(&ada, &id, &tasks).await;
    assert_eq!(lines(&history), (1..=40_000).collect::<Vec<_>>());
    ended_once(&history, &tasks);
}
