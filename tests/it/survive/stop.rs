//! An end that works whatever else does not: without space, and past a session that hangs.
//! Never a reply that says stopped while something runs.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use serde_json::json;

use super::*;

const QUICK: &str = "[agents]\nstop_grace = \"1s\"\n[disk]\nwarn_free = 0\nrefuse_free = 0\n";
/// Set in the copy of the test that has mounts of its own: where it may mount.
const INSIDE: &str = "CALLBOARD_TEST_OWN_MOUNTS";

#[tokio::test]
#[expect(
    clippy::disallowed_methods,
    reason = "the test runs itself below unshare and mount"
)]
async fn a_stop_works_on_a_full_disk() {
    let Some(place) = std::env::var_os(INSIDE).map(PathBuf::from) else {
        let place = tempfile::tempdir().unwrap();
        let own = std::env::current_exe().unwrap();
        let name = format!("{}::a_stop_works_on_a_full_disk", module_path!());
        let name = name.split_once("::").unwrap().1.to_owned();
        let mut again = Command::new("unshare");
        again
            .args(["--map-root-user", "--mount", "--"])
            .arg(own)
            .args(["--exact", &name]);
        again
            .args(["--nocapture"])
            .env(INSIDE, place.path())
            .stdin(Stdio::null())
            .process_group(0);
        let done = tokio::task::spawn_blocking(move || again.output().unwrap())
            .await
            .unwrap();
        let told = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success() && told.contains("1 passed"), "{told}");
        return;
    };
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64m", "tmpfs"])
        .arg(&place)
        .status();
    assert!(mounted.unwrap().success());
    let inside = tempfile::tempdir_in(&place).unwrap();
    let mut app = TestApp::prepared(inside, QUICK).await;
    app.boot().await;
    let ada = app.sign_in("ada").await;
    let id = player(&app, &ada, &json!([[{"hang": true}]])).await;
    let task = send(&ada, &id, "go").await;
    started(&ada, &id, &task).await;
    let busy = agent(&ada, &id).await;
    let keeper = keeper_dir(&app, &id);
    let filler = place.join("filler");
    fill(&filler);
    let took = stopped(&ada, &id, pid_of(&busy)).await;
    assert!(took < Duration::from_secs(15), "{took:?}");
    by_ada(&keeper);
    std::fs::remove_file(&filler).unwrap();
    follows(&ada, &id, &task).await;
    eprintln!("stopped on a full disk in {took:?}");
    drop(app);
}

#[tokio::test]
async fn a_log_that_takes_no_line_harms_nothing() {
    let mut app = TestApp::prepared(tempfile::tempdir().unwrap(), QUICK).await;
    app.log = "/dev/full".into();
    app.boot().await;
    let ada = app.sign_in("ada").await;
    let id = player(&app, &ada, &json!([[{"say": "hello"}], [{"hang": true}]])).await;
    let first = send(&ada, &id, "go").await;
    assert_eq!(settled(&ada, &id, &first).await["state"], "completed");
    let second = send(&ada, &id, "on").await;
    started(&ada, &id, &second).await;
    let busy = agent(&ada, &id).await;
    stopped(&ada, &id, pid_of(&busy)).await;
    follows(&ada, &id, &second).await;
    assert_eq!(app.stop().await, Some(0));
}

/// Takes every byte that is left.
fn fill(file: &Path) {
    use std::io::Write;
    let mut out = std::fs::File::create(file).unwrap();
    for size in [1 << 20, 4096, 1] {
        let block = vec![7_u8; size];
        while out.write_all(&block).is_ok() {}
    }
}

#[tokio::test]
async fn a_stop_goes_past_a_session_that_hangs() {
    let mut app = TestApp::prepared(tempfile::tempdir().unwrap(), QUICK).await;
    app.env = vec![
        ("FAILPOINTS", "session_wedge=1*sleep(15000)".into()),
        ("CALLBOARD_WATCHDOG__EXIT_AFTER", "0".into()),
    ];
    app.boot().await;
    let ada = app.sign_in("ada").await;
    let id = player(&app, &ada, &json!([[{"hang": true}]])).await;
    let task = send(&ada, &id, "go").await;
    started(&ada, &id, &task).await;
    let busy = agent(&ada, &id).await;
    let keeper = keeper_dir(&app, &id);
    let took = stopped(&ada, &id, pid_of(&busy)).await;
    assert!(
        took < Duration::from_secs(12),
        "it waited for the session: {took:?}"
    );
    by_ada(&keeper);
    follows(&ada, &id, &task).await;
    eprintln!("stopped past a session that hangs in {took:?}");
}

/// Stops the agent: when it says so, the process is gone. How long that took.
async fn stopped(who: &Caller, id: &str, pid: i32) -> Duration {
    let begun = Instant::now();
    let path = format!("/api/agents/{id}/stop");
    let reply = who.post(&path, &json!({})).await;
    let took = begun.elapsed();
    assert!(!lives(pid), "it runs on after {took:?}: {}", reply.text);
    assert_eq!(reply.ok(200)["stopped"], true);
    took
}

/// The keeper's own record says who asked.
fn by_ada(keeper: &Path) {
    let record = std::fs::read_to_string(keeper.join("exit")).unwrap();
    assert!(record.lines().any(|line| line == "by ada"), "{record}");
}

/// The rows say what happened once they can.
async fn follows(who: &Caller, id: &str, task: &str) {
    let after = agent_until(who, id, |now| now["detail"] == "stopped").await;
    assert!(after["pid"].is_null(), "{after}");
    assert_eq!(after["lastExit"]["by"], "ada", "{after}");
    let lost = settled(who, id, task).await;
    assert!(
        matches!(lost["state"].as_str(), Some("stopped" | "interrupted")),
        "{lost}"
    );
    let tasks = [task.to_owned()];
    ended_once(&with_ends(who, id, &tasks).await, &tasks);
}
