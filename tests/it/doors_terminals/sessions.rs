//! Named sessions over HTTP.

use serde_json::{Value, json};

use super::{SESSIONS, attach, make};
use crate::app::{TestApp, until};

#[tokio::test]
async fn a_session_is_made_found_driven_and_killed_by_its_name() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let made = make(
        &ada,
        &app,
        "my-session",
        &json!({"prompt": "echo first-$((40+2))"}),
    )
    .await;
    assert_eq!(made["name"], "my-session");
    assert_eq!(made["agentType"], "shell");
    assert!(made["created"].as_str().unwrap().ends_with('Z'), "{made}");
    let pid = made["pid"].as_u64().unwrap();
    assert!(std::fs::metadata(format!("/proc/{pid}")).is_ok(), "{made}");
    assert!(made["taskId"].is_string());

    let one = format!("{SESSIONS}/my-session");
    until(async || ada.get(&one).await.ok(200)["phase"] == "completed").await;
    let detail = ada.get(&one).await.ok(200);
    assert_eq!(detail["pid"], pid);
    assert_eq!(detail["workingDirectory"], app.dir().to_str().unwrap());
    assert_eq!(detail["sessionType"], "pty");
    assert_eq!(detail["status"], "idle");
    let events = detail["events"].as_array().unwrap();
    let kinds: Vec<&str> = events
        .iter()
        .map(|e| e["event"]["type"].as_str().unwrap())
        .collect();
    assert!(
        kinds.contains(&"tool_result") && kinds.contains(&"turn_ended"),
        "{kinds:?}"
    );
    assert_eq!(events.last().unwrap()["seq"], detail["lastSeq"]);

    let sent = ada
        .post(
            &format!("{one}/message?wait=30"),
            &json!({"text": "echo second"}),
        )
        .await;
    assert_eq!(sent.ok(200)["text"], "second");
    let list = ada.get(SESSIONS).await.ok(200);
    assert_eq!(list.as_array().unwrap().len(), 1);
    assert_eq!(list[0]["name"], "my-session");
    assert_eq!(list[0]["pid"], pid);
    // The same session on the other door, by its id.
    let id = made["id"].as_str().unwrap();
    assert_eq!(
        ada.get(&format!("/api/agents/{id}")).await.ok(200)["name"],
        "my-session"
    );
    assert_eq!(
        ada.get(&format!("{SESSIONS}/{id}")).await.ok(200)["pid"],
        pid
    );

    assert_eq!(ada.delete(&one).await.ok(200)["killed"], true);
    assert!(std::fs::metadata(format!("/proc/{pid}")).is_err());
    ada.delete(&one).await.fails(404, "not_found");
    ada.get(&one).await.fails(404, "not_found");
    // Its name is free again.
    make(&ada, &app, "my-session", &json!({})).await;
}

#[tokio::test]
async fn of_two_creations_of_one_name_at_once_one_wins() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let body = json!({"name": "one", "agentType": "script", "workingDirectory": app.dir()});
    for round in 0..8 {
        let mut body = body.clone();
        body["name"] = format!("one-{round}").into();
        let (a, b, c) = tokio::join!(
            ada.post(SESSIONS, &body),
            ada.post(SESSIONS, &body),
            ada.post("/api/agents", &body),
        );
        let mut codes = [a.status, b.status, c.status];
        codes.sort_unstable();
        assert_eq!(codes, [201, 409, 409], "round {round}");
    }
    // Somebody else's name is none of hers.
    let bob = app.sign_in("bob").await;
    let mut his = body.clone();
    his["name"] = "one-0".into();
    bob.post(SESSIONS, &his).await.ok(201);
    assert_eq!(bob.get(SESSIONS).await.ok(200).as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn bad_input_is_named() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    for (body, code, field) in [
        (json!({}), "bad_field", "name"),
        (json!({"name": 5}), "bad_field", "name"),
        (json!({"name": "a b"}), "bad_name", "name"),
        (
            json!({"name": "a", "agentType": "hal9000"}),
            "unknown_agent_kind",
            "agentType",
        ),
        (
            json!({"name": "a", "mode": "sometimes"}),
            "bad_permission_mode",
            "permissionMode",
        ),
        (json!({"name": "a", "prompt": 7}), "bad_field", "prompt"),
        (
            json!({"name": "a", "cwd": "/no/such/place"}),
            "cwd_missing",
            "cwd",
        ),
        (
            json!({"name": "a", "host": "mars"}),
            "unknown_machine",
            "host",
        ),
    ] {
        let refused = ada.post(SESSIONS, &body).await.fails(400, code);
        assert_eq!(refused["field"], field, "{body}");
    }
    make(&ada, &app, "a", &json!({})).await;
    let one = format!("{SESSIONS}/a");
    ada.post(&format!("{one}/message"), &json!({}))
        .await
        .fails(400, "bad_field");
    let bad = json!({"status": ["x"]});
    ada.post(&format!("{one}/complete"), &bad)
        .await
        .fails(400, "bad_field");
    let bad = json!({"costUsd": -1});
    ada.post(&format!("{one}/complete"), &bad)
        .await
        .fails(400, "bad_field");
    for tail in [
        "nobody",
        "nobody/queue",
        "nobody/tasks",
        "00000000-0000-4000-8000-000000000000",
    ] {
        ada.get(&format!("{SESSIONS}/{tail}"))
            .await
            .fails(404, "not_found");
    }
    let bob = app.sign_in("bob").await;
    bob.get(&one).await.fails(404, "not_found");
    bob.delete(&one).await.fails(404, "not_found");
    let eve = app.sign_in("eve").await;
    eve.post(SESSIONS, &json!({"name": "e"}))
        .await
        .fails(403, "forbidden");
}

