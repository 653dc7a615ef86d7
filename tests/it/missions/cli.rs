//! `callboard mission` against a real server.

use std::process::{Command, Output, Stdio};

use super::*;

async fn run(app: &TestApp, who: &Caller, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_callboard"));
    command
        .arg("mission")
        .args(args)
        .env("CALLBOARD_URL", app.url())
        .env("CALLBOARD_API_KEY", &who.token)
        .env("HOME", app.dir())
        .current_dir(app.dir())
        .stdin(Stdio::null());
    let running = tokio::task::spawn_blocking(move || command.output().unwrap());
    running.await.unwrap()
}

/// The beginning of an id, as people type it.
fn short(id: &str) -> &str {
    id.split('-').next().unwrap()
}

async fn good(app: &TestApp, who: &Caller, args: &[&str]) -> (String, String) {
    let done = run(app, who, args).await;
    let told = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(0), "{args:?}: {told}");
    (String::from_utf8(done.stdout).unwrap(), told)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mission_is_driven_from_the_command_line() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let done = run(&app, &ada, &["show"]).await;
    assert_eq!(done.status.code(), Some(4), "none is loaded");
    let free = [
        "--backend",
        "shell",
        "--permission-mode",
        "bypassPermissions",
    ];
    let (out, told) = good(
        &app,
        &ada,
        &[&["create", "--title", "Tidy"], &free[..]].concat(),
    )
    .await;
    let mission = out.trim().to_owned();
    assert!(told.contains("starts with its first message"), "{told}");
    assert_eq!(show(&ada, &mission).await["title"], "Tidy");

    // It is the loaded one; what it prints is shown, and its end ends the command.
    let (out, told) = good(&app, &ada, &["send", "echo sum-$((40+2))", "--follow"]).await;
    assert!(out.contains("sum-42"), "{out} {told}");
    assert!(told.contains("completed"), "{told}");
    let (out, _) = good(&app, &ada, &["follow", short(&mission)]).await;
    assert!(out.contains("sum-42"), "the last turn is shown: {out}");
    let failing = run(&app, &ada, &["send", "exit 7", "--follow"]).await;
    assert_ne!(failing.status.code(), Some(0));

    let made = [&["create", "echo other", "--follow", "--json"], &free[..]].concat();
    let (out, _) = good(&app, &ada, &made).await;
    let events: Vec<Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(events[0]["seq"], 1);
    assert!(events.iter().any(|event| event["type"] == "turn_ended"));
    let (out, _) = good(&app, &ada, &["list"]).await;
    assert!(
        out.lines()
            .any(|line| line.contains("Tidy") && line.contains(short(&mission)))
    );
    let (out, _) = good(&app, &ada, &["list", "--status", "completed", "--json"]).await;
    let listed: Value = serde_json::from_str(&out).unwrap();
    assert!(
        listed
            .as_array()
            .unwrap()
            .iter()
            .all(|one| one["status"] == "completed")
    );

    good(&app, &ada, &["load", &mission]).await;
    good(&app, &ada, &["send", "sleep 600"]).await;
    does(&ada, &mission, "busy").await;
    let (out, _) = good(&app, &ada, &["tree"]).await;
    assert!(
        out.contains(short(&mission)) && out.contains("busy"),
        "{out}"
    );
    good(&app, &ada, &["cancel"]).await;
    let again = run(&app, &ada, &["cancel"]).await;
    assert_eq!(again.status.code(), Some(9));
    let (_, told) = good(&app, &ada, &["resume"]).await;
    assert!(told.contains("Tidy"), "{told}");
    good(&app, &ada, &["status", &mission, "completed"]).await;
    stands(&ada, &mission, "completed").await;
    let wrong = run(&app, &ada, &["status", &mission, "done"]).await;
    assert_eq!(wrong.status.code(), Some(2));
    let (out, _) = good(&app, &ada, &["events", "--types", "user_message"]).await;
    assert!(
        out.contains("sleep 600") && !out.contains("turn_ended"),
        "{out}"
    );
    let (out, _) = good(&app, &ada, &["show"]).await;
    assert!(out.contains("> echo sum-"), "{out}");
    good(&app, &ada, &["rm", &mission]).await;
    let gone = run(&app, &ada, &["show", &mission]).await;
    assert_eq!(gone.status.code(), Some(4));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_missions_are_watched_over_a_restart_of_the_server() {
    let mut app = TestApp::start().await;
    app.bind = app.address.clone();
    let ada = app.sign_in("ada").await;
    let mission = shell(&ada, &app).await;
    let mut command = Command::new(env!("CARGO_BIN_EXE_callboard"));
    let told = app.dir().join("told");
    let mut watching = command
        .args(["mission", "follow", "--all"])
        .env("CALLBOARD_URL", app.url())
        .env("CALLBOARD_API_KEY", &ada.token)
        .env("HOME", app.dir())
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(&told).unwrap())
        .stderr(std::fs::File::create(app.dir().join("notes")).unwrap())
        .spawn()
        .unwrap();
    let says = |words: &str| {
        std::fs::read_to_string(&told)
            .unwrap_or_default()
            .contains(words)
    };
    let notes = app.dir().join("notes");
    until(async || {
        std::fs::read_to_string(&notes)
            .unwrap()
            .contains("watching")
    })
    .await;
    turn(&ada, &mission, "echo one").await;
    until(async || says("> echo one") && says("= completed")).await;
    app.kill9();
    app.boot().await;
    let ada = ada.at(&app);
    turn(&ada, &mission, "echo two").await;
    until(async || says("> echo two")).await;
    let text = std::fs::read_to_string(&told).unwrap();
    assert_eq!(text.matches("> echo one").count(), 1, "{text}");
    watching.kill().unwrap();
    watching.wait().unwrap();
}
