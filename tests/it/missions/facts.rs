//! Ten facts of another product of this kind that must not be true of this one; one test for each that
//! no other file has.

use super::*;
use crate::app::Sse;

/// 2: failures have a status, a code and a request's id, in JSON.
#[tokio::test]
async fn a_failure_is_json_with_a_code() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let refused = ada
        .get(&format!("{MISSIONS}/{}", uuid::Uuid::new_v4()))
        .await;
    assert_eq!(refused.headers["content-type"], "application/json");
    let body = refused.fails(404, "not_found");
    assert!(body["error"].is_string() && body["requestId"].is_string());
}

/// 3: a burst over several missions at once loses no call of a tool, neither in the rows nor for a
/// reader.
#[tokio::test]
async fn a_burst_of_tool_calls_is_stored_whole() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let call = json!({"tool": {"name": "Read", "args": {"path": "x"}, "result": "y", "ms": 0}});
    let turns = json!([vec![call; 300]]);
    let mut stream = Sse::open(&ada, "", None).await;
    let mut missions = Vec::new();
    for _ in 0..4 {
        missions.push(player(&ada, &app, &turns).await);
    }
    for mission in &missions {
        send(&ada, mission, "go").await;
    }
    let mut told = 0;
    while told < 4 * 600 {
        let part = stream.part().await.unwrap();
        told += usize::from(["tool_call", "tool_result"].contains(&part.event.as_str()));
    }
    for mission in &missions {
        stands(&ada, mission, "completed").await;
        let path = format!("{MISSIONS}/{mission}/events?types=tool_call,tool_result&limit=1000");
        let stored = ada.get(&path).await.ok(200);
        assert_eq!(stored.as_array().unwrap().len(), 600);
    }
}

/// 5: what goes over the line for a long message grows with its length and not with its square.
#[tokio::test]
async fn a_long_message_costs_its_length() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let long = "tokens ".repeat(4_000);
    let mission = player(&ada, &app, &json!([[{"say": long}]])).await;
    turn(&ada, &mission, "first").await;
    let mut stream = Sse::open(&ada, &format!("?mission_id={mission}"), None).await;
    stream.until("status").await;
    turn(&ada, &mission, "again").await;
    stream.until("turn_ended").await;
    assert!(stream.bytes < 20 * long.len(), "{} bytes", stream.bytes);
}

/// 6: what is meant for one mission is never in the queue of another, however busy all are.
#[tokio::test]
async fn a_message_waits_with_its_own_mission() {
    let app = TestApp::with("[limits]\nmax_live_agents = 1\n").await;
    let ada = app.sign_in("ada").await;
    let (first, second) = (shell(&ada, &app).await, shell(&ada, &app).await);
    send(&ada, &first, "sleep 600").await;
    does(&ada, &first, "busy").await;
    send(&ada, &second, "echo second").await;
    does(&ada, &second, "waiting").await;
    let queue = ada.get("/api/control/queue").await.ok(200);
    assert_eq!(queue[0]["mission_id"], second.as_str());
    assert!(queue[1].is_null());
    order(&ada, &first, "cancel").await.ok(200);
    stands(&ada, &second, "completed").await;
}

/// 7 and 9: what waits survives the server and starts nothing while it stops; nobody has to call for
/// what was interrupted to be told so.
#[tokio::test]
async fn a_queue_survives_the_server_and_nothing_starts_during_a_stop() {
    let mut app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let out = app.dir().join("out");
    let mission = shell(&ada, &app).await;
    send(&ada, &mission, "sleep 600").await;
    does(&ada, &mission, "busy").await;
    send(&ada, &mission, &format!("echo ran >> {}", out.display())).await;
    let mut stream = Sse::open(&ada, "", None).await;
    stream.until("hello").await;
    let stopped = std::time::Instant::now();
    assert_eq!(app.stop().await, Some(0));
    assert!(
        stopped.elapsed() < std::time::Duration::from_secs(30),
        "a reader held it up"
    );
    assert!(!out.exists(), "it was started while the server stopped");
    app.boot().await;
    let ada = ada.at(&app);
    let shown = show(&ada, &mission).await;
    assert_eq!(
        (&shown["status"], &shown["queue_len"]),
        (&json!("interrupted"), &json!(1))
    );
    order(&ada, &mission, "resume").await.ok(200);
    stands(&ada, &mission, "completed").await;
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "ran\n");
}
