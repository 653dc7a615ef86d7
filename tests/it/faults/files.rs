//! A server that may open no more files.

use std::net::TcpStream;

use super::*;

#[tokio::test]
async fn without_descriptors_new_connections_wait_and_old_ones_live() {
    let app = TestApp::start().await;
    let (ada, admin) = (app.sign_in("ada").await, app.sign_in("admin").await);
    let id = player(&app, &ada, &json!([[{"say": "done"}]])).await;
    let mut socket = ada.ws().await;
    socket
        .say(json!({"type": "subscribe", "channels": ["*"]}))
        .await;
    until_well(&app).await;

    let pid = app.pid().to_string();
    let before = file_limit(&app);
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let most = open.count() + 3;
    run("prlimit", &["--pid", &pid, &format!("--nofile={most}:")]);
    // The kernel takes them; the server cannot.
    let crowd: Vec<TcpStream> = (0..30)
        .map(|_| TcpStream::connect(&app.address).unwrap())
        .collect();
    let told = until_part(&app, "files", "unhealthy").await;
    assert_eq!(told["status"], "degraded", "{told}");
    app.told("nearly all file descriptors are in use").await;
    let spent = figure(&admin, "process_cpu_seconds_total").await;
    let began = Instant::now();
    // The open connections work on, and a thread that spins would take a whole processor.
    while began.elapsed() < Duration::from_secs(3) {
        socket.say(json!({"type": "ping"})).await;
        socket.wait_for("pong").await;
        ada.get(&format!("/api/agents/{id}")).await.ok(200);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let spun = figure(&admin, "process_cpu_seconds_total").await - spent;
    assert!(
        spun < began.elapsed().as_secs_f64() * 0.8,
        "it spins: {spun} s of {:?}",
        began.elapsed()
    );

    run("prlimit", &["--pid", &pid, &format!("--nofile={before}:")]);
    drop(crowd);
    until_well(&app).await;
    app.told("there are file descriptors again").await;
    let fresh = reqwest::Client::new();
    soon(async || {
        let reply = fresh.get(app.url() + "/health").send().await;
        reply.map(drop).map_err(|error| error.to_string())
    })
    .await;
    socket.say(json!({"type": "ping"})).await;
    socket.wait_for("pong").await;
    assert_eq!(restarts(&admin).await, [""; 0], "{}", app.log());
}
