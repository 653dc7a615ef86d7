//! Bad input of every sort gets a typed refusal, and the server goes on.

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::app::{TestApp, answer};

#[tokio::test]
async fn bad_bodies_of_a_creation_name_their_field() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let file = app.dir().join("a-file");
    std::fs::write(&file, "x").unwrap();
    let long = "x".repeat(600);
    let big = json!({"k": "x".repeat(70_000)});
    for (body, code, field) in [
        (
            json!({"agentType": "hal"}),
            "unknown_agent_kind",
            "agentType",
        ),
        (json!({"agentType": 5}), "bad_field", "agentType"),
        (json!({"name": "a b"}), "bad_name", "name"),
        (json!({"name": ""}), "bad_name", "name"),
        (json!({"name": "x".repeat(129)}), "bad_name", "name"),
        (json!({"name": ["x"]}), "bad_field", "name"),
        (json!({"cwd": "/no/such/dir"}), "cwd_missing", "cwd"),
        (json!({"cwd": file}), "cwd_not_a_directory", "cwd"),
        (
            json!({"cwd": file.join("below")}),
            "cwd_not_a_directory",
            "cwd",
        ),
        (json!({"cwd": "a\u{0}b"}), "bad_field", "cwd"),
        (json!({"cwd": ""}), "bad_field", "cwd"),
        (
            json!({"permissionMode": "root"}),
            "bad_permission_mode",
            "permissionMode",
        ),
        (json!({"env": {"1A": "x"}}), "bad_env", "env.1A"),
        (json!({"env": {"A": 1}}), "bad_field", "env.A"),
        (json!({"env": []}), "bad_field", "env"),
        (json!({"env": {"A": "x\u{0}"}}), "bad_env", "env.A"),
        (
            json!({"env": {"A": "x".repeat(65_600)}}),
            "bad_env",
            "env.A",
        ),
        (json!({"metadata": "x"}), "bad_field", "metadata"),
        (json!({"metadata": big}), "bad_field", "metadata"),
        (json!({"topic": long}), "bad_field", "topic"),
        (
            json!({"onUncertain": "maybe"}),
            "bad_on_uncertain",
            "onUncertain",
        ),
        (json!({"start": "yes"}), "bad_field", "start"),
        (json!({"message": {}}), "bad_field", "message"),
        (json!({"sessionId": "x"}), "bad_field", "sessionId"),
        (
            json!({"agentType": "script", "scenario": "nope"}),
            "unknown_scenario",
            "scenario",
        ),
        (
            json!({"agentType": "script", "scenario": "../x"}),
            "unknown_scenario",
            "scenario",
        ),
        (
            json!({"agentType": "script", "scenario": file}),
            "bad_scenario",
            "scenario",
        ),
        (
            json!({"agentType": "shell", "scenario": "hello"}),
            "bad_scenario",
            "scenario",
        ),
    ] {
        let reply = ada.post("/api/agents", &body).await;
        let failure = reply.fails(400, code);
        assert_eq!(failure["field"], field, "{body}");
        assert!(failure["expected"].is_string(), "{failure}");
    }
    let group = json!({"sessionId": uuid::Uuid::new_v4()});
    ada.post("/api/agents", &group)
        .await
        .fails(404, "not_found");
    let list = ada.get("/api/agents").await.ok(200);
    assert_eq!(list["total"], 0, "a refused creation left something");
}

#[tokio::test]
async fn bodies_that_are_no_json_or_too_large_are_refused() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let send = |body: Vec<u8>| answer(ada.request(Method::POST, "/api/agents").body(body));
    for body in [
        "{",
        "[]",
        "null",
        "5",
        "\"x\"",
        "{\"a\":1}}",
        "{'a':1}",
        "\u{feff}{}",
    ] {
        send(body.as_bytes().to_vec()).await.fails(400, "bad_json");
    }
    send(vec![0xff, 0xfe]).await.fails(400, "bad_json");
    send(format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000)).into_bytes())
        .await
        .fails(400, "bad_json");
    send(vec![b' '; 2 * 1024 * 1024 + 1])
        .await
        .fails(413, "too_large");
    // Without a length the count decides. The server may end the connection before all is sent.
    let mut line = tokio::net::TcpStream::connect(&app.address).await.unwrap();
    let head = format!(
        "POST /api/agents HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\
         Transfer-Encoding: chunked\r\n\r\n",
        ada.token
    );
    line.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(65_536));
    for _ in 0..33 {
        if line.write_all(chunk.as_bytes()).await.is_err() {
            break;
        }
    }
    let mut reply = [0; 12];
    line.read_exact(&mut reply).await.unwrap();
    assert_eq!(&reply, b"HTTP/1.1 413");
    // Another content type is tolerated when the body is JSON.
    let plain = ada
        .request(Method::POST, "/api/agents")
        .header("content-type", "text/plain")
        .body(r#"{"name":"bad name"}"#);
    answer(plain).await.fails(400, "bad_name");
    ada.get("/api/agents").await.ok(200);
}

