//! The event stream: resumed at any place, refused where it has to be, ended in order.

use std::time::Duration;

use super::*;
use crate::app::{Part, Sse, answer};
use crate::matrix::place_names;

/// Reads so many parts that have an id, and leaves.
async fn read_some(stream: &mut Sse, most: usize) -> Vec<(String, Value)> {
    let mut parts = Vec::new();
    while parts.len() < most {
        let part = stream.part().await.unwrap();
        if let (Some(id), true) = (part.id, part.event != "hello") {
            parts.push((id, part.data));
        }
    }
    parts
}

/// The stream is cut again and again, also between two parts of one event and by the death of the
/// server; whoever comes back with the last id has every part once.
#[tokio::test]
async fn a_stream_that_is_cut_anywhere_misses_and_doubles_nothing() {
    let mut app = TestApp::start().await;
    let mut ada = app.sign_in("ada").await;
    let flood = json!([[{"flood": {"lines": 300, "bytes": 40}}, {"say": "done"}]]);
    let missions = [
        player(&ada, &app, &flood).await,
        player(&ada, &app, &flood).await,
    ];
    for mission in &missions {
        send(&ada, mission, "go").await;
    }
    let mut last = 0;
    for mission in &missions {
        stands(&ada, mission, "completed").await;
        let history = ada.history(mission).await;
        last = last.max(history.last().unwrap()["pos"].as_u64().unwrap());
    }
    for query in [String::new(), format!("?mission_id={}", missions[0])] {
        // All of it, in one go.
        let join = if query.is_empty() { '?' } else { '&' };
        let behind = format!("{query}{join}after=0");
        let mut stream = Sse::open(&ada, &behind, None).await;
        let end = match query.is_empty() {
            true => last,
            false => show(&ada, &missions[0]).await["last_seq"].as_u64().unwrap(),
        };
        let name = if query.is_empty() { "pos" } else { "seq" };
        let mut whole: Vec<(String, Value)> = Vec::new();
        while whole
            .last()
            .is_none_or(|(id, data)| data[name] != end || id.contains('.'))
        {
            whole.extend(read_some(&mut stream, 1).await);
        }
        let halves = whole.iter().filter(|(id, _)| id.contains('.')).count();
        assert!(halves > 2, "{halves}");
        // The first parts one by one, then a fixed row of odd sizes.
        let odd = [7_usize, 2, 31, 90, 3, 64, 5].into_iter().cycle();
        let mut cuts = std::iter::repeat_n(1, 24).chain(odd);
        let mut stream = Sse::open(&ada, &behind, None).await;
        let mut seen: Vec<(String, Value)> = Vec::new();
        let mut rounds = 0;
        while seen.len() < whole.len() {
            let most = cuts.next().unwrap().min(whole.len() - seen.len());
            seen.extend(read_some(&mut stream, most).await);
            let last = stream.last.clone().unwrap();
            drop(stream);
            rounds += 1;
            if rounds == 26 {
                app.kill9();
                app.boot().await;
                ada = ada.at(&app);
            }
            stream = Sse::open(&ada, &query, Some(&last)).await;
        }
        let ids =
            |parts: &[(String, Value)]| parts.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&seen), ids(&whole));
        assert!(seen == whole, "the same parts with other data");
    }
}

/// Who is cut off before the first event comes back with the id of the greeting, and misses nothing.
#[tokio::test]
async fn a_stream_that_is_cut_at_its_beginning_goes_on_there() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let mission = shell(&ada, &app).await;
    turn(&ada, &mission, "true").await;
    for query in [String::new(), format!("?mission_id={mission}")] {
        let mut stream = Sse::open(&ada, &query, None).await;
        stream.until("hello").await;
        let begun = stream.last.clone().unwrap();
        let before = show(&ada, &mission).await["last_seq"].as_u64().unwrap();
        drop(stream);
        turn(&ada, &mission, "echo on").await;
        let mut stream = Sse::open(&ada, &query, Some(&begun)).await;
        let first = stream.until_like(Part::stored).await;
        assert_eq!(first.data["seq"], before + 1);
    }
}

/// How the mission stands is told from no later than where the stream begins: it is never left behind.
#[tokio::test]
async fn what_a_stream_is_told_first_is_corrected() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let mission = player(&ada, &app, &json!([[{"say": "done"}]])).await;
    turn(&ada, &mission, "first").await;
    for _try in 0..20 {
        send(&ada, &mission, "again").await;
        let mut stream = Sse::open(&ada, &format!("?mission_id={mission}"), None).await;
        let mut detail = stream.until("status").await.data["detail"].clone();
        let last = stands(&ada, &mission, "completed").await["last_seq"].clone();
        let hello = stream.last.clone().unwrap();
        let mut seq: u64 = hello.rsplit(':').next().unwrap().parse().unwrap();
        while seq < last.as_u64().unwrap() {
            let part = stream.part().await.unwrap();
            if part.event == "status" {
                detail = part.data["detail"].clone();
            }
            if part.stored() {
                seq = part.data["seq"].as_u64().unwrap();
            }
        }
        assert_eq!(detail, "idle");
    }
}

