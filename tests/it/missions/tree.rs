//! Missions and what comes from them: shown as a tree, cancelled as one.

use super::*;

/// Whether a process with this argument lives.
fn alive(argument: &str) -> bool {
    let ours = |entry: std::fs::DirEntry| {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0)
            .any(|word| word == argument.as_bytes())
    };
    std::fs::read_dir("/proc").unwrap().flatten().any(ours)
}

#[tokio::test]
async fn a_tree_shows_children_with_status_phase_and_usage_and_is_cancelled_whole() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let root = shell(&ada, &app).await;
    let child = async |parent: &str| {
        let body = json!({
            "backend": "shell", "permission_mode": "bypassPermissions", "cwd": app.dir(),
            "parent_id": parent, "title": "helper",
        });
        let made = create(&ada, &body).await;
        assert_eq!(
            (&made["parent_id"], &made["parent_reason"]),
            (&json!(parent), &json!("agent"))
        );
        id(&made)
    };
    let (one, two) = (child(&root).await, child(&root).await);
    let other = shell(&ada, &app).await;
    // Each leaves a child that hears no polite signal; what is ignored stays so behind an exec.
    let mark = std::process::id();
    let sleeps: Vec<String> = (1..4).map(|number| format!("{number}{mark:07}")).collect();
    for (mission, sleep) in [&root, &one, &other].into_iter().zip(&sleeps) {
        let stubborn = format!("(trap '' HUP TERM INT; exec sleep {sleep}) & wait");
        send(&ada, mission, &stubborn).await;
    }
    until(async || sleeps.iter().all(|sleep| alive(sleep))).await;
    let tree = ada.get(&format!("{MISSIONS}/{root}/tree")).await.ok(200);
    assert_eq!(
        (&tree["id"], &tree["status"], &tree["phase"]),
        (&json!(root), &json!("active"), &json!("busy"))
    );
    assert_eq!(tree["usage"]["turns"], 0);
    let children = tree["children"].as_array().unwrap();
    let ids: Vec<&str> = children
        .iter()
        .map(|one| one["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, [one.as_str(), two.as_str()]);
    assert_eq!(children[0]["type"], "agent");
    assert_eq!(
        (&children[1]["status"], &children[1]["name"]),
        (&json!("pending"), &json!("helper"))
    );
    let live = ada.get("/api/control/tree").await.ok(200);
    let tops: Vec<&str> = live["children"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["id"].as_str().unwrap())
        .collect();
    assert_eq!(tops.len(), 2, "{live}");
    assert!(tops.contains(&root.as_str()) && tops.contains(&other.as_str()));

    let cancelled = order(&ada, &root, "cancel").await.ok(200);
    assert_eq!(cancelled["ended"], json!([root, one]));
    for mission in [&root, &one] {
        assert_eq!(show(&ada, mission).await["status"], "interrupted");
    }
    assert_eq!(show(&ada, &two).await["status"], "pending");
    assert_eq!(show(&ada, &other).await["status"], "active");
    let left: Vec<bool> = sleeps.iter().map(|sleep| alive(sleep)).collect();
    assert_eq!(left, [false, false, true], "what was cancelled lives on");
    order(&ada, &root, "cancel").await.fails(409, "not_running");
    // The loaded one, without its name.
    order(&ada, &other, "load").await.ok(200);
    let path = "/api/control/cancel";
    ada.ask(ada.request(Method::POST, path)).await.ok(200);
    assert_eq!(show(&ada, &other).await["status"], "interrupted");
}

/// A cancel ends also what is made below the mission while it works.
#[tokio::test]
async fn a_cancel_ends_what_was_made_meanwhile() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let root = shell(&ada, &app).await;
    send(&ada, &root, "sleep 1000").await;
    does(&ada, &root, "busy").await;
    let body = json!({
        "backend": "shell", "permission_mode": "bypassPermissions", "cwd": app.dir(),
        "parent_id": root, "message": "sleep 1000",
    });
    let made = std::sync::Mutex::new(Vec::new());
    let over = std::sync::atomic::AtomicBool::new(false);
    let makes = async || {
        while !over.load(std::sync::atomic::Ordering::SeqCst) {
            let answer = ada.post(MISSIONS, &body).await;
            // What was answered behind the cancel is nobody's but its maker's.
            if !over.load(std::sync::atomic::Ordering::SeqCst) {
                made.lock().unwrap().push(id(&answer.ok(200)));
            }
        }
    };
    let cancels = async || {
        until(async || made.lock().unwrap().len() >= 3).await;
        let answer = order(&ada, &root, "cancel").await;
        over.store(true, std::sync::atomic::Ordering::SeqCst);
        (answer, made.lock().unwrap().clone())
    };
    let ((answer, below), ..) = tokio::join!(cancels(), makes(), makes());
    match answer.status.as_u16() {
        200 => {
            // The last may have been made when the last look was over.
            let (_, sure) = below.split_last().unwrap();
            let (_, sure) = sure.split_last().unwrap();
            for one in sure {
                let shown = show(&ada, one).await;
                assert_eq!(shown["status"], "interrupted", "{shown}");
            }
        }
        _ => drop(answer.fails(409, "still_running")),
    }
    let answer = order(&ada, &root, "cancel").await;
    assert!([200, 409].contains(&answer.status.as_u16()));
}

/// Nobody's agents hang below somebody else's mission.
#[tokio::test]
async fn a_mission_works_for_one_of_the_same_person() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let amy = json!({"username": "amy", "password": crate::app::PASSWORD, "role": "admin"});
    app.sign_in("admin")
        .await
        .post("/api/users", &amy)
        .await
        .ok(201);
    let amy = app.sign_in("amy").await;
    let mission = shell(&ada, &app).await;
    let body = json!({"backend": "shell", "cwd": app.dir(), "parent_id": mission});
    amy.post(MISSIONS, &body).await.fails(403, "forbidden");
}

#[tokio::test]
async fn what_was_only_opened_again_does_not_run() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let mission = shell(&ada, &app).await;
    turn(&ada, &mission, "true").await;
    set(&ada, &mission, "completed").await.ok(200);
    stands(&ada, &mission, "completed").await;
    set(&ada, &mission, "active").await.ok(200);
    stands(&ada, &mission, "active").await;
    assert_eq!(ada.get("/api/control/running").await.ok(200), json!([]));
}
