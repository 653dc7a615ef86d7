//! A workspace from its creation to its deletion, and what is refused.

use super::*;

const HOST: &str = "00000000-0000-0000-0000-000000000000";

#[tokio::test]
async fn a_workspace_is_made_shown_changed_and_forgotten() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let dir = app.dir().join("site");
    let body = json!({
        "name": "site", "path": dir, "skills": ["web"], "env_vars": {"TOKEN": "hidden-9"},
        "init_script": "true", "unknown": {"field": 1},
    });
    let made = ada.post(WORKSPACES, &body).await.ok(200);
    assert!(dir.is_dir());
    assert_eq!(
        (&made["status"], &made["workspace_type"]),
        (&json!("ready"), &json!("host"))
    );
    assert_eq!(made["env_vars"], json!({"TOKEN": "***"}));
    let path = format!("{WORKSPACES}/{}", made["id"].as_str().unwrap());
    assert_eq!(ada.get(&path).await.ok(200), made);

    // What was shown comes back and changes nothing, not even its secret.
    let same = ada
        .ask(ada.request(reqwest::Method::PUT, &path).json(&made))
        .await;
    assert_eq!(same.ok(200), made);
    let body = json!({"name": "home", "skills": null, "env_vars": {"TOKEN": "***", "B": "2"}});
    let changed = ada
        .ask(ada.request(reqwest::Method::PUT, &path).json(&body))
        .await
        .ok(200);
    assert_eq!(
        (&changed["name"], &changed["skills"]),
        (&json!("home"), &json!([]))
    );
    assert_eq!(changed["env_vars"], json!({"B": "***", "TOKEN": "***"}));
    let said = json!({"command": "echo $TOKEN-$B"});
    let told = ada.post(&format!("{path}/exec"), &said).await.ok(200);
    assert_eq!(told["stdout"], "hidden-9-2\n");

    let gone = ada.delete(&path).await.ok(200);
    assert_eq!(gone["deleted"], made["id"]);
    assert!(dir.is_dir(), "its files are its owner's");
    ada.get(&path).await.fails(404, "not_found");
    ada.delete(&path).await.fails(404, "not_found");
}

#[tokio::test]
async fn a_list_has_the_one_of_everybody_and_goes_by_pages() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.sign_in("ada").await, app.sign_in("bob").await);
    for name in ["a", "b", "c"] {
        made(&ada, &app, name).await;
    }
    let names = async |who: &Caller, query: &str| {
        let page = who.get(&format!("{WORKSPACES}{query}")).await;
        let total = page.headers["x-total-count"].to_str().unwrap().to_owned();
        let rows = page.ok(200);
        let names = rows
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["name"].clone());
        (names.collect::<Vec<_>>(), total)
    };
    let all = (
        vec![json!("host"), json!("a"), json!("b"), json!("c")],
        "4".into(),
    );
    assert_eq!(names(&ada, "").await, all);
    assert_eq!(names(&ada, "?limit=2").await.0, ["host", "a"]);
    assert_eq!(names(&ada, "?limit=2&offset=2").await.0, ["b", "c"]);
    assert_eq!(names(&ada, "?offset=4").await.0, Vec::<Value>::new());
    assert_eq!(names(&bob, "").await.0, ["host"]);
    for query in ["?limit=0", "?limit=-1", "?offset=x"] {
        let path = format!("{WORKSPACES}{query}");
        ada.get(&path).await.fails(400, "bad_field");
    }
    let host = show(&ada, HOST).await;
    assert_eq!(
        (&host["is_default"], &host["status"]),
        (&json!(true), &json!("ready"))
    );
    let path = format!("{WORKSPACES}/{HOST}");
    ada.delete(&path).await.fails(409, "default_workspace");
    let put = ada
        .request(reqwest::Method::PUT, &path)
        .json(&json!({"name": "x"}));
    ada.ask(put).await.fails(409, "default_workspace");
}

#[tokio::test]
async fn somebody_elses_is_not_there() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.sign_in("ada").await, app.sign_in("bob").await);
    let id = made(&ada, &app, "own").await;
    let path = format!("{WORKSPACES}/{id}");
    bob.get(&path).await.fails(404, "not_found");
    bob.delete(&path).await.fails(404, "not_found");
    let put = bob
        .request(reqwest::Method::PUT, &path)
        .json(&json!({"name": "x"}));
    bob.ask(put).await.fails(404, "not_found");
    asked(&bob, &id, &json!({"command": "true"}))
        .await
        .fails(404, "not_found");
    let mission = json!({"backend": "shell", "workspace_id": id});
    bob.post("/api/control/missions", &mission)
        .await
        .fails(404, "not_found");
    // A name is taken for its owner alone.
    let again = json!({"name": "own", "path": app.dir().join("other")});
    ada.post(WORKSPACES, &again).await.fails(409, "name_taken");
    assert_eq!(made(&bob, &app, "own").await.len(), id.len());
}

#[tokio::test]
async fn what_cannot_be_made_is_refused_and_leaves_nothing() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let dir = app.dir().join("never");
    for (body, status, code, field) in [
        (json!({}), 400, "bad_field", Some("name")),
        (json!({"name": 5}), 400, "bad_field", Some("name")),
        (json!({"name": "../x"}), 400, "bad_name", Some("name")),
        (json!({"name": ".x"}), 400, "bad_name", Some("name")),
        (json!({"name": "host"}), 409, "name_taken", None),
        (
            json!({"name": "x", "path": 5}),
            400,
            "bad_field",
            Some("path"),
        ),
        (
            json!({"name": "x", "env_vars": {"A": 1}}),
            400,
            "bad_field",
            None,
        ),
        (
            json!({"name": "x", "env_vars": {"A=B": "1"}}),
            400,
            "bad_env",
            None,
        ),
        (
            json!({"name": "x", "env_vars": {"A": "***"}}),
            400,
            "bad_env",
            None,
        ),
        (
            json!({"name": "x", "distro": "beos"}),
            400,
            "bad_field",
            Some("distro"),
        ),
        (
            json!({"name": "x", "skills": "web"}),
            400,
            "bad_field",
            Some("skills"),
        ),
        (
            json!({"name": "x", "workspace_type": "vm"}),
            400,
            "bad_field",
            Some("workspace_type"),
        ),
        (
            json!({"name": "x", "workspace_type": "container"}),
            501,
            "container_unsupported",
            None,
        ),
        (
            json!({"name": "x", "template": "t"}),
            501,
            "container_unsupported",
            None,
        ),
    ] {
        let mut body = body;
        if body.get("path").is_none() {
            body["path"] = json!(dir);
        }
        let refused = ada.post(WORKSPACES, &body).await.fails(status, code);
        if let Some(field) = field {
            assert_eq!(refused["field"], field, "{body}");
        }
    }
    assert!(!dir.exists());
    let listed = ada.get(WORKSPACES).await;
    assert_eq!(listed.headers["x-total-count"], "1");
}
