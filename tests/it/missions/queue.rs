//! The loaded mission, and what waits for a person's missions.

use super::*;

async fn message(who: &Caller, body: Value) -> crate::app::Answer {
    who.post("/api/control/message", &body).await
}

async fn load(who: &Caller, mission: &str) {
    order(who, mission, "load").await.ok(200);
}

#[tokio::test]
async fn a_message_without_a_name_goes_to_the_loaded_mission_and_nowhere_else() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.sign_in("ada").await, app.sign_in("bob").await);
    message(&ada, json!({"content": "x"}))
        .await
        .fails(409, "no_mission_loaded");
    assert!(
        ada.get(&format!("{MISSIONS}/current"))
            .await
            .ok(200)
            .is_null()
    );
    let first = shell(&ada, &app).await;
    let second = shell(&ada, &app).await;
    // Until somebody loads one, the newest that they made.
    let sent = message(&ada, json!({"content": "true"})).await.ok(200);
    assert_eq!(sent["mission_id"], second.as_str());
    load(&ada, &first).await;
    let third = shell(&ada, &app).await;
    let sent = message(&ada, json!({"content": "true"})).await.ok(200);
    assert_eq!(
        sent["mission_id"],
        first.as_str(),
        "what was loaded stays loaded"
    );
    let sent = message(&ada, json!({"content": "true", "mission_id": third}))
        .await
        .ok(200);
    assert_eq!(sent["mission_id"], third.as_str());
    let current = ada.get(&format!("{MISSIONS}/current")).await.ok(200);
    assert_eq!(current["id"], first.as_str());
    message(&bob, json!({"content": "x"}))
        .await
        .fails(409, "no_mission_loaded");
    ada.delete(&format!("{MISSIONS}/{first}")).await.ok(200);
    message(&ada, json!({"content": "x"}))
        .await
        .fails(409, "no_mission_loaded");
    for mission in [&second, &third] {
        let tasks = ada
            .get(&format!("{MISSIONS}/{mission}/tasks"))
            .await
            .ok(200);
        assert_eq!(tasks["total"], 1);
    }
    message(&ada, json!({"content": "  "}))
        .await
        .fails(400, "bad_field");
    message(&ada, json!({"content": 5}))
        .await
        .fails(400, "bad_field");
    message(&ada, json!({})).await.fails(400, "bad_field");
}

#[tokio::test]
async fn a_repeated_key_finds_its_first_mission_whatever_is_loaded() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let (one, two) = (shell(&ada, &app).await, shell(&ada, &app).await);
    load(&ada, &one).await;
    let say = async || {
        let request = ada.request(Method::POST, "/api/control/message");
        let request = request.json(&json!({"content": "true"}));
        ada.ask(request.header("idempotency-key", "once"))
            .await
            .ok(200)
    };
    let first = say().await;
    load(&ada, &two).await;
    let again = say().await;
    assert_eq!(first, again);
    assert_eq!(first["mission_id"], one.as_str());
}

#[tokio::test]
async fn what_waits_is_listed_edited_ordered_and_withdrawn() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.sign_in("ada").await, app.sign_in("bob").await);
    let (one, two) = (shell(&ada, &app).await, shell(&ada, &app).await);
    for mission in [&one, &two] {
        let pause = format!("/api/agents/{mission}/pause");
        ada.post(&pause, &json!({})).await.ok(200);
    }
    let mut ids = Vec::new();
    for words in ["echo 1", "echo 2", "echo 3"] {
        let body = json!({"content": words, "mission_id": one, "agent": "reviewer"});
        let sent = message(&ada, body).await.ok(200);
        assert_eq!(
            (&sent["queued"], &sent["agent_missing"]),
            (&json!(true), &json!(true))
        );
        ids.push(sent["id"].clone());
    }
    send(&ada, &two, "echo other").await;
    let listed = async |who: &Caller, query: &str| {
        let all = who.get(&format!("/api/control/queue{query}")).await.ok(200);
        let all = all.as_array().unwrap().clone();
        let words = all
            .iter()
            .map(|one| one["content"].as_str().unwrap().to_owned());
        words.collect::<Vec<_>>()
    };
    assert_eq!(
        listed(&ada, "").await,
        ["echo 1", "echo 2", "echo 3", "echo other"]
    );
    assert_eq!(
        listed(&ada, &format!("?mission_id={two}")).await,
        ["echo other"]
    );
    assert!(listed(&bob, "").await.is_empty());
    let all = ada.get("/api/control/queue").await.ok(200);
    assert_eq!(
        (&all[1]["position"], &all[1]["agent"]),
        (&json!(2), &json!("reviewer"))
    );
    assert_eq!(all[3]["mission_id"], two.as_str());

    let path = |id: &Value| format!("/api/control/queue/{}", id.as_str().unwrap());
    let edit = ada.request(Method::PATCH, &path(&ids[1]));
    let edit = edit.json(&json!({"content": "echo two"}));
    assert_eq!(ada.ask(edit).await.ok(200)["message"], "echo two");
    let order = ada.request(Method::PUT, "/api/control/queue/order");
    let order = order.json(&json!({"order": [ids[2], ids[0], ids[1]]}));
    ada.ask(order).await.ok(200);
    assert_eq!(
        listed(&ada, "").await,
        ["echo 3", "echo 1", "echo two", "echo other"]
    );
    let mixed = ada.request(Method::PUT, "/api/control/queue/order");
    let mixed = mixed.json(&json!({"order": [ids[2]]}));
    ada.ask(mixed).await.fails(400, "bad_order");
    bob.delete(&path(&ids[0])).await.fails(404, "not_found");
    ada.delete(&path(&ids[0])).await.ok(200);
    ada.delete(&path(&ids[0])).await.fails(409, "invalid_state");
    let cleared = ada
        .delete(&format!("/api/control/queue?mission_id={one}"))
        .await
        .ok(200);
    assert_eq!(cleared["cleared"], 2);
    assert_eq!(listed(&ada, "").await, ["echo other"]);
    let task = ada
        .get(&format!("/api/control/tasks/{}", ids[2].as_str().unwrap()))
        .await
        .ok(200);
    assert_eq!(task["status"], "stopped");
}

