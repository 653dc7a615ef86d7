//! A real browser at a real terminal: xterm.js in headless Chromium, on a page of this test.
//! Never a download: the browser and the package were installed by `cargo xtask test`.

mod chromium;
mod document;
mod site;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::app::{Caller, TestApp};
use crate::doors_terminals::{SESSIONS, Terminal, make};
pub use chromium::Chromium;
pub use site::Site;

/// A ticket for one WebSocket of the page.
async fn ticket(who: &Caller) -> String {
    let made = who.post("/api/auth/ws-ticket", &json!({})).await.ok(200);
    made["token"].as_str().unwrap().to_owned()
}

/// Lets the page sit down at the terminal, at `place` when it was there before.
async fn sit_down(page: &mut Chromium, who: &Caller, place: &str) {
    let path = format!(
        "{SESSIONS}/t?ticket={}&tty=binary&events=none{place}",
        ticket(who).await
    );
    page.run(&format!("connect('ws://{}{path}')", who.address))
        .await;
    page.until("hello !== null").await;
}

/// What the page was given, byte by byte.
async fn given(page: &mut Chromium) -> Vec<u8> {
    let text = page.run("given()").await;
    STANDARD.decode(text.as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn a_browser_types_at_a_shell_and_goes_on_after_the_servers_death() {
    let site = Site::start().await;
    let mut app = TestApp::with(&format!("allowed_origins = [\"{}\"]\n", site.origin)).await;
    let signed = app.sign_in("ada").await;
    let made = make(&signed, &app, "t", &json!({})).await;
    let mut page = Chromium::open(&site.origin).await;
    page.until("ready()").await;
    sit_down(&mut page, &signed, "").await;
    page.until("/[#$]/.test(screen())").await;
    let mut beside = Terminal::open(&signed, "t", "").await;

    page.type_in("echo sum-$((40+2))").await;
    page.press_enter().await;
    page.until("screen().includes('sum-42')").await;
    page.run("term.resize(91, 23)").await;
    page.type_in("stty size").await;
    page.press_enter().await;
    page.until("screen().includes('23 91')").await;
    beside.until("23 91\r\n").await;

    // It prints on while the server is dead, and nobody reads.
    let gate = app.dir().join("gate");
    let held = format!(
        "until [ -e {} ]; do sleep 0.05; done; seq 9000; echo o''ver",
        gate.display()
    );
    page.type_in(&held).await;
    page.press_enter().await;
    page.until("screen().includes('seq 9000')").await;
    app.kill9();
    page.until("closed").await;
    std::fs::write(&gate, "").unwrap();
    app.boot().await;
    let ada = signed.at(&app);
    let place = page
        .run("`&incarnation=${incarnation}&offset=${offset}`")
        .await;
    sit_down(&mut page, &ada, place.as_str().unwrap()).await;
    page.until("screen().includes('over')").await;
    page.type_in("echo ali''ve").await;
    page.press_enter().await;
    page.until("screen().includes('alive')").await;

    let path = format!(
        "/api/agents/{}/log?limit=1048576",
        made["id"].as_str().unwrap()
    );
    let reply = ada
        .request(reqwest::Method::GET, &path)
        .send()
        .await
        .unwrap();
    let log = reply.bytes().await.unwrap();
    let all = given(&mut page).await;
    assert!(all.len() > 40_000);
    assert!(log.starts_with(&all), "a byte is lost or doubled");
    assert!(
        all.starts_with(&beside.bytes),
        "the second reader saw other bytes"
    );
    page.close().await;
}
