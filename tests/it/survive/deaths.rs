//! The ways for an agent to die, each with its reason in the exit report and the supervisor's log;
//! and the clocks and hard stops that end turns.
//! Never a reason that is guessed: each end is caused here.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use super::*;

const QUICK: &str = "restart_base = \"50ms\"\nrestart_cap = \"100ms\"\nstop_grace = \"1s\"\n\
                     interrupt_grace = \"300ms\"\n";

fn quick(more: &str) -> String {
    format!("[agents]\n{QUICK}{more}")
}

/// The first end of a process of this agent in the supervisor's log.
async fn down(app: &TestApp, id: &str) -> String {
    let admin = app.sign_in("admin").await;
    answer(async || {
        let path = format!("/api/supervisor/events?after=0&agentId={id}");
        let said = admin.get(&path).await.ok(200);
        let lines = said["events"].as_array().unwrap();
        let line = lines.iter().find(|line| line["event"] == "process_down");
        line.and_then(|line| line["reason"].as_str().map(str::to_owned))
            .ok_or_else(|| said.to_string())
    })
    .await
}

/// The first exit report of an agent.
async fn report(who: &Caller, id: &str) -> Value {
    answer(async || {
        let all = who.history(id).await;
        let exit = all.iter().find(|event| event["type"] == "exit");
        exit.map(|event| event["data"].clone())
            .ok_or_else(|| format!("{all:?}"))
    })
    .await
}

/// Checks log and report of an agent's first end.
async fn died(app: &TestApp, who: &Caller, id: &str, (reason, line): (&str, &str)) -> Value {
    assert_eq!(down(app, id).await, line);
    let exit = report(who, id).await;
    assert_eq!(exit["reason"], reason, "{exit}");
    exit
}