#[tokio::test]
async fn paths_methods_and_queries_that_mean_nothing() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    ada.get("/nowhere").await.fails(404, "unknown_route");
    ada.get("/api/agents/").await.fails(404, "unknown_route");
    ada.get("/api/agents/zzz").await.fails(404, "not_found");
    let id = uuid::Uuid::new_v4();
    for tail in ["", "/events", "/tasks", "/queue", "/why", "/log"] {
        ada.get(&format!("/api/agents/{id}{tail}"))
            .await
            .fails(404, "not_found");
    }
    for tail in [
        "/message",
        "/pause",
        "/resume",
        "/stop",
        "/kill",
        "/start",
        "/interrupt",
    ] {
        let path = format!("/api/agents/{id}{tail}");
        ada.post(&path, &json!({"message": "x"}))
            .await
            .fails(404, "not_found");
    }
    ada.delete(&format!("/api/agents/{id}"))
        .await
        .fails(404, "not_found");
    let reply = answer(ada.request(Method::PATCH, "/api/agents")).await;
    reply.fails(405, "method_not_allowed");
    let allowed = reply.headers["allow"].to_str().unwrap();
    assert!(
        allowed.contains("GET") && allowed.contains("POST"),
        "{allowed}"
    );
    for query in [
        "limit=0",
        "limit=x",
        "limit=-1",
        "offset=-1",
        "status=odd",
        "sessionId=1",
    ] {
        ada.get(&format!("/api/agents?{query}"))
            .await
            .fails(400, "bad_field");
    }
    ada.get("/api/agents?agentType=hal")
        .await
        .fails(400, "unknown_agent_kind");
    let page = ada.get("/api/agents?limit=100000").await.ok(200);
    assert_eq!(page["limit"], 200);
    ada.post(
        "/api/chat/approve",
        &json!({"requestId": id, "approved": true}),
    )
    .await
    .fails(404, "not_found");
    for body in [
        json!({}),
        json!({"requestId": 1, "approved": true}),
        json!({"requestId": id, "approved": "yes"}),
    ] {
        ada.post("/api/chat/approve", &body)
            .await
            .fails(400, "bad_field");
    }
    for remember in [json!("forever"), json!(""), json!(1), json!({})] {
        let body = json!({"requestId": id, "approved": true, "remember": remember});
        let refused = ada.post("/api/chat/approve", &body).await;
        let refused = refused.fails(400, "bad_remember");
        assert_eq!(refused["field"], "remember");
        let expected = refused["expected"].as_str().unwrap();
        assert!(expected.contains("once, session, always"), "{refused}");
    }
    ada.get("/api/chat/approvals/overrides?limit=x")
        .await
        .fails(400, "bad_field");
    ada.delete("/api/chat/approvals/overrides/1")
        .await
        .fails(404, "not_found");
}

#[tokio::test]
async fn prompts_are_checked_before_they_are_taken() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let id = ada
        .agent(&json!({"agentType": "script", "start": false}))
        .await;
    let path = format!("/api/agents/{id}/message");
    for body in [
        json!({}),
        json!({"message": null}),
        json!({"message": 5}),
        json!({"message": "x", "metadata": []}),
    ] {
        ada.post(&path, &body).await.fails(400, "bad_field");
    }
    for query in ["wait=x", "wait=-1", "queue=maybe"] {
        let path = format!("{path}?{query}");
        ada.post(&path, &json!({"message": "x"}))
            .await
            .fails(400, "bad_field");
    }
    let large = json!({"message": "x".repeat(1024 * 1024 + 1)});
    ada.post(&path, &large).await.fails(413, "too_large");
    let request = |key: &str| {
        let request = ada
            .request(Method::POST, &path)
            .header("idempotency-key", key);
        answer(request.json(&json!({"message": "x"})))
    };
    request("a b").await.fails(400, "bad_idempotency_key");
    request(&"k".repeat(256))
        .await
        .fails(400, "bad_idempotency_key");
    let tasks = ada.get(&format!("/api/agents/{id}/tasks")).await.ok(200);
    assert_eq!(tasks["total"], 0);
}

