//! `callboard attach` against a real server and a real bash, also over a restart of the server.
//!
//! Never trusts the screen alone: the program's own facts are compared.

use serde_json::json;

use super::super::app::{Agents, Caller, TestApp, until};
use super::attach;
use super::pty::Pty;

async fn shell(caller: &Caller) -> String {
    caller
        .ready_agent(
            &json!({"agentType": "shell", "name": "term", "permissionMode": "bypassPermissions"}),
        )
        .await
}

/// The pid of the bash, as it sees it itself.
fn bash(pty: &Pty, mark: &str) -> String {
    pty.types(format!("echo {mark}-$$-end\r").as_bytes());
    let pid = || {
        let (shown, mark) = (pty.shown(), format!("{mark}-"));
        shown.split(&mark).skip(1).find_map(|rest| {
            let (pid, _) = rest.split_once("-end")?;
            pid.parse::<u32>().ok().map(|_| pid.to_owned())
        })
    };
    pty.until(|| pid().is_some());
    pid().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bash_is_driven_from_a_terminal_over_a_restart_of_the_server() {
    let mut app = TestApp::with("").await;
    app.bind = app.address.clone();
    let caller = app.sign_in("ada").await;
    shell(&caller).await;
    let pty = Pty::open(40, 132);
    let mut command = attach(&app.url(), "term", &[]);
    command.env("CALLBOARD_API_KEY", &caller.token);
    let mut child = pty.spawn(&mut command);
    pty.shows("ctrl-] ctrl-] detaches");
    pty.until(|| pty.modes().is_raw);
    pty.types(b"stty size\r");
    pty.shows("40 132");
    let before = bash(&pty, "before");

    app.agents = Agents::Stay;
    app.kill9();
    pty.types(b"for i in $(seq 1 2000); do echo line-$i-end; done\r");
    app.boot().await;
    pty.shows("the connection is back");
    pty.shows("line-2000-end");
    let shown = pty.shown();
    for i in 1..=2000 {
        assert_eq!(
            shown.matches(&format!("line-{i}-end\r\n")).count(),
            1,
            "{i}"
        );
    }
    assert_eq!(bash(&pty, "after"), before, "another bash answers");
    app.agents = Agents::End;

    pty.types(b"exit 3\r");
    assert_eq!(pty.wait(&mut child).code(), Some(1), "{}", pty.shown());
    assert!(pty.shown().contains("exit code 3"), "{}", pty.shown());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_agent_is_started_only_when_asked_and_a_script_is_no_terminal() {
    let app = TestApp::with("").await;
    let caller = app.sign_in("ada").await;
    let id = shell(&caller).await;
    caller
        .post(&format!("/api/agents/{id}/stop"), &json!({}))
        .await
        .ok(200);
    let run = |agent: &str, args: &[&str]| {
        let mut command = attach(&app.url(), agent, args);
        command.env("CALLBOARD_API_KEY", &caller.token);
        command.stdin(std::process::Stdio::null()).output().unwrap()
    };
    let refused = run("term", &[]);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(9), "{told}");
    assert!(told.contains("callboard attach term --start"), "{told}");

    let script = caller
        .agent(&json!({"agentType": "script", "scenario": "demo"}))
        .await;
    let refused = run(&script, &[]);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{told}");
    assert!(told.contains("--follow"), "{told}");

    let pty = Pty::open(24, 80);
    let mut command = attach(&app.url(), "term", &["--start"]);
    command.env("CALLBOARD_API_KEY", &caller.token);
    let mut child = pty.spawn(&mut command);
    pty.until(|| pty.modes().is_raw);
    pty.types(b"echo up-$((20 + 3))\r");
    pty.shows("up-23");
    pty.types(b"\x1d\x1d");
    assert_eq!(pty.wait(&mut child).code(), Some(0));
    until(async || caller.get(&format!("/api/agents/{id}")).await.ok(200)["detail"] == "idle")
        .await;
}
