//! Commands: what they read, print and see, how they end, and the known defects of such an endpoint.

use super::*;
use crate::app::Sse;

#[tokio::test]
async fn a_command_has_its_input_its_place_and_nothing_of_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let mut app = TestApp::prepared(dir, "").await;
    app.env.push(("CANARY", "sings".into()));
    app.boot().await;
    let ada = app.sign_in("ada").await;
    let id = made(&ada, &app, "w").await;
    let body = json!({
        "command": "cat; pwd; echo err >&2; env; exit 3", "stdin": "in\n",
        "env": {"OWN": "mine"}, "unknown": true,
    });
    let done = run(&ada, &id, &body).await;
    let out = done["stdout"].as_str().unwrap();
    assert!(
        out.starts_with(&format!("in\n{}\n", app.dir().join("w").display())),
        "{out}"
    );
    assert_eq!(
        (&done["stderr"], &done["exit_code"]),
        (&json!("err\n"), &json!(3))
    );
    assert!(out.contains("OWN=mine\n") && out.contains("PATH="), "{out}");
    assert!(
        !out.contains("sings") && !out.contains("CALLBOARD"),
        "{out}"
    );
    assert_eq!(
        (&done["timed_out"], &done["signal"]),
        (&json!(false), &json!(null))
    );
    assert_eq!(done["stdout_bytes"], out.len());
    assert!(done["duration_ms"].is_u64());
    let killed = run(&ada, &id, &json!({"command": "kill -9 $$"})).await;
    assert_eq!(
        (&killed["exit_code"], &killed["signal"]),
        (&json!(137), &json!(9))
    );
}

/// Defect 1: more than a pipe holds, on both at once, is read while the command runs, and counted.
#[tokio::test]
async fn long_output_on_both_pipes_ends_at_once_and_is_counted() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let id = made(&ada, &app, "w").await;
    let many = "for i in $(seq 40000); do echo line-$i; echo error-$i >&2; done";
    let done = run(&ada, &id, &json!({"command": many, "timeout_secs": 50})).await;
    assert_eq!(
        (&done["exit_code"], &done["timed_out"]),
        (&json!(0), &json!(false))
    );
    let sum = |word: usize| {
        (1..=40_000_usize)
            .map(|i| word + 2 + i.to_string().len())
            .sum::<usize>()
    };
    for (name, word) in [("stdout", "line"), ("stderr", "error")] {
        assert_eq!(done[format!("{name}_bytes")], sum(word.len()), "{name}");
        assert_eq!(done[format!("{name}_truncated")], true);
        let text = done[name].as_str().unwrap();
        assert!(text.starts_with(&format!("{word}-1\n")));
        assert!(text.ends_with(&format!("{word}-40000\n")));
        assert!(text.len() < 260 * 1024, "{}", text.len());
    }
    let small = json!({"command": "printf 1234567890", "max_output_bytes": 4});
    let done = run(&ada, &id, &small).await;
    let told = done["stdout"].as_str().unwrap();
    assert!(
        told.starts_with("12") && told.ends_with("90") && told.contains("6 bytes"),
        "{told}"
    );
    let whole = json!({"command": "seq 200000", "max_output_bytes": 4 * 1024 * 1024});
    let done = run(&ada, &id, &whole).await;
    assert_eq!(done["stdout_truncated"], false);
    assert_eq!(done["stdout_bytes"], done["stdout"].as_str().unwrap().len());
}

/// Defects 2 and 3: when its time is over all that it started ends, and what it printed is told.
#[tokio::test]
async fn a_time_out_ends_the_tree_and_keeps_what_was_printed() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let id = made(&ada, &app, "w").await;
    let deaf = "trap '' TERM; echo before; (env -i setsid sleep 1000 >/dev/null 2>&1 &); \
                sleep 1000; echo after; sleep 1000";
    let done = run(&ada, &id, &json!({"command": deaf, "timeout_secs": 0.5})).await;
    assert_eq!(
        (&done["exit_code"], &done["timed_out"]),
        (&json!(-1), &json!(true))
    );
    assert!(
        done["stdout"].as_str().unwrap().starts_with("before\n"),
        "{done}"
    );
    assert_eq!(standing_in(&app.dir().join("w")), Vec::<u32>::new());
    // One that listens says its last words.
    let polite = "trap 'echo bye; exit 4' TERM; echo up; sleep 1000 & wait";
    let done = run(&ada, &id, &json!({"command": polite, "timeout_secs": 0.5})).await;
    assert_eq!(
        (&done["stdout"], &done["timed_out"]),
        (&json!("up\nbye\n"), &json!(true))
    );
    assert_eq!(standing_in(&app.dir().join("w")), Vec::<u32>::new());
}

#[tokio::test]
async fn what_is_left_in_the_background_ends_with_the_command() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let id = made(&ada, &app, "w").await;
    let body = json!({"command": "setsid sh -c 'trap \"\" HUP TERM; sleep 1000' & echo done"});
    let done = run(&ada, &id, &body).await;
    assert_eq!(
        (&done["stdout"], &done["exit_code"]),
        (&json!("done\n"), &json!(0))
    );
    assert_eq!(standing_in(&app.dir().join("w")), Vec::<u32>::new());
}

