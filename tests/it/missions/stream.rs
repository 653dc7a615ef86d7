//! The event stream: resumed at any place, refused where it has to be, ended in order.

use std::time::Duration;

use super::*;
use crate::app::{Part, Sse, answer};
use crate::matrix::place_names;

/// Reads stored events until this pos, and leaves.
async fn read_some(stream: &mut Sse, most: usize) -> Vec<Part> {
    let mut parts = Vec::new();
    while parts.len() < most {
        let part = stream.part().await.unwrap();
        if part.id.is_some() {
            parts.push(part);
        }
    }
    parts
}

/// The stream is cut again and again, also by the death of the server; whoever comes back with the last
/// id has every event once.
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
    for mission in &missions {
        stands(&ada, mission, "completed").await;
    }
    // Sizes of the parts that are read before each cut; a fixed row of odd ones.
    let mut cuts = [1_usize, 7, 2, 31, 90, 3, 64, 5].into_iter().cycle();
    for (query, mission) in [
        (String::new(), None),
        (format!("?mission_id={}", missions[0]), Some(&missions[0])),
    ] {
        let expected: usize = {
            let mut all = 0;
            for one in missions
                .iter()
                .filter(|one| mission.is_none_or(|only| only == *one))
            {
                all += ada.history(one).await.len();
            }
            all
        };
        let join = if query.is_empty() { '?' } else { '&' };
        let mut stream = Sse::open(&ada, &format!("{query}{join}after=0"), None).await;
        let mut seen: Vec<(String, u64, u64)> = Vec::new();
        let mut rounds = 0;
        while seen.len() < expected {
            let most = cuts.next().unwrap().min(expected - seen.len());
            for part in read_some(&mut stream, most).await {
                let mission = part.data["mission_id"].as_str().unwrap().to_owned();
                let (seq, pos) = (&part.data["seq"], &part.data["pos"]);
                seen.push((mission, seq.as_u64().unwrap(), pos.as_u64().unwrap()));
            }
            let last = stream.last.clone().unwrap();
            drop(stream);
            rounds += 1;
            if rounds == 3 {
                app.kill9();
                app.boot().await;
                ada = ada.at(&app);
            }
            stream = Sse::open(&ada, &query, Some(&last)).await;
        }
        let places: Vec<u64> = seen.iter().map(|(_, _, pos)| *pos).collect();
        assert!(places.is_sorted_by(|one, next| one < next), "{places:?}");
        for one in missions
            .iter()
            .filter(|one| mission.is_none_or(|only| only == *one))
        {
            let own: Vec<u64> = seen
                .iter()
                .filter(|(mission, ..)| mission == one.as_str())
                .map(|(_, seq, _)| *seq)
                .collect();
            let expected: Vec<u64> = (1..=u64::try_from(own.len()).unwrap()).collect();
            assert_eq!(own, expected);
        }
        assert!(rounds > 10, "{rounds}");
    }
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
    let first = stream.until_like(|part| part.id.is_some()).await;
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
        if part.id.is_some() {
            names.push(part.event);
        } else {
            assert_eq!(part.event, "hello");
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
    let first = his.until_like(|part| part.id.is_some()).await;
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
    let all = read_some(&mut again, usize::try_from(last).unwrap()).await;
    assert_eq!(all.last().unwrap().data["seq"], last);
}