/// A settings file whose `script` agents are this program.
async fn program(words: &str, settings: &str) -> TestApp {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("program.sh");
    std::fs::write(&file, format!("#!/bin/sh\n{words}\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    let kind = format!("{settings}[kinds.script]\ncommand = {file:?}\n");
    let mut app = TestApp::prepared(dir, &kind).await;
    app.boot().await;
    app
}

#[tokio::test]
async fn what_a_program_does_to_itself() {
    let app = TestApp::with(&quick("")).await;
    let ada = app.sign_in("ada").await;
    for (crash, reason, line) in [
        (json!({"exit": 0}), "completed", "completed (code 0)"),
        (json!({"exit": 3}), "crashed", "crashed (code 3)"),
        (json!({"exit": 2}), "failed", "failed (code 2)"),
        (json!({"signal": "SEGV"}), "crashed", "crashed (signal 11)"),
        (
            json!({"signal": "XCPU"}),
            "limit",
            "limit (signal 24: limit of processor time)",
        ),
    ] {
        let turns = json!([[{"crash": crash}], [{"say": "well"}]]);
        let id = player(&app, &ada, &turns).await;
        let task = send(&ada, &id, "go").await;
        died(&app, &ada, &id, (reason, line)).await;
        let lost = settled(&ada, &id, &task).await;
        assert_eq!(
            (&lost["state"], &lost["reason"]),
            (&json!("interrupted"), &json!(reason)),
            "{lost}"
        );
        if matches!(line, "failed (code 2)") || reason == "limit" {
            let stays = agent_until(&ada, &id, |now| now["detail"] == "failed").await;
            assert_eq!(stays["incarnation"], 1, "{stays}");
        }
        let next = ada.turn(&id, "again").await;
        assert_eq!(next["state"], "completed", "a message starts it: {next}");
    }
}

#[tokio::test]
async fn what_others_do_to_a_program() {
    let app = TestApp::with(&quick("")).await;
    let ada = app.sign_in("ada").await;
    for (way, reason, line) in [
        ("kill", "crashed", "crashed (signal 9)"),
        ("keeper", "keeper_lost", "keeper_lost"),
        ("stop", "killed_by_user", "killed_by_user (signal 15)"),
    ] {
        let id = player(&app, &ada, &json!([[{"hang": true}]])).await;
        let task = send(&ada, &id, "go").await;
        started(&ada, &id, &task).await;
        match way {
            "kill" => kill9(pid_of(&agent(&ada, &id).await)),
            "keeper" => kill9(recorded(&keeper_dir(&app, &id), "keeper_pid")),
            _ => {
                let path = format!("/api/agents/{id}/stop");
                ada.post(&path, &json!({})).await.ok(200);
            }
        }
        let exit = died(&app, &ada, &id, (reason, line)).await;
        let by = if way == "stop" {
            json!("ada")
        } else {
            Value::Null
        };
        assert_eq!(exit["by"], by, "{exit}");
    }
}

#[tokio::test]
async fn the_end_of_the_server_with_its_agents() {
    let mut app = TestApp::with(&quick("")).await;
    let ada = app.sign_in("ada").await;
    let id = player(&app, &ada, &json!([[{"hang": true}]])).await;
    let task = send(&ada, &id, "go").await;
    started(&ada, &id, &task).await;
    assert_eq!(app.stop().await, Some(0));
    app.boot().await;
    let ada = ada.at(&app);
    let wanted = ("server_shutdown", "server_shutdown (signal 15)");
    died(&app, &ada, &id, wanted).await;
}

#[tokio::test]
async fn nobody_comes_back_for_a_program() {
    let mut app = TestApp::with(&quick("orphan_ttl = \"3s\"\n")).await;
    let ada = app.sign_in("ada").await;
    let id = player(&app, &ada, &json!([[{"hang": true}]])).await;
    let task = send(&ada, &id, "go").await;
    started(&ada, &id, &task).await;
    let pid = pid_of(&agent(&ada, &id).await);
    app.kill9();
    answer(async || {
        if lives(pid) {
            Err(String::from("alive"))
        } else {
            Ok(())
        }
    })
    .await;
    app.boot().await;
    let ada = ada.at(&app);
    died(&app, &ada, &id, ("orphaned", "orphaned (signal 15)")).await;
}

#[tokio::test]
async fn a_program_that_is_not_there() {
    let settings = format!(
        "{}[kinds.script]\ncommand = \"/nonexistent/program\"\n",
        quick("")
    );
    let app = TestApp::with(&settings).await;
    let ada = app.sign_in("ada").await;
    let made = json!({"agentType": "script", "scenario": "hello", "cwd": app.dir()});
    let refused = ada.post("/api/agents", &made).await;
    refused.fails(400, "program_not_found");
    let admin = app.sign_in("admin").await;
    let ended = |line: &Value| line["event"] == "process_down" && line["reason"] == "spawn_failed";
    answer(async || {
        let said = admin.get("/api/supervisor/events?after=0").await.ok(200);
        let told = said["events"].as_array().unwrap().iter().any(ended);
        told.then_some(()).ok_or_else(|| said.to_string())
    })
    .await;
}

#[tokio::test]
async fn a_program_that_does_not_become_ready() {
    let app = program("exec sleep 600", &quick("start_timeout = \"400ms\"\n")).await;
    let ada = app.sign_in("ada").await;
    let id = player(&app, &ada, &json!([[{"say": "never"}]])).await;
    let line = "start_timeout (signal 9)";
    died(&app, &ada, &id, ("start_timeout", line)).await;
}

#[tokio::test]
async fn the_last_words_of_a_program_are_shown_everywhere() {
    let words = "for n in $(seq 1 30); do echo \"line $n\" >&2; done; exit 2";
    let app = program(words, &quick("")).await;
    let ada = app.sign_in("ada").await;
    let id = player(&app, &ada, &json!([[{"say": "never"}]])).await;
    let exit = died(&app, &ada, &id, ("failed", "failed (code 2)")).await;
    let last: Vec<String> = (11..=30).map(|n| format!("line {n}")).collect();
    assert_eq!(exit["stderrTail"], json!(last), "the event");
    let failed = agent_until(&ada, &id, |now| now["detail"] == "failed").await;
    assert_eq!(failed["lastExit"]["stderrTail"], json!(last), "the detail");
    assert_eq!(failed["error"], "exit_2: line 30");
    assert_eq!(failed["incarnation"], 1, "it is not tried again");
    let why = ada.get(&format!("/api/agents/{id}/why")).await.ok(200);
    let facts = why["because"].as_array().unwrap();
    let fact = facts
        .iter()
        .find(|fact| fact["fact"] == "last_exit")
        .unwrap();
    assert_eq!(fact["value"]["stderrTail"], json!(last), "why");
}

#[tokio::test]
async fn the_processor_time_of_a_shell() {
    let app = TestApp::with(&format!(
        "{}[agents.limits]\ncpu_time = \"1s\"\n",
        quick("")
    ))
    .await;
    let ada = app.sign_in("ada").await;
    let id = shell(&app, &ada).await;
    send(&ada, &id, "while :; do :; done").await;
    let line = "limit (signal 24: limit of processor time)";
    died(&app, &ada, &id, ("limit", line)).await;
    assert_eq!(ada.turn(&id, "echo well").await["state"], "completed");
}

#[tokio::test]
async fn a_turn_ends_at_its_deadline_and_what_waits_goes_on() {
    let app = TestApp::with(&quick("turn_deadline = \"2s\"\n")).await;
    let ada = app.sign_in("ada").await;
    let turns = json!([
        [{"sleep_ms": 60_000}],
        [{"hang": true}],
        [{"say": "{{message}}"}]
    ]);
    let id = player(&app, &ada, &turns).await;
    let mut tasks = vec![];
    for message in ["listens", "does not", "goes on"] {
        tasks.push(send(&ada, &id, message).await);
    }
    for task in &tasks[..2] {
        let late = settled(&ada, &id, task).await;
        assert_eq!(
            (&late["state"], &late["reason"]),
            (&json!("timed_out"), &json!("deadline")),
            "{late}"
        );
    }
    let next = settled(&ada, &id, &tasks[2]).await;
    assert_eq!(next["state"], "completed", "{next}");
    let line = "limit: deadline (signal 15)";
    died(&app, &ada, &id, ("limit", line)).await;
    let now = agent(&ada, &id).await;
    assert_eq!(now["incarnation"], 2, "the first one listened: {now}");
    ended_once(&with_ends(&ada, &id, &tasks).await, &tasks);
}

#[tokio::test]
async fn a_deadline_counts_while_the_server_is_away() {
    let mut app = TestApp::with(&quick("turn_deadline = \"3s\"\n")).await;
    let ada = app.sign_in("ada").await;
    let id = player(&app, &ada, &json!([[{"sleep_ms": 120_000}]])).await;
    let task = send(&ada, &id, "go").await;
    started(&ada, &id, &task).await;
    let begun = Instant::now();
    app.kill9();
    app.boot().await;
    let ada = ada.at(&app);
    let late = settled(&ada, &id, &task).await;
    assert_eq!(late["state"], "timed_out", "{late}");
    assert!(begun.elapsed() < Duration::from_secs(20), "it began anew");
}

#[tokio::test]
async fn a_stall_is_shown_and_told_and_nothing_else_by_default() {
    let stall = "[agents.stall]\nquiet_after = \"200ms\"\nstalled_after = \"2s\"\n";
    let app = TestApp::with(&format!("{}{stall}", quick(""))).await;
    let ada = app.sign_in("ada").await;
    let turns = json!([[{"sleep_ms": 6_000}, {"say": "on"}, {"sleep_ms": 100}]]);
    let id = player(&app, &ada, &turns).await;
    let task = send(&ada, &id, "go").await;
    let quiet = agent_until(&ada, &id, |now| now["detail"] == "quiet").await;
    assert_eq!(quiet["status"], "running", "{quiet}");
    let stalled = agent_until(&ada, &id, |now| now["detail"] == "stalled").await;
    assert_eq!(stalled["status"], "running", "{stalled}");
    let done = settled(&ada, &id, &task).await;
    assert_eq!(
        done["state"], "completed",
        "a healthy program is left alone"
    );
    let history = whole(&ada, &id).await;
    let told = |event: &&Value| event["type"] == "error" && event["data"]["code"] == "stalled";
    assert_eq!(history.iter().filter(told).count(), 1);
}

#[tokio::test]
async fn a_stalled_program_is_exchanged_when_the_settings_say_so() {
    let stall = "[agents.stall]\nstalled_after = \"1500ms\"\naction = \"restart\"\n";
    let app = TestApp::with(&format!("{}{stall}", quick(""))).await;
    let ada = app.sign_in("ada").await;
    let turns = json!([[{"hang": true}], [{"say": "well"}]]);
    let id = player(&app, &ada, &turns).await;
    let task = send(&ada, &id, "go").await;
    let stalled = settled(&ada, &id, &task).await;
    assert_eq!(
        (&stalled["state"], &stalled["reason"]),
        (&json!("failed"), &json!("stalled")),
        "{stalled}"
    );
    died(&app, &ada, &id, ("stalled", "stalled (signal 15)")).await;
    assert_eq!(ada.turn(&id, "next").await["state"], "completed");
}

#[tokio::test]
async fn a_hard_stop_refuses_more_work_and_keeps_what_waits() {
    for (limit, name) in [("turns = 1", "turns"), ("spend_usd = 0.5", "spend")] {
        let limits = format!("[agents.session_limits]\n{limit}\n");
        let mut app = TestApp::with(&format!("{}{limits}", quick(""))).await;
        let ada = app.sign_in("ada").await;
        let turns = json!([[{"usage": {"costUsd": 0.6}}, {"sleep_ms": 3_000}, {"say": "dear"}]]);
        let id = player(&app, &ada, &turns).await;
        let first = send(&ada, &id, "one").await;
        let second = send(&ada, &id, "two").await;
        let done = settled(&ada, &id, &first).await;
        assert_eq!(done["state"], "completed", "{done}");
        died(&app, &ada, &id, ("limit", "limit: limit (signal 15)")).await;
        let stopped = agent_until(&ada, &id, |now| now["detail"] == "stopped").await;
        assert_eq!(stopped["limitReached"], name, "{stopped}");
        assert_eq!(stopped["spentUsd"], 0.6, "{stopped}");
        assert_eq!(task(&ada, &id, &second).await["state"], "queued");
        let path = format!("/api/agents/{id}/message");
        let more = json!({"message": "more"});
        let refused = ada.post(&path, &more).await.fails(409, "limit_reached");
        assert!(
            refused["error"].as_str().unwrap().contains(name),
            "{refused}"
        );
        let start = format!("/api/agents/{id}/start");
        ada.post(&start, &json!({}))
            .await
            .fails(409, "limit_reached");
        // It holds through a restart, and ends when the limit is raised.
        assert_eq!(app.stop().await, Some(0));
        app.boot().await;
        let ada = ada.at(&app);
        ada.post(&path, &more).await.fails(409, "limit_reached");
        assert_eq!(app.stop().await, Some(0));
        let raised = quick("[agents.session_limits]\nturns = 9\n");
        std::fs::write(app.dir().join("settings.toml"), raised).unwrap();
        app.boot().await;
        let ada = ada.at(&app);
        ada.post(&start, &json!({})).await.ok(200);
        assert_eq!(settled(&ada, &id, &second).await["state"], "completed");
    }
}