#[tokio::test]
async fn history_and_prompts_stand_in_the_order_in_which_they_ran() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let turns = json!([[{"say": "first"}], [{"say": "second"}], [{"say": "third"}]]);
    let mission = player(&ada, &app, &turns).await;
    for words in ["a", "b"] {
        send(&ada, &mission, words).await;
    }
    turn(&ada, &mission, "c").await;
    let history = show(&ada, &mission).await["history"].clone();
    let said: Vec<(&str, &str)> = history
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (
                one["role"].as_str().unwrap(),
                one["content"].as_str().unwrap(),
            )
        })
        .collect();
    let turns = [
        ("user", "a"),
        ("assistant", "first"),
        ("user", "b"),
        ("assistant", "second"),
    ];
    assert_eq!(said[..4], turns);
    assert_eq!(said[4..], [("user", "c"), ("assistant", "third")]);
}

/// However much waits, a list has a bound, and says where it is not whole.
#[tokio::test]
async fn a_long_queue_is_listed_by_beginnings() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let mission = shell(&ada, &app).await;
    let pause = format!("/api/agents/{mission}/pause");
    ada.post(&pause, &json!({})).await.ok(200);
    let large = "\u{e4}".repeat(450_000);
    let mut last = String::new();
    for number in 0..14 {
        let sent = send(&ada, &mission, &format!("{number:02} {large}")).await;
        last = sent["taskId"].as_str().unwrap().to_owned();
    }
    let of_one = format!("{MISSIONS}/{mission}/queue");
    for (path, list, words) in [
        ("/api/control/queue", None, "content"),
        (of_one.as_str(), Some("queue"), "message"),
    ] {
        let answer = ada.get(path).await;
        assert!(answer.text.len() < 9 * 1024 * 1024, "{}", answer.text.len());
        let found = answer.json();
        let found = list.map_or(found.clone(), |name| found[name].clone());
        let found = found.as_array().unwrap();
        assert_eq!(found.len(), 14);
        let cut = |one: &Value| one["truncated"] == true;
        assert_eq!(found.iter().filter(|one| !cut(one)).count(), 9, "{path}");
        for (number, one) in found.iter().enumerate() {
            let shown = one[words].as_str().unwrap();
            assert!(shown.starts_with(&format!("{number:02} ")));
            assert_eq!(cut(one), shown.chars().count() == 500, "{path}: {number}");
        }
    }
    let whole = ada.get(&format!("/api/control/tasks/{last}")).await.ok(200);
    assert_eq!(whole["message"].as_str().unwrap().len(), large.len() + 3);
    let listed = ada
        .get(&format!("{MISSIONS}/{mission}/tasks?limit=14"))
        .await;
    assert!(listed.text.len() < 9 * 1024 * 1024, "{}", listed.text.len());
    let page = ada.get("/api/control/queue?limit=2&offset=12").await;
    assert_eq!(page.headers["x-total-count"], "14");
    let page = page.ok(200);
    let places: Vec<_> = page
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["position"])
        .collect();
    assert_eq!(places, [13, 14]);
    let cleared = ada.delete("/api/control/queue").await.ok(200);
    assert_eq!(cleared["cleared"], 14);
}

/// A repeated request finds its answer also when its mission is gone.
#[tokio::test]
async fn a_repeated_key_is_answered_though_the_mission_is_deleted() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let mission = shell(&ada, &app).await;
    let say = async || {
        let request = ada.request(Method::POST, "/api/control/message");
        let request = request.json(&json!({"content": "true"}));
        ada.ask(request.header("idempotency-key", "k"))
            .await
            .ok(200)
    };
    let first = say().await;
    assert_eq!(first["mission_id"], mission.as_str());
    stands(&ada, &mission, "completed").await;
    ada.delete(&format!("{MISSIONS}/{mission}")).await.ok(200);
    assert_eq!(say().await, first);
}