/// A page that is loaded again and again finds a place each time.
#[tokio::test]
async fn a_stream_that_is_left_gives_its_place_back() {
    let app = TestApp::with("[limits]\nsockets_per_user = 2\n").await;
    let ada = app.sign_in("ada").await;
    let kept = Sse::open(&ada, "", None).await;
    let begun = std::time::Instant::now();
    for _load in 0..12 {
        // The place of the one before is free at once, long before a sign of life would tell.
        let opened = std::sync::Mutex::new(None);
        until(async || {
            let stream = Sse::ask(&ada, "", None).await.ok();
            *opened.lock().unwrap() = stream;
            opened.lock().unwrap().is_some()
        })
        .await;
        let mut stream = opened.into_inner().unwrap().unwrap();
        stream.until("hello").await;
    }
    // Signs of life, each 15 s, would have told two of them.
    assert!(begun.elapsed() < Duration::from_secs(60));
    drop(kept);
}

#[tokio::test]
async fn a_cursor_that_cannot_be_served_is_refused_before_the_stream_begins() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let mission = shell(&ada, &app).await;
    turn(&ada, &mission, "true").await;
    let page = ada
        .get(&format!("{MISSIONS}/{mission}/events?after=0"))
        .await
        .ok(200);
    let (epoch, latest) = (
        page["epoch"].as_str().unwrap(),
        page["latestSeq"].as_u64().unwrap(),
    );
    let one = format!("?mission_id={mission}");
    for (query, id, status, code) in [
        (one.as_str(), "x".to_owned(), 400, "bad_cursor"),
        (&one, format!("{epoch}:p1"), 400, "bad_cursor"),
        ("", format!("{epoch}:1"), 400, "bad_cursor"),
        (&one, "other:1".to_owned(), 410, "epoch_changed"),
        (
            &one,
            format!("{epoch}:{}", latest + 1),
            410,
            "epoch_changed",
        ),
        ("", format!("{epoch}:p999999"), 410, "epoch_changed"),
    ] {
        let refused = Sse::ask(&ada, query, Some(&id)).await.err().unwrap();
        refused.fails(status, code);
    }
    let refused = Sse::ask(&ada, "?types=status,nope", None)
        .await
        .err()
        .unwrap();
    assert_eq!(refused.fails(400, "bad_field")["field"], "types");
    Sse::ask(&ada, "?mission_id=x", None)
        .await
        .err()
        .unwrap()
        .fails(400, "bad_field");
    // The address where there is no header, and the header where there are both.
    let mut stream = Sse::open(
        &ada,
        &format!("{one}&after={latest}"),
        Some(&format!("{epoch}:1")),
    )
    .await;
    let first = stream.until_like(Part::stored).await;
    assert_eq!(first.data["seq"], 2);
}

#[tokio::test]
async fn a_filter_shows_what_it_names_and_ids_go_on() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let flood = json!([[{"flood": {"lines": 300, "bytes": 10}}, {"say": "done"}]]);
    let mission = player(&ada, &app, &flood).await;
    let query = format!("?mission_id={mission}&types=user_message,mission_status_changed");
    let mut stream = Sse::open(&ada, &query, None).await;
    turn(&ada, &mission, "go").await;
    let mut names = Vec::new();
    while names.len() < 3 {
        let part = stream.part().await.unwrap();
        if part.event == "hello" {
            assert!(part.id.is_some(), "who is cut off here comes back with it");
        } else {
            names.push(part.event);
        }
    }
    assert_eq!(
        names,
        [
            "mission_status_changed",
            "user_message",
            "mission_status_changed"
        ]
    );
    // Its last id is near the end, so that it would go on there.
    let last = stream.last.unwrap();
    let seq: u64 = last.rsplit(':').next().unwrap().parse().unwrap();
    let latest = show(&ada, &mission).await["last_seq"].as_u64().unwrap();
    assert!(latest - seq < 10, "{seq} of {latest}");
}

