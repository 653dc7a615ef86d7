//! Terminals over the WebSocket at a session's own path.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{SESSIONS, Terminal, attach, make, seated, try_attach};
use crate::app::{Caller, TestApp, Ws, answer, until};

/// The log of the session's process, as the agents door has it.
async fn log(who: &Caller, id: &str) -> Vec<u8> {
    let path = format!("/api/agents/{id}/log?limit=1048576");
    let reply = who
        .request(reqwest::Method::GET, &path)
        .send()
        .await
        .unwrap();
    reply.bytes().await.unwrap().to_vec()
}

#[tokio::test]
async fn two_people_at_one_terminal_see_the_same_bytes() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let id = make(&ada, &app, "t", &json!({})).await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut first = Terminal::open(&ada, "t", "").await;
    first.prompt().await;
    let mut second = Terminal::open(&ada, "t", "").await;
    first.type_in("echo sum-$((40+2))\r").await;
    first.until("sum-42").await;
    second.until("sum-42").await;
    first
        .ws
        .say(json!({"type": "resize", "rows": 33, "cols": 101}))
        .await;
    first.type_in("stty size; echo sized\r").await;
    first.until("33 101").await;
    first.until("\nsized").await;
    while second.end() < first.end() {
        assert!(second.step().await);
    }
    let log = log(&ada, &id).await;
    for reader in [&first, &second] {
        let from = usize::try_from(reader.start).unwrap();
        assert_eq!(reader.bytes, log[from..from + reader.bytes.len()]);
    }
    assert!(first.told.is_empty(), "{:?}", first.told);
}

#[tokio::test]
async fn a_terminal_goes_on_at_its_offset_after_the_servers_death() {
    let mut app = TestApp::start().await;
    let signed = app.sign_in("ada").await;
    let made = make(&signed, &app, "t", &json!({})).await;
    let mut before = Terminal::open(&signed, "t", "").await;
    before.prompt().await;
    // It prints while nobody is there to read.
    let gate = app.dir().join("gate");
    before
        .type_in(&format!(
            "echo be''gun; until [ -e {} ]; do sleep 0.05; done; seq 20000; echo o''ver\r",
            gate.display()
        ))
        .await;
    before.until("begun").await;
    app.kill9();
    std::fs::write(&gate, "").unwrap();
    app.boot().await;
    let ada = signed.at(&app);
    let place = format!(
        "&incarnation={}&offset={}",
        before.incarnation,
        before.end()
    );
    let mut after = Terminal::open(&ada, "t", &place).await;
    assert_eq!(after.start, before.end());
    after.until("over").await;
    after.type_in("echo ali''ve\r").await;
    after.until("alive").await;
    let mut all = before.bytes.clone();
    all.extend_from_slice(&after.bytes);
    let log = log(&ada, made["id"].as_str().unwrap()).await;
    let from = usize::try_from(before.start).unwrap();
    assert_eq!(all, log[from..from + all.len()]);
    let text = String::from_utf8_lossy(&all).into_owned();
    let numbers: Vec<u32> = text.lines().filter_map(|l| l.trim().parse().ok()).collect();
    assert_eq!(numbers, (1..=20_000).collect::<Vec<u32>>());
    assert_eq!(
        ada.get(&format!("{SESSIONS}/t")).await.ok(200)["pid"],
        made["pid"]
    );
}

/// A reader that stops reading loses nothing, and holds nobody up.
#[tokio::test]
async fn a_slow_reader_is_behind_and_not_cut_short() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    make(&ada, &app, "t", &json!({})).await;
    let mut slow = Terminal::open(&ada, "t", "").await;
    slow.prompt().await;
    let mut quick = Terminal::open(&ada, "t", "&offset=latest").await;
    let base = app.memory();
    quick.type_in("seq 300000; echo o''ver\r").await;
    quick.until("over").await;
    let grown = app.memory().saturating_sub(base);
    assert!(grown < 16 * 1024 * 1024, "{grown} bytes");
    slow.until("over").await;
    let text = slow.text();
    let numbers: Vec<u32> = text.lines().filter_map(|l| l.trim().parse().ok()).collect();
    assert_eq!(numbers.len(), 300_000);
    assert!(numbers.is_sorted());
    assert!(slow.told.is_empty(), "{:?}", slow.told);
}