#[tokio::test]
async fn a_completed_session_keeps_its_record_and_is_reopened_by_a_message() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let pid = make(&ada, &app, "work", &json!({})).await["pid"]
        .as_u64()
        .unwrap();
    let one = format!("{SESSIONS}/work");
    let said = json!({"status": "success", "comment": "All tests passing", "costUsd": 1.25});
    let done = ada.post(&format!("{one}/complete"), &said).await.ok(200);
    assert_eq!(
        (&done["completed"], &done["status"]),
        (&json!(true), &json!("success"))
    );
    assert!(std::fs::metadata(format!("/proc/{pid}")).is_err());
    let detail = ada.get(&one).await.ok(200);
    assert_eq!(detail["completed"], true, "{detail}");
    assert_eq!(detail["pid"], 0);
    assert_eq!(detail["result"]["finalComment"], "All tests passing");
    assert_eq!(detail["result"]["costUsd"], 1.25);
    assert_eq!(ada.get(SESSIONS).await.ok(200)[0]["status"], "completed");
    // The first word stays.
    let again = ada
        .post(&format!("{one}/complete"), &json!({"status": "failed"}))
        .await
        .ok(200);
    assert_eq!(again["status"], "success");
    let last = detail["events"].as_array().unwrap();
    let told = last
        .iter()
        .filter(|e| e["event"]["action"] == "completed")
        .count();
    assert_eq!(told, 1);

    let sent = ada
        .post(
            &format!("{one}/message?wait=30"),
            &json!({"message": "echo on"}),
        )
        .await;
    assert_eq!(sent.ok(200)["text"], "on");
    assert_eq!(ada.get(&one).await.ok(200)["completed"], false);
}

#[tokio::test]
async fn a_reset_begins_a_new_process_behind_the_running_turn() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let made = make(&ada, &app, "r", &json!({})).await;
    let one = format!("{SESSIONS}/r");
    let say = |text: &str| json!({"message": text});
    ada.post(&format!("{one}/message?wait=30"), &say("word=kept; cd /"))
        .await
        .ok(200);
    let before = ada.get(&one).await.ok(200)["lastSeq"].as_u64().unwrap();
    // One runs, one waits: the first ends, the second runs in the new process.
    let gate = app.dir().join("gate");
    let held = format!(
        "until [ -e {} ]; do sleep 0.05; done; echo held",
        gate.display()
    );
    let first = ada
        .post(&format!("{one}/message"), &say(&held))
        .await
        .ok(202);
    let second = ada
        .post(
            &format!("{one}/message"),
            &say("echo \"word is <$word> in $PWD\""),
        )
        .await
        .ok(202);
    let path = format!("{one}/reset");
    let nothing = json!({});
    let (reset, ()) = tokio::join!(ada.post(&path, &nothing), async {
        until(async || ada.get(&one).await.ok(200)["detail"] == "busy").await;
        std::fs::write(&gate, "").unwrap();
    });
    let reset = reset.ok(200);
    assert_eq!(reset["reset"], true);
    let ended = async |task: &Value| {
        let path = format!("{one}/tasks/{}?wait=30", task["taskId"].as_str().unwrap());
        ada.get(&path).await.ok(200)
    };
    assert_eq!(ended(&first).await["text"], "held");
    let second = ended(&second).await;
    assert_eq!(
        second["text"],
        format!("word is <> in {}", app.dir().display()),
        "{second}"
    );
    let after = ada.get(&one).await.ok(200);
    assert_ne!(after["pid"], made["pid"]);
    assert!(after["lastSeq"].as_u64().unwrap() > before);
    let events = after["events"].as_array().unwrap();
    assert_eq!(
        events
            .iter()
            .filter(|e| e["event"]["action"] == "reset")
            .count(),
        1
    );
    for (index, event) in events.iter().enumerate() {
        let first = events[0]["seq"].as_u64().unwrap();
        assert_eq!(event["seq"], first + u64::try_from(index).unwrap());
    }
}

/// A program that would go on where it was begins anew.
#[tokio::test]
async fn a_reset_of_a_resumable_program_takes_nothing_over() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let scenario = app.dir().join("counting.json");
    let turns = json!({"turns": [[{"say": "one"}], [{"say": "two"}], [{"say": "three"}]]});
    std::fs::write(&scenario, turns.to_string()).unwrap();
    make(
        &ada,
        &app,
        "s",
        &json!({"agentType": "script", "scenario": scenario}),
    )
    .await;
    let one = format!("{SESSIONS}/s");
    let turn = async || {
        let path = format!("{one}/message?wait=30");
        ada.post(&path, &json!({"message": "go"})).await.ok(200)["text"].clone()
    };
    assert_eq!(turn().await, "one");
    assert_eq!(turn().await, "two");
    ada.post(&format!("{one}/reset"), &json!({})).await.ok(200);
    assert_eq!(turn().await, "one");
}

/// No byte of a terminal comes that the end could wait for: it goes out with the exit.
#[tokio::test]
async fn a_socket_without_a_screen_ends_with_its_session() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    for (name, how) in [("a", "stop"), ("b", "kill")] {
        let id = ada
            .ready_agent(&json!({"agentType": "script", "name": name}))
            .await;
        let mut ws = attach(&ada, name).await;
        ws.wait_for("hello").await;
        let path = format!("/api/agents/{id}/{how}");
        ada.post(&path, &json!({})).await.ok(200);
        ws.wait_for("exit").await;
        assert_eq!(ws.closed().await, Some(1000), "{how}");
    }
}
