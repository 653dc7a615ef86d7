//! The disk guard on a small disk: refusals before the database fails, and back to work by itself.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::statvfs::statvfs;
use serde_json::{Value, json};

use super::player;
use crate::app::{Caller, TestApp, answer, until};

/// Set in the copy of the test that has mounts of its own: where it may mount.
const INSIDE: &str = "CALLBOARD_TEST_SMALL_DISK";
const SETTINGS: &str = "[disk]\nwarn_free = \"60 MiB\"\nrefuse_free = \"40 MiB\"\n\
                        check_every = \"100ms\"\n[agents]\nstop_grace = \"1s\"\n";
const MIB: u64 = 1 << 20;

#[tokio::test]
async fn a_disk_that_gets_full_refuses_new_work_and_nothing_else() {
    let Some(place) = std::env::var_os(INSIDE).map(PathBuf::from) else {
        let place = tempfile::tempdir().unwrap();
        let name = format!(
            "{}::a_disk_that_gets_full_refuses_new_work_and_nothing_else",
            module_path!()
        );
        let name = name.split_once("::").unwrap().1.to_owned();
        let mut inside = Command::new("unshare");
        inside
            .args(["--map-root-user", "--mount", "--"])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", &name, "--nocapture"])
            .env(INSIDE, place.path())
            .stdin(Stdio::null())
            .process_group(0);
        let done = tokio::task::spawn_blocking(move || inside.output().unwrap())
            .await
            .unwrap();
        let told = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success() && told.contains("1 passed"), "{told}");
        return;
    };
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=128m", "tmpfs"])
        .arg(&place)
        .status();
    assert!(mounted.unwrap().success());
    let inside = tempfile::tempdir_in(&place).unwrap();
    let mut app = TestApp::prepared(inside, SETTINGS).await;
    app.boot().await;
    small_disk(&app, &place.join("filler")).await;
}

async fn small_disk(app: &TestApp, filler: &Path) {
    let ada = app.sign_in("ada").await;
    let turns = json!([[{"sleep_ms": 3000}, {"say": "done"}], [{"hang": true}]]);
    let id = player(app, &ada, &turns).await;
    let path = format!("/api/agents/{id}/message");
    let first = ada.post(&path, &json!({"message": "one"})).await.ok(202);
    let spare = player(app, &ada, &json!([[{"say": "x"}]])).await;

    leave(filler, 55 * MIB);
    disk_until(app, "the disk is nearly full").await;
    let second = ada.post(&path, &json!({"message": "two"})).await.ok(202);

    leave(filler, 20 * MIB);
    disk_until(app, "the disk is full: new work is refused").await;
    let refused = ada.post(&path, &json!({"message": "three"})).await;
    refused.fails(503, "disk_full");
    assert_eq!(refused.headers["retry-after"], "30");
    let create = ada
        .post("/api/agents", &json!({"agentType": "script"}))
        .await;
    create.fails(503, "disk_full");
    let start = ada
        .post(&format!("/api/agents/{spare}/start"), &json!({}))
        .await;
    start.fails(503, "disk_full");

    // What was accepted goes on, what is read is read, and what ends, ends.
    task_until(&ada, &id, &first, |now| now["state"] == "completed").await;
    task_until(&ada, &id, &second, |now| now["state"] == "running").await;
    assert!(ada.history(&id).await.len() > 3);
    let stopped = ada
        .post(&format!("/api/agents/{id}/stop"), &json!({}))
        .await;
    assert_eq!(stopped.ok(200)["stopped"], true);
    ada.delete(&format!("/api/agents/{spare}")).await.ok(200);
    app.told("the disk is full: new work is refused").await;
    let log = app.log();
    assert_eq!(
        log.matches("the disk is full: new work is refused").count(),
        1
    );

    std::fs::remove_file(filler).unwrap();
    until(async || detailed(app).await["services"]["disk"]["status"] == "healthy").await;
    let next = player(app, &ada, &json!([[{"say": "back"}]])).await;
    assert_eq!(ada.turn(&next, "three").await["outcome"], "completed");
    app.told("the disk has room again").await;
}

/// Makes a file that leaves so many bytes free.
fn leave(filler: &Path, bytes: u64) {
    use std::io::Write;
    let mut out = std::fs::File::options()
        .create(true)
        .append(true)
        .open(filler)
        .unwrap();
    let block = vec![7_u8; 64 * 1024];
    loop {
        let about = statvfs(filler).unwrap();
        if about.blocks_available() * about.fragment_size() <= bytes {
            return;
        }
        out.write_all(&block).unwrap();
    }
}

async fn detailed(app: &TestApp) -> Value {
    answer(app.http.get(app.url() + "/health/detailed"))
        .await
        .ok(200)
}

async fn disk_until(app: &TestApp, words: &str) {
    until(async || {
        let now = detailed(app).await;
        now["services"]["disk"]["message"] == *words && now["status"] == "degraded"
    })
    .await;
}

async fn task_until(who: &Caller, id: &str, sent: &Value, wanted: impl Fn(&Value) -> bool) {
    let task = sent["taskId"].as_str().unwrap();
    let path = format!("/api/agents/{id}/tasks/{task}");
    until(async || wanted(&who.get(&path).await.ok(200))).await;
}
