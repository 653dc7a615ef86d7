//! Agents in workspaces: their directory and their variables.

use super::*;

const MISSIONS: &str = "/api/control/missions";

#[tokio::test]
async fn a_mission_works_in_its_workspace_and_keeps_its_secrets() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let dir = app.dir().join("site");
    let body =
        json!({"name": "site", "path": dir, "env_vars": {"DEPLOY_KEY": "key-of-the-site-77"}});
    let made = ada.post(WORKSPACES, &body).await.ok(200);
    let body = json!({
        "backend": "shell", "permission_mode": "bypassPermissions", "workspace_id": made["id"],
    });
    let mission = ada.post(MISSIONS, &body).await.ok(200);
    assert_eq!(
        (&mission["workspace_id"], &mission["workspace_name"]),
        (&made["id"], &json!("site"))
    );
    assert_eq!(mission["cwd"].as_str(), dir.to_str());
    let id = mission["id"].as_str().unwrap();
    let words = json!({
        "content": "pwd > where; printf %s \"$DEPLOY_KEY\" > key; echo is-$DEPLOY_KEY", "mission_id": id,
    });
    let done = ada
        .post("/api/control/message?wait=50", &words)
        .await
        .ok(200);
    assert_eq!(done["outcome"], "completed", "{done}");
    let read = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap();
    assert_eq!(
        (read("where").trim(), &*read("key")),
        (dir.to_str().unwrap(), "key-of-the-site-77")
    );
    // It has the secret and says it; nobody is told.
    let events = ada
        .get(&format!("{MISSIONS}/{id}/events"))
        .await
        .ok(200)
        .to_string();
    assert!(events.contains("is-"), "{events}");
    assert!(!events.contains("key-of-the-site-77"), "{events}");
    assert!(!app.log().contains("key-of-the-site-77"));

    // While its process lives the workspace stays; without it nothing of the mission is started, since
    // its variables are gone.
    let path = format!("{WORKSPACES}/{}", made["id"].as_str().unwrap());
    ada.delete(&path).await.fails(409, "workspace_in_use");
    let stop = format!("/api/agents/{id}/stop");
    ada.post(&stop, &json!({})).await.ok(200);
    ada.delete(&path).await.ok(200);
    let left = ada.get(&format!("{MISSIONS}/{id}")).await.ok(200);
    assert_eq!(
        (&left["workspace_name"], &left["workspace_id"]),
        (&json!(null), &made["id"])
    );
    assert_eq!(left["cwd"].as_str(), dir.to_str());
    let start = format!("/api/agents/{id}/start");
    ada.post(&start, &json!({}))
        .await
        .fails(409, "workspace_gone");
}

#[tokio::test]
async fn a_new_value_of_a_variable_is_the_next_process_s() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let dir = app.dir().join("site");
    let body = json!({"name": "site", "path": dir, "env_vars": {"WORD": "first-word-1"}});
    let made = ada.post(WORKSPACES, &body).await.ok(200);
    let body = json!({
        "backend": "shell", "permission_mode": "bypassPermissions", "workspace_id": made["id"],
    });
    let mission = ada.post(MISSIONS, &body).await.ok(200);
    let id = mission["id"].as_str().unwrap().to_owned();
    let say = async |file: &str| {
        let words = json!({"content": format!("printf %s $WORD > {file}"), "mission_id": id});
        ada.post("/api/control/message?wait=50", &words)
            .await
            .ok(200);
        std::fs::read_to_string(dir.join(file)).unwrap()
    };
    assert_eq!(say("a").await, "first-word-1");
    let path = format!("{WORKSPACES}/{}", made["id"].as_str().unwrap());
    let put = ada.request(reqwest::Method::PUT, &path);
    let body = json!({"env_vars": {"WORD": "second-word-2"}});
    ada.ask(put.json(&body)).await.ok(200);
    assert_eq!(
        say("b").await,
        "first-word-1",
        "a process keeps what it was given"
    );
    ada.post(&format!("/api/agents/{id}/stop"), &json!({}))
        .await
        .ok(200);
    assert_eq!(say("c").await, "second-word-2");
}

#[tokio::test]
async fn a_place_that_does_not_fit_is_refused() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let id = made(&ada, &app, "site").await;
    std::fs::create_dir(app.dir().join("site/in")).unwrap();
    let make = async |more: Value| {
        let mut body = json!({"backend": "shell", "workspace_id": id});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        ada.post(MISSIONS, &body).await
    };
    let inside = make(json!({"cwd": "in"})).await.ok(200);
    assert!(
        inside["cwd"].as_str().unwrap().ends_with("site/in"),
        "{inside}"
    );
    make(json!({"cwd": ".."})).await.fails(400, "cwd_denied");
    make(json!({"cwd": "none"})).await.fails(400, "cwd_missing");
    let refused = make(json!({"workspace_id": 5}))
        .await
        .fails(400, "bad_field");
    assert_eq!(refused["field"], "workspace_id");
    let unknown = uuid::Uuid::new_v4();
    make(json!({"workspace_id": unknown}))
        .await
        .fails(404, "not_found");
    let host = make(json!({"workspace_id": "00000000-0000-0000-0000-000000000000"}))
        .await
        .ok(200);
    assert_eq!(host["workspace_name"], "host");
    std::fs::rename(app.dir().join("site"), app.dir().join("moved")).unwrap();
    make(json!({})).await.fails(409, "workspace_not_ready");
}

/// What stood below the roots when an agent was made may be a link out of them when it is started.
#[tokio::test]
async fn a_directory_that_became_a_link_out_of_the_roots_is_no_place_to_start_in() {
    let outside = tempfile::tempdir().unwrap();
    let mut app = TestApp::prepared(tempfile::tempdir().unwrap(), "").await;
    let roots = app.dir().join("roots");
    let place = roots.join("m");
    std::fs::create_dir_all(&place).unwrap();
    app.env
        .push(("CALLBOARD_AGENTS__ROOTS", format!("[{roots:?}]")));
    app.boot().await;
    let ada = app.sign_in("ada").await;
    let id = ada
        .agent(&json!({"agentType": "shell", "cwd": place, "start": false}))
        .await;
    std::fs::remove_dir(&place).unwrap();
    std::os::unix::fs::symlink(outside.path(), &place).unwrap();
    let start = format!("/api/agents/{id}/start");
    ada.post(&start, &json!({})).await.fails(400, "cwd_denied");
    std::fs::remove_file(&place).unwrap();
    std::fs::create_dir(&place).unwrap();
    ada.post(&start, &json!({})).await.ok(200);
}