#[tokio::test]
async fn a_command_is_followed_while_it_runs() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let id = made(&ada, &app, "w").await;
    let gate = app.dir().join("gate");
    let words = format!(
        "printf 'one \\342\\202'; echo oops >&2; until [ -e {} ]; do sleep 0.02; done; printf '\\254 two'; exit 5",
        gate.display()
    );
    let path = format!("{WORKSPACES}/{id}/exec?stream=true");
    let request = ada.request(reqwest::Method::POST, &path);
    let reply = request
        .json(&json!({"command": words}))
        .send()
        .await
        .unwrap();
    let mut events = Sse::of(reply).await.unwrap();
    // It is told before the command goes on, and no character is cut.
    let first = events.until("stdout").await.data;
    assert_eq!(
        (&first["text"], &first["offset"]),
        (&json!("one "), &json!(0))
    );
    std::fs::write(&gate, "").unwrap();
    let second = events.until("stdout").await.data;
    assert_eq!(
        (&second["text"], &second["offset"]),
        (&json!("\u{20ac} two"), &json!(4))
    );
    let exit = events.until("exit").await.data;
    assert_eq!(
        (&exit["exit_code"], &exit["stdout_bytes"]),
        (&json!(5), &json!(11))
    );
    assert_eq!(exit["stderr_bytes"], 5);
    assert!(events.part().await.is_none());
}

#[tokio::test]
async fn what_cannot_be_run_is_refused_by_its_field() {
    let app = TestApp::with("[exec]\ntimeout = \"5s\"\nmax_timeout = \"10s\"\ngrace = \"1s\"\nat_once = 3\nper_user = 2\n").await;
    let (ada, bob) = (app.sign_in("ada").await, app.sign_in("bob").await);
    let id = made(&ada, &app, "w").await;
    for (body, code, field) in [
        (json!({}), "bad_field", "command"),
        (json!({"command": " "}), "bad_field", "command"),
        (json!({"command": 5}), "bad_field", "command"),
        (json!({"command": "a\0b"}), "bad_field", "command"),
        (
            json!({"command": "a", "timeout_secs": 0}),
            "bad_field",
            "timeout_secs",
        ),
        (
            json!({"command": "a", "timeout_secs": -1}),
            "bad_field",
            "timeout_secs",
        ),
        (
            json!({"command": "a", "timeout_secs": 11}),
            "bad_field",
            "timeout_secs",
        ),
        (
            json!({"command": "a", "timeout_secs": 1e300}),
            "bad_field",
            "timeout_secs",
        ),
        (
            json!({"command": "a", "timeout_secs": "9"}),
            "bad_field",
            "timeout_secs",
        ),
        (
            json!({"command": "a", "max_output_bytes": 0}),
            "bad_field",
            "max_output_bytes",
        ),
        (
            json!({"command": "a", "max_output_bytes": 4_194_305}),
            "bad_field",
            "max_output_bytes",
        ),
        (json!({"command": "a", "stdin": 1}), "bad_field", "stdin"),
        (json!({"command": "a", "cwd": 1}), "bad_field", "cwd"),
        (json!({"command": "a", "env": {"A": 1}}), "bad_field", "env"),
    ] {
        let refused = asked(&ada, &id, &body).await.fails(400, code);
        let found = refused["field"].as_str().unwrap();
        assert!(found.starts_with(field), "{body}: {refused}");
    }
    let long = json!({"command": "x".repeat(128 * 1024)});
    asked(&ada, &id, &long).await.fails(413, "too_large");
    let nowhere = format!("{WORKSPACES}/{}/exec", uuid::Uuid::new_v4());
    ada.post(&nowhere, &json!({"command": "true"}))
        .await
        .fails(404, "not_found");

    // A person's places, then the server's.
    let gate = app.dir().join("gate");
    let waits = json!({"command": format!("touch $MARK; until [ -e {} ]; do sleep 0.02; done", gate.display())});
    let host = "00000000-0000-0000-0000-000000000000";
    let mut waiting = Vec::new();
    for (who, place, mark) in [(&ada, &*id, "a"), (&ada, &*id, "b"), (&bob, host, "c")] {
        let mut body = waits.clone();
        let mark = app.dir().join(mark);
        body["env"] = json!({"MARK": mark});
        let request = who.request(reqwest::Method::POST, &format!("{WORKSPACES}/{place}/exec"));
        waiting.push(tokio::spawn(crate::app::answer(request.json(&body))));
        until(async || mark.exists()).await;
    }
    for (who, place) in [(&ada, &*id), (&bob, host)] {
        let body = json!({"command": "true"});
        let request = who.request(reqwest::Method::POST, &format!("{WORKSPACES}/{place}/exec"));
        let refused = crate::app::answer(request.json(&body)).await;
        assert!(refused.headers.contains_key("retry-after"));
        refused.fails(429, "too_many_execs");
    }
    std::fs::write(&gate, "").unwrap();
    for one in waiting {
        assert_eq!(one.await.unwrap().ok(200)["exit_code"], 0);
    }
    assert_eq!(
        run(&ada, &id, &json!({"command": "true"})).await["exit_code"],
        0
    );
}
