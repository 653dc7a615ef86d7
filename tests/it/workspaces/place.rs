//! Where workspaces may be, and what a restart makes of them.

use std::os::unix::fs::symlink;

use super::*;

/// What stands no longer where it stood is told, and what was shown changes nothing.
#[tokio::test]
async fn a_link_in_the_place_of_a_directory_is_told() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let id = made(&ada, &app, "w").await;
    let (place, other) = (app.dir().join("w"), app.dir().join("other"));
    std::fs::create_dir(&other).unwrap();
    std::fs::remove_dir(&place).unwrap();
    symlink(&other, &place).unwrap();
    let seen = show(&ada, &id).await;
    assert_eq!(
        (&seen["status"], &seen["error_code"]),
        (&json!("error"), &json!("path_denied")),
        "{seen}"
    );
    let path = format!("{WORKSPACES}/{id}");
    let body = json!({"path": place});
    let put = ada.request(reqwest::Method::PUT, &path).json(&body);
    let put = crate::app::answer(put).await.ok(200);
    assert_eq!(put["path"].as_str(), place.to_str());
    std::fs::remove_file(&place).unwrap();
    std::fs::create_dir(&place).unwrap();
    let put = ada.request(reqwest::Method::PUT, &path).json(&body);
    assert_eq!(crate::app::answer(put).await.ok(200)["status"], "ready");
}

/// Only below the roots, whatever dots and links say.
#[tokio::test]
async fn a_workspace_stays_below_the_roots() {
    let place = tempfile::tempdir().unwrap();
    let (root, out) = (place.path().join("root"), place.path().join("out"));
    for dir in [&root, &out] {
        std::fs::create_dir(dir).unwrap();
    }
    symlink(&out, root.join("link")).unwrap();
    std::fs::write(root.join("file"), "").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut app = TestApp::prepared(dir, "").await;
    app.env
        .push(("CALLBOARD_AGENTS__ROOTS", format!("[{root:?}]")));
    app.boot().await;
    let ada = app.sign_in("ada").await;
    let make = async |path: &str| {
        let body = json!({"name": "x", "path": path});
        ada.post(WORKSPACES, &body).await
    };
    let outside = out.join("new").display().to_string();
    for path in ["..", "a/../../out/new", "link", "link/new", "/", &outside] {
        let refused = make(path).await.fails(400, "path_denied");
        assert_eq!(refused["field"], "path");
    }
    make("file").await.fails(400, "path_not_a_directory");
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 0);

    let made = make("deep/new").await.ok(200);
    let (id, path) = (made["id"].as_str().unwrap(), root.join("deep/new"));
    assert_eq!(made["path"].as_str(), path.to_str());
    std::fs::create_dir(path.join("in")).unwrap();
    symlink(&out, path.join("away")).unwrap();
    let at = async |cwd: &str| asked(&ada, id, &json!({"command": "pwd", "cwd": cwd})).await;
    assert_eq!(
        at("in").await.ok(200)["stdout"],
        format!("{}/in\n", path.display())
    );
    for cwd in ["..", "away", "/", "in/../..", &outside] {
        let refused = at(cwd).await.fails(400, "cwd_denied");
        assert_eq!(refused["field"], "cwd");
    }
    at("none").await.fails(400, "cwd_missing");

    // Its directory is exchanged for a link to another place.
    std::fs::rename(&path, root.join("moved")).unwrap();
    assert_eq!(show(&ada, id).await["error_code"], "path_missing");
    asked(&ada, id, &json!({"command": "true"}))
        .await
        .fails(409, "workspace_not_ready");
    symlink(&out, &path).unwrap();
    let refused = asked(&ada, id, &json!({"command": "true"})).await;
    assert!(
        refused.status == 400 || refused.status == 409,
        "{}",
        refused.text
    );
    // One of its own, where no path is named.
    let own = ada.post(WORKSPACES, &json!({"name": "own"})).await.ok(200);
    assert!(
        own["path"]
            .as_str()
            .unwrap()
            .starts_with(root.to_str().unwrap()),
        "{own}"
    );
}

/// Fact 10 of the note on the original: what was being built when the server ended is no longer said
/// to be building.
#[tokio::test]
async fn what_was_being_made_at_a_crash_is_settled_at_the_start() {
    let mut app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let (whole, lost) = (
        made(&ada, &app, "whole").await,
        made(&ada, &app, "lost").await,
    );
    app.kill9();
    std::fs::remove_dir(app.dir().join("lost")).unwrap();
    let store = callboard::store::Store::open(app.database()).unwrap();
    let building = |conn: &mut callboard::store::Connection| {
        use diesel::prelude::*;
        let all = "UPDATE workspaces SET status = 'building'";
        diesel::sql_query(all).execute(conn)?;
        Ok(())
    };
    store.write(building).await.unwrap();
    drop(store);
    app.boot().await;
    let ada = ada.at(&app);
    assert_eq!(show(&ada, &whole).await["status"], "ready");
    let lost_now = show(&ada, &lost).await;
    assert_eq!(
        (&lost_now["status"], &lost_now["error_code"]),
        (&json!("error"), &json!("interrupted"))
    );
    // It can be mended.
    let path = format!("{WORKSPACES}/{lost}");
    let put = ada.request(reqwest::Method::PUT, &path);
    let body = json!({"path": app.dir().join("lost")});
    assert_eq!(ada.ask(put.json(&body)).await.ok(200)["status"], "ready");
    assert_eq!(
        run(&ada, &lost, &json!({"command": "true"})).await["exit_code"],
        0
    );
}
