//! The WebSockets with every credential, in every place that takes one, and their frames.
//! Never a frame that is refused and does something all the same.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::credentials::{Person, bad};
use super::stage::Stage;
use crate::app::{Answer, Caller, TestApp, Ws, until};
use crate::approvals::{question, send};
use crate::doors_terminals::{SESSIONS, Terminal, make};
use crate::keys::with_key;
use crate::people::{id_of, patch};

/// Where a WebSocket takes a token or a key.
pub const PLACES: [&str; 5] = [
    "authorization",
    "x-api-key",
    "token",
    "access_token",
    "api_key",
];

pub fn sockets(agent: &str) -> [String; 4] {
    let one = format!("{SESSIONS}/{agent}");
    [
        "/ws".to_owned(),
        format!("{one}/ws"),
        format!("{one}/terminal"),
        one,
    ]
}

/// Knocks with the token in this place: a header, or the address as a browser does.
pub async fn knock(
    who: &Caller,
    path: &str,
    place: &'static str,
    token: &str,
) -> Result<Ws, Box<Answer>> {
    match place {
        "authorization" => {
            let value = format!("Bearer {token}");
            who.handshake(path, &[(place, &value)]).await
        }
        "x-api-key" => who.handshake(path, &[(place, token)]).await,
        _ => who.handshake(&format!("{path}?{place}={token}"), &[]).await,
    }
}

#[tokio::test]
async fn sockets_refuse_what_is_bad_wherever_it_stands() {
    let stage = Stage::set().await;
    let bad = bad(&stage.app).await;
    let owner = stage.caller(Person::Owner);
    for path in sockets(&stage.owned.agent.id) {
        for credential in &bad {
            let Some(token) = &credential.token else {
                let refused = owner.handshake(&path, &[]).await.err().unwrap();
                refused.fails(401, credential.code);
                continue;
            };
            for place in PLACES.into_iter().chain(["ticket"]) {
                let refused = knock(owner, &path, place, token).await.err();
                let code = match place {
                    "ticket" => "bad_ticket",
                    _ => credential.code,
                };
                let refused =
                    refused.map(|reply| (reply.status.as_u16(), reply.json()["code"].clone()));
                let named = credential.name;
                assert_eq!(
                    refused,
                    Some((401, code.into())),
                    "{path}: {named} as {place}"
                );
            }
        }
        // A ticket is good once, and no token is one.
        let made = owner.get("/api/auth/ws-ticket").await.ok(200);
        let ticket = made["token"].as_str().unwrap();
        knock(owner, &path, "ticket", ticket).await.unwrap();
        for (place, text) in [
            ("ticket", ticket),
            ("token", ticket),
            ("ticket", owner.token.as_str()),
        ] {
            let refused = knock(owner, &path, place, text).await.err().unwrap();
            refused.fails(401, "bad_ticket");
        }
    }
}