#[tokio::test]
async fn a_token_opens_a_stream_in_every_place_and_its_end_ends_it() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    for place in place_names() {
        let again = app.sign_in("ada").await;
        let url = format!("{}/api/control/stream", app.url());
        let request = match place {
            "authorization" => app.http.get(&url).bearer_auth(&again.token),
            "x-api-key" => app.http.get(&url).header(place, &again.token),
            other => app.http.get(format!("{url}?{other}={}", again.token)),
        };
        let mut stream = Sse::of(request.send().await.unwrap()).await.unwrap();
        assert_eq!(stream.part().await.unwrap().event, "hello");
        again.post("/api/auth/logout", &json!({})).await.ok(200);
        let closing = stream.until("closing").await;
        assert_eq!(closing.data["reason"], "auth_ended");
        assert!(stream.part().await.is_none(), "it goes on");
    }
    // A ticket is good once.
    let made = ada.get("/api/auth/ws-ticket").await.ok(200);
    let ticket = made["token"].as_str().unwrap();
    let url = format!("{}/api/control/stream?ticket={ticket}", app.url());
    let mut stream = Sse::of(app.http.get(&url).send().await.unwrap())
        .await
        .unwrap();
    stream.until("hello").await;
    answer(app.http.get(&url)).await.fails(401, "bad_ticket");
    for bad in ["", "?token=x", "?ticket=x"] {
        let url = format!("{}/api/control/stream{bad}", app.url());
        assert_eq!(answer(app.http.get(&url)).await.status, 401);
    }
    // Nobody hears of somebody else's.
    let bob = app.sign_in("bob").await;
    let mut his = Sse::open(&bob, "", None).await;
    let hers = shell(&ada, &app).await;
    turn(&ada, &hers, "true").await;
    let own = shell(&bob, &app).await;
    turn(&bob, &own, "true").await;
    let first = his.until_like(Part::stored).await;
    assert_eq!(first.data["mission_id"], own.as_str());
}

#[tokio::test]
async fn a_drain_and_a_deletion_end_a_stream_in_order() {
    let mut app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let (gone, stays) = (shell(&ada, &app).await, shell(&ada, &app).await);
    turn(&ada, &gone, "true").await;
    let mut of_gone = Sse::open(&ada, &format!("?mission_id={gone}"), None).await;
    let mut of_all = Sse::open(&ada, "", None).await;
    of_gone.until("status").await;
    ada.delete(&format!("{MISSIONS}/{gone}")).await.ok(200);
    let closing = of_gone.until("closing").await;
    assert_eq!(closing.data["reason"], "not_found");
    assert!(of_gone.part().await.is_none());
    turn(&ada, &stays, "true").await;
    of_all.until("tool_result").await;
    let draining = tokio::spawn(async move {
        let closing = of_all.until("closing").await;
        assert_eq!(closing.data["reason"], "draining");
        assert!(of_all.part().await.is_none());
    });
    assert_eq!(app.stop().await, Some(0));
    draining.await.unwrap();
}

/// Ten missions' worth of words for somebody who does not read: they are closed, nobody else waits, and
/// they miss nothing when they come back.
#[tokio::test]
async fn a_reader_that_does_not_read_is_closed_and_misses_nothing() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let flood = json!([[{"flood": {"lines": 3000, "bytes": 2000}}]]);
    let mission = player(&ada, &app, &flood).await;
    let url = format!("/api/control/stream?mission_id={mission}&after=0");
    let mut lazy = tokio::net::TcpStream::connect(&app.address).await.unwrap();
    let head = format!(
        "GET {url} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n\r\n",
        app.address, ada.token
    );
    tokio::io::AsyncWriteExt::write_all(&mut lazy, head.as_bytes())
        .await
        .unwrap();
    let mut quick = Sse::open(&ada, &format!("?mission_id={mission}"), None).await;
    let request = ada.request(Method::POST, "/api/control/message?wait=120");
    let request = request.json(&json!({"content": "go", "mission_id": mission}));
    answer(request.timeout(Duration::from_secs(130)))
        .await
        .ok(200);
    let last = show(&ada, &mission).await["last_seq"].as_u64().unwrap();
    quick.until_like(|part| part.data["seq"] == last).await;
    // It is cut from outside: what its own side still holds ends.
    let read = async {
        let mut all = Vec::new();
        let _cut = tokio::io::AsyncReadExt::read_to_end(&mut lazy, &mut all).await;
        all.len()
    };
    // Its first byte is read only now, so that it was behind until it was closed.
    tokio::time::timeout(crate::app::PATIENCE, async {
        let metrics = app.sign_in("admin").await;
        until(async || {
            let text = metrics.get("/metrics").await.text;
            text.contains("slow_readers_cut_total 1")
        })
        .await;
    })
    .await
    .unwrap();
    let held = tokio::time::timeout(crate::app::PATIENCE, read)
        .await
        .unwrap();
    assert!(held < 5_000_000, "{held} bytes were held for it");
    let mut again = Sse::open(&ada, &format!("?mission_id={mission}&after=0"), None).await;
    let mut seen = 0;
    while seen < last {
        let part = again.until_like(Part::stored).await;
        assert_eq!(part.data["seq"], seen + 1);
        seen += 1;
    }
}