#[tokio::test]
async fn envelopes_carry_the_replay_the_events_and_the_bytes() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    make(&ada, &app, "t", &json!({"prompt": "echo earlier"})).await;
    let one = format!("{SESSIONS}/t");
    until(async || ada.get(&one).await.ok(200)["phase"] == "completed").await;
    let mut ws = attach(&ada, "t").await;
    let hello = ws.next().await;
    assert_eq!(hello["type"], "hello");
    assert_eq!(
        (&hello["session"], &hello["writable"]),
        (&json!("t"), &json!(true))
    );
    let replay = ws.wait_for("replay").await;
    let events = replay["events"].as_array().unwrap();
    assert_eq!(events[0]["seq"], 1);
    assert_eq!(events.last().unwrap()["seq"], hello["lastSeq"]);
    ws.say(json!({"type": "input", "text": "echo ty''ped\r"}))
        .await;
    let (mut shown, mut next) = (Vec::new(), None);
    while !String::from_utf8_lossy(&shown).contains("typed\r\n") {
        let frame = ws.wait_for("tty_data").await;
        let offset = frame["offset"].as_u64().unwrap();
        assert_eq!(next.unwrap_or(offset), offset);
        let bytes = STANDARD.decode(frame["data"].as_str().unwrap()).unwrap();
        next = Some(offset + u64::try_from(bytes.len()).unwrap());
        shown.extend(bytes);
    }
    ws.say(json!({"type": "message", "text": "echo by prompt", "id": 7}))
        .await;
    let accepted = ws.wait_for("accepted").await;
    assert_eq!(accepted["id"], 7);
    let mut seq = hello["lastSeq"].as_u64().unwrap();
    loop {
        let frame = ws.wait_for("json_event").await;
        seq += 1;
        assert_eq!(frame["seq"], seq, "{frame}");
        if frame["event"]["type"] == "turn_ended" {
            assert_eq!(frame["event"]["taskId"], accepted["taskId"]);
            break;
        }
    }
    for (bad, code) in [
        (json!({"type": "resize", "rows": 0, "cols": 1}), "bad_field"),
        (json!({"type": "dance"}), "unknown_type"),
        (json!({"type": "interrupt"}), "no_turn"),
    ] {
        ws.say(bad).await;
        assert_eq!(ws.wait_for("error").await["code"], code);
    }
}

#[tokio::test]
async fn an_exit_comes_behind_the_last_byte_and_closes() {
    let (_app, ada, mut terminal) = seated().await;
    terminal
        .type_in("seq 5000; exec sh -c 'echo last; exit 3'\r")
        .await;
    while terminal.step().await {}
    assert!(
        terminal.text().trim_end().ends_with("last"),
        "{}",
        terminal.text()
    );
    assert_eq!(terminal.told.len(), 1, "{:?}", terminal.told);
    assert_eq!(terminal.told[0]["type"], "exit");
    assert_eq!(terminal.told[0]["exitCode"], 3);
    // There is nobody to type to, until somebody starts it again.
    let mut later = attach(&ada, "t?tty=none").await;
    later.say(json!({"type": "input", "text": "x"})).await;
    assert_eq!(later.wait_for("error").await["code"], "no_process");
}

#[tokio::test]
async fn a_deletion_and_a_reset_are_seen_at_the_terminal() {
    let (_app, ada, mut terminal) = seated().await;
    ada.post(&format!("{SESSIONS}/t/reset"), &json!({}))
        .await
        .ok(200);
    while terminal
        .told
        .last()
        .is_none_or(|frame| frame["type"] != "tty_start")
    {
        assert!(terminal.step().await, "{:?}", terminal.told);
    }
    assert_eq!(terminal.told[0]["type"], "exit");
    assert_eq!(terminal.told[1]["incarnation"], 2);
    terminal.bytes.clear();
    terminal.prompt().await;
    terminal.type_in("echo n''ew\r").await;
    terminal.until("new").await;
    assert_eq!(
        ada.delete(&format!("{SESSIONS}/t")).await.ok(200)["killed"],
        true
    );
    assert_eq!(terminal.ws.closed().await, Some(1000));
    assert!(matches!(try_attach(&ada, "t").await, Err(404)));
}