#[tokio::test]
async fn sockets_open_for_whom_the_table_says() {
    let stage = Stage::set().await;
    let owner = stage.caller(Person::Owner);
    for path in sockets(&stage.owned.agent.id) {
        for person in Person::ALL {
            let token = &stage.caller(person).token;
            let foreign = matches!(person, Person::Stranger | Person::Viewer) && path != "/ws";
            for place in PLACES {
                let tried = knock(owner, &path, place, token).await.err();
                let status = tried.map(|reply| reply.status.as_u16());
                assert_eq!(
                    status,
                    foreign.then_some(404),
                    "{path} by {person:?} as {place}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_socket_follows_and_drives_what_its_person_may() {
    let stage = Stage::set().await;
    for person in Person::ALL {
        let caller = stage.caller(person);
        let mut ws = caller.ws().await;
        ws.wait_for("connected").await;
        for (whose, things) in [
            (Person::Owner, &stage.owned),
            (Person::Viewer, &stage.viewed),
        ] {
            let agent = &things.agent.id;
            let sees = person.governs() || person == whose;
            ws.say(json!({"type": "subscribe", "id": 1, "channels": ["*"], "agentId": agent}))
                .await;
            let said = ws.wait_for(if sees { "hello" } else { "error" }).await;
            assert!(sees || said["code"] == "not_found", "{person:?}: {said}");
            let word = json!({"type": "message", "id": 2, "agentId": agent, "content": "x"});
            ws.say(word).await;
            let drives = sees && person != Person::Viewer;
            let said = ws.wait_for(if drives { "ack" } else { "error" }).await;
            let code = if sees { "forbidden" } else { "not_found" };
            assert!(drives || said["code"] == code, "{person:?}: {said}");
            if !drives {
                let asked = &things.question.id;
                ws.say(json!({"type": "approve", "requestId": asked, "approved": true}))
                    .await;
                let said = ws.wait_for("error").await;
                assert_eq!(said["code"], code, "{person:?}: {said}");
            }
        }
    }
}

#[tokio::test]
async fn a_terminal_takes_keys_from_those_who_may_type() {
    let stage = Stage::set().await;
    let path = format!("/api/agents/sessions/{}", stage.viewed.agent.id);
    let viewer = stage.caller(Person::Viewer);
    let bearer = format!("Bearer {}", viewer.token);
    let mut ws = viewer
        .try_ws(&path, &[("authorization", &bearer)])
        .await
        .unwrap();
    let hello = ws.wait_for("hello").await;
    assert_eq!(hello["writable"], false);
    ws.say(json!({"type": "message", "text": "x"})).await;
    assert_eq!(ws.wait_for("error").await["code"], "forbidden");
    let owner = stage.caller(Person::Owner);
    let path = format!("/api/agents/sessions/{}", stage.owned.agent.id);
    let bearer = format!("Bearer {}", owner.token);
    let mut ws = owner
        .try_ws(&path, &[("authorization", &bearer)])
        .await
        .unwrap();
    assert_eq!(ws.wait_for("hello").await["writable"], true);
    ws.say(json!({"type": "message", "text": "x"})).await;
    ws.wait_for("accepted").await;
    let queue = format!("/api/agents/{}/queue", stage.owned.agent.id);
    until(async || owner.get(&queue).await.ok(200)["depth"].as_u64() > Some(1)).await;
}

/// What drives a terminal, as text frames; `question` is open.
fn frames(question: &Value) -> [Value; 6] {
    [
        json!({"type": "input", "text": "touch never\r"}),
        json!({"type": "message", "text": "touch never"}),
        json!({"type": "resize", "rows": 7, "cols": 77}),
        json!({"type": "interrupt"}),
        json!({"type": "approve", "requestId": question, "approved": true}),
        json!({"type": "tool_answer", "toolId": question, "approved": true}),
    ]
}

/// Sends every frame to this terminal, and the same keys as bytes: each is refused with this code.
async fn refused_all(who: &Caller, path: &str, question: &Value, code: &str) {
    use futures_util::SinkExt;

    let mut ws = knock(who, path, "authorization", &who.token).await.unwrap();
    for frame in frames(question) {
        ws.say(frame.clone()).await;
        let said = ws.wait_for("error").await;
        assert_eq!(said["code"], code, "{path}: {frame}: {said}");
    }
    let keys = Message::binary(b"touch never\r".to_vec());
    ws.stream.send(keys).await.unwrap();
    assert_eq!(ws.wait_for("error").await["code"], code, "{path}: keys");
}

#[tokio::test]
async fn a_terminal_refuses_every_frame_of_those_who_may_only_look() {
    let app = TestApp::start().await;
    let (admin, ada) = (app.sign_in("admin").await, app.sign_in("ada").await);
    let (bob, eve) = (app.sign_in("bob").await, app.sign_in("eve").await);
    let account = format!("/api/users/{}", id_of(&admin, "eve").await);
    patch(&admin, &account, &json!({"role": "member"}))
        .await
        .ok(200);
    let mut asked = Vec::new();
    for who in [&ada, &eve] {
        let asks = json!({"permissionMode": "default"});
        let made = make(who, &app, "t", &asks).await;
        let id = made["id"].as_str().unwrap().to_owned();
        send(who, &id, "touch never").await;
        let request = question(who, &id).await["requestId"].clone();
        asked.push((id, request));
    }
    patch(&admin, &account, &json!({"role": "viewer"}))
        .await
        .ok(200);
    let (looks, _) = with_key(&ada, &["read"]).await;
    let (governs, _) = with_key(&admin, &["admin"]).await;
    let (stranger, _) = with_key(&bob, &["write"]).await;
    let [(hers, of_hers), (theirs, of_theirs)] = &asked[..] else {
        panic!("{asked:?}");
    };
    for tail in [
        "?tty=none",
        "/ws?tty=none",
        "/terminal?tty=none",
        "?format=raw&tty=none",
    ] {
        let path = |id: &str| format!("{SESSIONS}/{id}{tail}");
        refused_all(&eve, &path(theirs), of_theirs, "forbidden").await;
        refused_all(&looks, &path(hers), of_hers, "missing_scope").await;
        refused_all(&governs, &path(hers), of_hers, "missing_scope").await;
        for who in [&bob, &stranger] {
            let refused = knock(who, &path(hers), "authorization", &who.token).await;
            refused.err().unwrap().fails(404, "not_found");
        }
    }
    // Whoever may drive them finds them as they were, and what they type comes behind the rest.
    for (who, (id, request)) in [(&ada, &asked[0]), (&admin, &asked[1])] {
        assert_eq!(question(who, id).await["requestId"], *request);
        let tasks = who.get(&format!("/api/agents/{id}/tasks")).await.ok(200);
        assert_eq!(tasks["total"], 1, "{tasks}");
        let deny = json!({"requestId": request, "approved": false});
        who.post("/api/chat/approve", &deny).await.ok(200);
        let mut terminal = Terminal::open(who, id, "").await;
        terminal.prompt().await;
        terminal
            .type_in("stty size; [ -e never ] && echo th''ere; echo e''nd\r")
            .await;
        terminal.until("\nend").await;
        let shown = terminal.text();
        assert!(
            !shown.contains("7 77") && !shown.contains("there"),
            "{shown}"
        );
    }
}
