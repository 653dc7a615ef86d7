//! Every route of the document with every credential, and the sockets with the same.
//! Never a list of routes of its own: the document says what there is, one table what it asks.

mod credentials;
mod document;
mod keys;
mod rules;
mod stage;

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::json;

use crate::app::{Caller, TestApp, Ws, answer, until};
use credentials::{Person, bad};
use document::Document;
use rules::{RULES, Right};
use stage::Stage;

#[tokio::test]
async fn every_route_has_its_rule() {
    let app = TestApp::start().await;
    let routes = Document::of(&app).await.operations();
    let routes: BTreeSet<String> = routes
        .iter()
        .map(|(m, path)| format!("{m} {path}"))
        .collect();
    let ruled: BTreeSet<String> = RULES.iter().map(|rule| rule.route.to_owned()).collect();
    assert_eq!(ruled.len(), RULES.len(), "a route has two rules");
    let missing: Vec<_> = routes.difference(&ruled).collect();
    assert!(missing.is_empty(), "without a rule: {missing:#?}");
    let gone: Vec<_> = ruled.difference(&routes).collect();
    assert!(gone.is_empty(), "there is no such route: {gone:#?}");
}

#[tokio::test]
async fn a_bad_token_opens_what_is_open_and_nothing_else() {
    let stage = Stage::set().await;
    let bad = bad(&stage.app).await;
    for rule in RULES {
        for credential in &bad {
            let mut request = stage.request(rule, &stage.owned);
            if let Some(token) = &credential.token {
                request = request.bearer_auth(token);
            }
            let reply = answer(request).await;
            let place = format!("{} with {}: {}", rule.route, credential.name, reply.text);
            if rule.right == Right::Open {
                assert!(rule.good.contains(&reply.status.as_u16()), "{place}");
            } else {
                assert_eq!(reply.status, 401, "{place}");
                assert_eq!(reply.headers["www-authenticate"], "Bearer", "{place}");
                assert_eq!(reply.json()["code"], credential.code, "{place}");
            }
            stage.judge(rule, &reply);
        }
    }
}

#[tokio::test]
async fn everybody_may_what_the_table_says() {
    let stage = Stage::set().await;
    for rule in RULES {
        for person in Person::ALL {
            let of = stage.object(rule, person).await;
            let mut caller = stage.caller(person).clone();
            if rule.route == "POST /api/auth/logout" {
                caller = stage.app.sign_in(person.username()).await;
            }
            // By the header of keys as well: both carry the same.
            let request = stage.request(rule, &of);
            let request = match person {
                Person::Owner | Person::Viewer => request.bearer_auth(&caller.token),
                Person::Stranger | Person::Admin | Person::Superadmin => {
                    request.header("x-api-key", &caller.token)
                }
            };
            let reply = answer(request).await;
            let expected = rule.expected(person);
            let place = format!("{} by {person:?}: {}", rule.route, reply.text);
            assert!(
                expected.contains(&reply.status.as_u16()),
                "{} is not {expected:?}: {place}",
                reply.status
            );
            stage.judge(rule, &reply);
        }
    }
}

/// Paths beside the routes, and routes under other spellings: no token, no look.
#[tokio::test]
async fn nothing_is_told_of_what_is_no_route() {
    let app = TestApp::start().await;
    for (method, path) in [
        (Method::GET, "/"),
        (Method::GET, "/api/auth/register"),
        (Method::DELETE, "/api/stats"),
        (Method::GET, "/nowhere"),
        (Method::PATCH, "/api/agents"),
        (Method::GET, "/api/agents/not-an-id"),
        (Method::GET, "/api/agents/not-an-id/events?after=bad"),
        (Method::GET, "/api/auth/login"),
        (Method::POST, "/health"),
        (Method::GET, "/health/"),
        (Method::POST, "/docs/"),
        (Method::GET, "/swagger/x"),
        (Method::GET, "/ws?token=x"),
        (Method::GET, "/ws?ticket=x"),
        (Method::GET, "/api/agents?token=x"),
        (Method::GET, "//api/agents"),
        (Method::GET, "/api/%61gents"),
        (Method::OPTIONS, "/api/agents"),
    ] {
        let request = app.http.request(method.clone(), app.url() + path);
        let reply = answer(request.body("{not json")).await;
        assert_eq!(reply.status, 401, "{method} {path}: {}", reply.text);
        assert_eq!(reply.headers["www-authenticate"], "Bearer");
    }
}

fn sockets(agent: &str) -> [String; 4] {
    let one = format!("/api/agents/sessions/{agent}");
    [
        "/ws".to_owned(),
        format!("{one}/ws"),
        format!("{one}/terminal"),
        one,
    ]
}

/// Knocks with the token in a header, or in the address as a browser does.
async fn knock(who: &Caller, path: &str, token: Option<&str>, header: bool) -> Result<Ws, u16> {
    match token {
        None => who.try_ws(path, &[]).await,
        Some(token) if header => {
            let value = format!("Bearer {token}");
            who.try_ws(path, &[("authorization", &value)]).await
        }
        Some(token) => who.try_ws(&format!("{path}?token={token}"), &[]).await,
    }
}

#[tokio::test]
async fn sockets_open_for_whom_the_table_says() {
    let stage = Stage::set().await;
    let bad = bad(&stage.app).await;
    let owner = stage.caller(Person::Owner);
    for path in sockets(&stage.owned.id) {
        for credential in &bad {
            for header in [true, false] {
                let tried = knock(owner, &path, credential.token.as_deref(), header).await;
                let place = format!("{path} with {}", credential.name);
                assert_eq!(tried.err(), Some(401), "{place}");
            }
        }
        for person in Person::ALL {
            let token = Some(stage.caller(person).token.as_str());
            let foreign = matches!(person, Person::Stranger | Person::Viewer) && path != "/ws";
            for header in [true, false] {
                let tried = knock(owner, &path, token, header).await.err();
                assert_eq!(tried, foreign.then_some(404), "{path} by {person:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_socket_follows_and_drives_what_its_person_may() {
    let stage = Stage::set().await;
    for person in Person::ALL {
        let caller = stage.caller(person);
        let foreign = person == Person::Stranger || person == Person::Viewer;
        let mut ws = caller.ws().await;
        ws.wait_for("connected").await;
        for agent in [&stage.owned.id, &stage.viewed.id] {
            let sees = person.governs()
                || (agent == &stage.owned.id && !foreign)
                || (agent == &stage.viewed.id && person == Person::Viewer);
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
        }
    }
}

#[tokio::test]
async fn a_terminal_takes_keys_from_those_who_may_type() {
    let stage = Stage::set().await;
    let path = format!("/api/agents/sessions/{}", stage.viewed.id);
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
    let path = format!("/api/agents/sessions/{}", stage.owned.id);
    let bearer = format!("Bearer {}", owner.token);
    let mut ws = owner
        .try_ws(&path, &[("authorization", &bearer)])
        .await
        .unwrap();
    assert_eq!(ws.wait_for("hello").await["writable"], true);
    ws.say(json!({"type": "message", "text": "x"})).await;
    ws.wait_for("accepted").await;
    let queue = format!("/api/agents/{}/queue", stage.owned.id);
    until(async || owner.get(&queue).await.ok(200)["depth"].as_u64() > Some(1)).await;
}
