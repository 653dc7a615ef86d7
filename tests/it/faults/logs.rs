//! A log whose file goes away, and one that nobody takes.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;

use super::*;

#[tokio::test]
async fn a_log_that_is_removed_or_renamed_is_made_again() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let id = player(&app, &ada, &json!([[{"say": "done"}]])).await;
    for round in ["removed", "renamed"] {
        let old = fs::metadata(&app.log).unwrap().ino();
        match round {
            "removed" => fs::remove_file(&app.log).unwrap(),
            _ => fs::rename(&app.log, app.dir().join("old.log")).unwrap(),
        }
        assert_eq!(ada.turn(&id, round).await["outcome"], "completed");
        soon(async || match fs::metadata(&app.log) {
            Ok(new) if new.ino() != old => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await;
        soon(async || match app.log().contains("goes on in a new file") {
            true => Ok(()),
            false => Err(app.log()),
        })
        .await;
        let told = health(&app).await["services"]["log"].clone();
        assert_eq!(told["status"], "healthy", "{told}");
        let words = told["message"].as_str().unwrap_or_default();
        assert!(words.ends_with("it was made again"), "{told}");
        let mode = fs::metadata(&app.log).unwrap().mode() & 0o777;
        assert_eq!(mode, 0o600, "others may read it");
    }
    // The renamed one has what was written before, the new one what comes now.
    let lines = app.log().lines().count();
    ada.turn(&id, "more").await;
    soon(async || match app.log().lines().count() > lines {
        true => Ok(()),
        false => Err(app.log()),
    })
    .await;
}

#[tokio::test]
async fn a_log_that_cannot_be_made_again_is_told_until_it_can() {
    let mut app = TestApp::prepared(tempfile::tempdir().unwrap(), "").await;
    let (place, away) = (app.dir().join("logs"), app.dir().join("elsewhere"));
    fs::create_dir(&place).unwrap();
    app.log = place.join("server.log");
    app.boot().await;
    until_well(&app).await;
    assert_eq!(
        health(&app).await["services"]["log"],
        json!({"status": "healthy"})
    );
    fs::rename(&place, &away).unwrap();
    let told = until_part(&app, "log", "unhealthy").await;
    assert_eq!(told["status"], "degraded", "{told}");
    // What is written meanwhile is in the old file.
    fs::create_dir(&place).unwrap();
    until_well(&app).await;
    app.told("goes on in a new file").await;
}

#[tokio::test]
async fn a_log_whose_reader_is_gone_harms_nothing() {
    let place = tempfile::tempdir().unwrap();
    let pipe = place.path().join("log");
    run("mkfifo", &[pipe.to_str().unwrap()]);
    let reader = File::options().read(true).write(true).open(&pipe).unwrap();
    let mut app = TestApp::prepared(tempfile::tempdir().unwrap(), "").await;
    app.log = pipe;
    app.boot().await;
    drop(reader);
    let ada = app.sign_in("ada").await;
    let id = player(&app, &ada, &json!([[{"say": "done"}]])).await;
    assert_eq!(ada.turn(&id, "go").await["outcome"], "completed");
    until_well(&app).await;
    assert_eq!(app.stop().await, Some(0));
}

#[tokio::test]
async fn a_log_that_nobody_reads_holds_up_nothing() {
    let place = tempfile::tempdir().unwrap();
    let pipe = place.path().join("log");
    run("mkfifo", &[pipe.to_str().unwrap()]);
    // Open and never read: it is full after the first lines.
    let reader = File::options().read(true).write(true).open(&pipe).unwrap();
    let size = nix::fcntl::FcntlArg::F_SETPIPE_SZ(4_096);
    nix::fcntl::fcntl(&reader, size).unwrap();
    let mut app = TestApp::prepared(tempfile::tempdir().unwrap(), "").await;
    app.log = pipe;
    app.env = vec![("CALLBOARD_WATCHDOG__EXIT_AFTER", "3s".into())];
    app.boot().await;
    let (ada, admin) = (app.sign_in("ada").await, app.sign_in("admin").await);
    let id = player(&app, &ada, &json!([[{"say": "done"}]])).await;
    for _turn in 0..5 {
        assert_eq!(ada.turn(&id, "go").await["outcome"], "completed");
    }
    // The watch over the threads would have ended it by then.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(5) {
        until_well(&app).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(
        figure(&admin, "callboard_thread_stalls_total{thread=\"actors\"}").await,
        0.0
    );
    assert_eq!(app.stop().await, Some(0));
    drop(reader);
}
