//! Every route of the document with every credential, and the sockets with the same.
//! Never a list of routes of its own: the document says what there is, one table what it asks.

mod credentials;
mod judge;
mod keys;
mod rules;
mod sockets;
mod stage;

use std::collections::BTreeSet;

use reqwest::Method;

use crate::app::{Document, TestApp, answer};
use credentials::{Person, bad};
use rules::{RULES, Right};
use stage::Stage;

/// Where an address or a header carries a token to a socket or a stream.
pub fn place_names() -> [&'static str; 5] {
    sockets::PLACES
}

#[tokio::test]
async fn every_route_has_its_rule() {
    let app = TestApp::start().await;
    let document = Document::kept();
    let served = answer(app.http.get(app.url() + "/openapi.json"))
        .await
        .ok(200);
    assert!(document.is(&served), "the server tells another document");
    let routes: BTreeSet<String> = document.routes().into_iter().collect();
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
            for header in ["authorization", "x-api-key"] {
                let mut request = stage.request(rule, &stage.owned.agent);
                if let Some(token) = &credential.token {
                    request = match header {
                        "authorization" => request.bearer_auth(token),
                        _ => request.header(header, token),
                    };
                }
                let reply = answer(request).await;
                let named = credential.name;
                let place = format!("{} with {named} as {header}: {}", rule.route, reply.text);
                if rule.right == Right::Open {
                    assert!(rule.good.contains(&reply.status.as_u16()), "{place}");
                } else {
                    assert_eq!(reply.status, 401, "{place}");
                    assert_eq!(reply.headers["www-authenticate"], "Bearer", "{place}");
                    assert_eq!(reply.code(), credential.code, "{place}");
                }
            }
        }
    }
}

/// Whatever stands in an address lands in logs: there a token is taken for WebSockets and the stream
/// alone.
#[tokio::test]
async fn a_good_token_in_the_address_opens_no_route() {
    let stage = Stage::set().await;
    let owner = stage.caller(Person::Owner);
    let closed = RULES.iter().filter(|rule| rule.right != Right::Open);
    let takes = ["GET /ws", "GET /api/control/stream"];
    for rule in closed.filter(|rule| !takes.contains(&rule.route)) {
        let ticket = owner.get("/api/auth/ws-ticket").await.ok(200)["token"].clone();
        for (name, token) in [
            ("ticket", ticket.as_str().unwrap()),
            ("token", owner.token.as_str()),
            ("access_token", owner.token.as_str()),
            ("api_key", owner.token.as_str()),
        ] {
            let query = format!("?{name}={token}");
            let reply = answer(stage.request_with(rule, &stage.owned.agent, &query)).await;
            reply.fails(401, "missing_token");
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
            if ["POST /api/auth/logout", "DELETE /authentication"].contains(&rule.route) {
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