#[tokio::test]
async fn a_terminal_is_watched_with_read_rights_and_driven_with_write_rights() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let id = make(&ada, &app, "t", &json!({})).await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    // A stranger, nobody, and a token in the address.
    let bob = app.sign_in("bob").await;
    assert!(matches!(try_attach(&bob, &id).await, Err(404)));
    let path = format!("{SESSIONS}/t");
    assert!(matches!(ada.try_ws(&path, &[]).await, Err(401)));
    for name in ["token", "access_token", "api_key"] {
        let path = format!("{SESSIONS}/t?{name}={}", ada.token);
        let mut ws = ada.try_ws(&path, &[]).await.unwrap();
        assert_eq!(ws.next().await["type"], "hello");
        // Only a handshake takes it.
        let plain = format!("{}{path}", ada.base());
        answer(app.http.get(plain))
            .await
            .fails(401, "missing_token");
    }
    let origin = [
        ("authorization", &*format!("Bearer {}", ada.token)),
        ("origin", "http://evil.example"),
    ];
    assert!(matches!(ada.try_ws(&path, &origin).await, Err(403)));
    // An admin finds it by its id.
    let admin = app.sign_in("admin").await;
    let mut ws = attach(&admin, &id).await;
    assert_eq!(ws.next().await["session"], id);
}

#[tokio::test]
async fn the_older_paths_speak_bare_bytes_and_bare_events() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    make(&ada, &app, "t", &json!({})).await;
    for tail in ["t/ws", "t/terminal", "t?format=raw"] {
        let mut ws = attach(&ada, tail).await;
        loop {
            let message = ws.message().await;
            if let tokio_tungstenite::tungstenite::Message::Binary(bytes) = message {
                assert!(!bytes.is_empty());
                break;
            }
            assert!(!message.is_text(), "{tail}: {message:?}");
        }
    }
    make(
        &ada,
        &app,
        "s",
        &json!({"agentType": "script", "scenario": "hello"}),
    )
    .await;
    let mut ws = attach(&ada, "s/ws").await;
    let replay = ws.next().await;
    assert_eq!(replay["type"], "replay");
    let first = &replay["events"][0];
    assert!(
        first["type"].is_string() && first["seq"].is_null(),
        "{replay}"
    );
    ws.say(json!({"type": "input", "text": "hello"})).await;
    let said = ws.wait_for("assistant_message").await;
    assert!(said["content"].is_string(), "{said}");
}

/// A paste that the program does not read yet waits in the line, whole.
#[tokio::test]
async fn a_large_paste_arrives_whole_and_in_order() {
    let (app, _ada, mut terminal) = seated().await;
    let (gate, sink) = (app.dir().join("gate"), app.dir().join("sink"));
    terminal
        .type_in(&format!(
            "stty raw -echo; echo re''ady; until [ -e {} ]; do sleep 0.05; done; head -c 600000 > {}; stty sane; echo fin''ished\r",
            gate.display(),
            sink.display()
        ))
        .await;
    terminal.until("ready").await;
    let mut paste = String::new();
    let mut line = 0_u32;
    while paste.len() < 600_000 {
        let piece = format!("{line:07}\n");
        terminal.type_in(&piece).await;
        paste.push_str(&piece);
        line += 1;
    }
    std::fs::write(&gate, "").unwrap();
    terminal.until("finished").await;
    let got = std::fs::read_to_string(&sink).unwrap();
    assert!(got == paste, "{} of {}", got.len(), paste.len());
}

/// A proxy or a library may cut a message anywhere.
#[tokio::test]
async fn a_message_in_parts_is_typed_whole() {
    use futures_util::SinkExt;
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::tungstenite::protocol::frame::Frame;
    use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

    let (_app, _ada, mut terminal) = seated().await;
    let parts = [
        ("echo pa''", Data::Binary, false),
        ("rts", Data::Continue, false),
        ("\r", Data::Continue, true),
    ];
    for (text, kind, last) in parts {
        let frame = Frame::message(text, OpCode::Data(kind), last);
        terminal
            .ws
            .stream
            .send(Message::Frame(frame))
            .await
            .unwrap();
    }
    terminal.until("parts\r").await;
}

/// A prompt is not for whatever a person has started by hand: it waits for the shell.
/// Types a command that keeps what is typed in `kept`, and a line for it.
async fn keeps_one(app: &TestApp, terminal: &mut Terminal, command: &str) {
    let kept = app.dir().join("kept");
    terminal.type_in(&format!("{command}\r")).await;
    // Before that the terminal is still the shell's, which takes the end of a line otherwise.
    until(async || kept.exists()).await;
    terminal.type_in("one\r").await;
    until(async || std::fs::read_to_string(&kept).is_ok_and(|text| text == "one\n")).await;
}

