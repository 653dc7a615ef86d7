//! A browser's own EventSource: on a page of another origin, cut and coming back by itself.

use super::*;
use crate::browser::{Chromium, Site};

const PAGE: &str = "
    window.seen = []; window.ids = []; window.names = new Set(); window.opened = 0;
    const names = ['status','user_message','assistant_message','thinking','tool_call','tool_result',
        'error','mission_status_changed','mission_activity','turn_started','turn_ended','usage',
        'session','exit','plan','progress','approval_requested','approval_resolved','rate_limited'];
    window.source = new EventSource(ADDRESS);
    window.source.onopen = () => { window.opened += 1; dispatchEvent(new Event('news')); };
    for (const name of names) window.source.addEventListener(name, (event) => {
        const data = JSON.parse(event.data);
        window.names.add(name);
        if (data.pos) window.ids.push(event.lastEventId);
        if (data.pos && window.seen.at(-1) !== data.pos) window.seen.push(data.pos);
        dispatchEvent(new Event('news'));
    });
";

#[tokio::test]
async fn an_event_source_comes_back_by_itself_and_misses_and_doubles_nothing() {
    let site = Site::start().await;
    let mut app = TestApp::with(&format!("allowed_origins = [\"{}\"]\n", site.origin)).await;
    let ada = app.sign_in("ada").await;
    app.bind = app.address.clone();
    let flood = json!([[{"flood": {"lines": 400, "bytes": 30}}, {"say": "done"}]]);
    let mission = player(&ada, &app, &flood).await;
    let mut page = Chromium::open(&site.origin).await;
    page.until("ready()").await;
    let address = format!("{}/api/control/stream?token={}", app.url(), ada.token);
    page.run(&PAGE.replace("ADDRESS", &format!("'{address}'")))
        .await;
    page.until("window.opened === 1").await;
    turn(&ada, &mission, "first").await;
    page.until("window.names.has('turn_ended')").await;
    // The server dies, and a turn runs before the browser is back.
    app.kill9();
    app.boot().await;
    let ada = ada.at(&app);
    turn(&ada, &mission, "second").await;
    page.until("window.opened >= 2").await;
    let history = ada.history(&mission).await;
    let places: Vec<u64> = history
        .iter()
        .map(|one| one["pos"].as_u64().unwrap())
        .collect();
    let last = places.last().unwrap();
    page.until(&format!("window.seen.at(-1) === {last}")).await;
    let seen = page.run("window.seen").await;
    let seen: Vec<u64> = seen
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one.as_u64().unwrap())
        .collect();
    let from = places.iter().position(|pos| *pos == seen[0]).unwrap();
    assert_eq!(seen, places[from..], "something is missing or doubled");
    assert!(from < 10, "it saw the first turn: {from}");
    let doubled = page
        .run("window.ids.length - new Set(window.ids).size")
        .await;
    assert_eq!(doubled, 0);

    // A page may call the rest as well, and one of another origin may not.
    let told = page
        .run(&format!(
            "fetch('{}{MISSIONS}', {{headers: {{authorization: 'Bearer {}'}}}})
                .then((reply) => reply.headers.get('x-total-count'))",
            app.url(),
            ada.token
        ))
        .await;
    assert_eq!(told, "1");
    let other = Site::start().await;
    let mut stranger = Chromium::open(&other.origin).await;
    stranger.until("ready()").await;
    let told = stranger
        .run(&format!(
            "fetch('{}{MISSIONS}', {{headers: {{authorization: 'Bearer {}'}}}})
                .then(() => 'read', () => 'refused')",
            app.url(),
            ada.token
        ))
        .await;
    assert_eq!(told, "refused");
}