#[tokio::test]
async fn foreign_hosts_and_origins_are_turned_away() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let port = app.address.rsplit(':').next().unwrap();
    let with = |name: &'static str, value: String| {
        answer(ada.request(Method::GET, "/api/agents").header(name, value))
    };
    for host in [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost:1",
        "0.0.0.0",
    ] {
        with("host", host.to_owned()).await.fails(421, "bad_host");
    }
    for host in [
        "localhost".to_owned(),
        format!("LOCALHOST:{port}"),
        format!("[::1]:{port}"),
    ] {
        with("host", host).await.ok(200);
    }
    for origin in [
        "http://evil.example",
        "null",
        "http://localhost:1",
        "https://localhost",
    ] {
        with("origin", origin.to_owned())
            .await
            .fails(403, "bad_origin");
    }
    for origin in [app.url(), format!("http://localhost:{port}")] {
        with("origin", origin).await.ok(200);
    }
    // Before the token, and for open paths too: a page that was rebound must learn nothing.
    let open = app
        .http
        .get(app.url() + "/health")
        .header("host", "evil.example");
    answer(open).await.fails(421, "bad_host");
    let bearer = format!("Bearer {}", ada.token);
    let refused = ada
        .try_ws(
            "/ws",
            &[
                ("authorization", &bearer),
                ("origin", "http://evil.example"),
            ],
        )
        .await;
    assert_eq!(refused.err(), Some(403));
}

#[tokio::test]
async fn a_configured_origin_and_host_are_let_in() {
    let settings = "allowed_hosts = [\"board.example.org\"]\n\
                    allowed_origins = [\"https://dash.example.org\"]\n";
    let app = TestApp::with(settings).await;
    let ada = app.sign_in("ada").await;
    let request = ada
        .request(Method::GET, "/api/agents")
        .header("host", "board.example.org")
        .header("origin", "https://dash.example.org");
    answer(request).await.ok(200);
}

#[tokio::test]
async fn strange_bytes_on_the_wire_do_not_end_the_server() {
    let app = TestApp::start().await;
    for bytes in [
        &b"\0\0\0\0"[..],
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: \xff\xfe\r\n\r\n",
        b"POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n{}",
        b"GET /%ff%fe%00 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET /api/auth/login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ] {
        let mut line = tokio::net::TcpStream::connect(&app.address).await.unwrap();
        line.write_all(bytes).await.unwrap();
        line.shutdown().await.unwrap();
        let mut reply = Vec::new();
        let _ = line.read_to_end(&mut reply).await;
        let text = String::from_utf8_lossy(&reply);
        assert!(!text.contains(" 200 ") && !text.contains(" 500 "), "{text}");
    }
    answer(app.http.get(app.url() + "/health")).await.ok(200);
}

#[tokio::test]
async fn agents_work_below_the_roots_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (inside, outside) = (dir.path().join("inside"), dir.path().join("outside"));
    std::fs::create_dir(&inside).unwrap();
    std::fs::create_dir(&outside).unwrap();
    std::os::unix::fs::symlink(&outside, inside.join("link")).unwrap();
    let mut app = TestApp::prepared(dir, "").await;
    let roots = json!([inside]).to_string();
    app.env = vec![("CALLBOARD_AGENTS__ROOTS", roots)];
    app.boot().await;
    let ada = app.sign_in("ada").await;
    for cwd in [&outside, &inside.join("link"), &inside.join("../outside")] {
        let body = json!({"agentType": "shell", "cwd": cwd});
        let refused = ada.post("/api/agents", &body).await;
        let told = refused.fails(400, "cwd_denied");
        assert_eq!(told["field"], "cwd");
        let expected = told["expected"].as_str().unwrap();
        assert!(expected.contains(inside.to_str().unwrap()), "{told}");
    }
    ada.agent(&json!({"agentType": "shell", "cwd": inside}))
        .await;
}