#[tokio::test]
async fn a_prompt_waits_for_what_a_person_has_started() {
    let (app, ada, mut terminal) = seated().await;
    keeps_one(&app, &mut terminal, "cat > kept; echo l''eft").await;
    let path = format!("{SESSIONS}/t/message");
    let task = ada
        .post(&path, &json!({"message": "echo full-$((1+1))"}))
        .await
        .ok(202);
    let path = format!("{SESSIONS}/t/tasks/{}", task["taskId"].as_str().unwrap());
    until(async || ada.get(&format!("{SESSIONS}/t")).await.ok(200)["detail"] == "busy").await;
    terminal.type_in("two\r\u{4}").await;
    terminal.until("left").await;
    let done = ada.get(&format!("{path}?wait=30")).await.ok(200);
    assert_eq!(done["text"], "full-2", "{done}");
    let kept = std::fs::read_to_string(app.dir().join("kept")).unwrap();
    assert_eq!(kept, "one\ntwo\n");
}

/// What handed it over was read by something else: it is handed over again, once it may be.
#[tokio::test]
async fn a_prompt_that_was_read_by_something_else_is_handed_over_again() {
    let (app, ada, mut terminal) = seated().await;
    // The shell itself reads: nothing tells that from its prompt.
    terminal
        .type_in("echo be''gun; read -r eaten; echo a''te\r")
        .await;
    terminal.until("begun").await;
    let path = format!("{SESSIONS}/t/message?wait=30");
    let said = json!({"message": "echo once >> count; echo full-$((1+1))"});
    let done = ada.post(&path, &said).await.ok(200);
    assert_eq!(done["text"], "full-2", "{done}");
    terminal.until("ate").await;
    let count = std::fs::read_to_string(app.dir().join("count")).unwrap();
    assert_eq!(count, "once\n");
}

/// An interrupt of a prompt that waits is for the program that holds the terminal.
#[tokio::test]
async fn an_interrupt_takes_back_a_prompt_that_waits() {
    let (app, ada, mut terminal) = seated().await;
    keeps_one(&app, &mut terminal, "cat > kept").await;
    let path = format!("{SESSIONS}/t/message");
    let task = ada
        .post(&path, &json!({"message": "echo never"}))
        .await
        .ok(202);
    let path = format!("{SESSIONS}/t/tasks/{}", task["taskId"].as_str().unwrap());
    terminal.ws.say(json!({"type": "interrupt"})).await;
    let done = ada.get(&format!("{path}?wait=30")).await.ok(200);
    assert_eq!(done["outcome"], "stopped", "{done}");
    let next = json!({"message": "cat kept"});
    let done = ada
        .post(&format!("{SESSIONS}/t/message?wait=30"), &next)
        .await
        .ok(200);
    assert_eq!(done["text"], "one", "{done}");
    assert!(!terminal.text().contains("never"));
}

#[tokio::test]
async fn questions_are_answered_and_turns_interrupted_at_the_terminal() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    make(&ada, &app, "t", &json!({"permissionMode": "default"})).await;
    let mut ws = attach(&ada, "t?tty=none").await;
    for (approved, outcome) in [(true, "completed"), (false, "stopped")] {
        ws.say(json!({"type": "message", "text": "echo asked"}))
            .await;
        let request = event(&mut ws, "approval_requested").await["requestId"].clone();
        let answer = json!({"type": "approve", "requestId": request, "approved": approved});
        ws.say(answer.clone()).await;
        assert_eq!(event(&mut ws, "turn_ended").await["outcome"], outcome);
        ws.say(answer).await;
        assert_eq!(ws.wait_for("error").await["code"], "already_resolved");
    }
    ws.say(json!({"type": "message", "text": "sleep 600"}))
        .await;
    let request = event(&mut ws, "approval_requested").await["requestId"].clone();
    ws.say(json!({"type": "tool_answer", "toolId": request, "approved": true}))
        .await;
    event(&mut ws, "turn_started").await;
    ws.say(json!({"type": "interrupt", "id": "i"})).await;
    assert_eq!(event(&mut ws, "turn_ended").await["outcome"], "stopped");
    ws.say(json!({"type": "ping", "id": 3})).await;
    assert_eq!(ws.wait_for("pong").await["id"], 3);
}

/// The next event of this type.
async fn event(ws: &mut Ws, kind: &str) -> Value {
    loop {
        let frame = ws.wait_for("json_event").await;
        if frame["event"]["type"] == kind {
            return frame["event"].clone();
        }
    }
}
