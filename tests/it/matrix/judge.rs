//! The judge itself: what it lets pass, and what not.
//! Never a fault that it overlooks because the rest is right.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{Answer, Document};

fn judged(method: Method, path: &str, status: u16, body: &Value) -> Result<(), String> {
    let mut headers = reqwest::header::HeaderMap::new();
    headers.insert("content-type", "application/json".parse().unwrap());
    let reply = Answer {
        status: StatusCode::from_u16(status).unwrap(),
        headers,
        text: body.to_string(),
    };
    Document::kept().judge(&method, path, &reply)
}

fn refusal(code: &str) -> Value {
    json!({"error": "no", "code": code, "requestId": "0".repeat(32)})
}

#[test]
fn a_path_leads_where_the_routes_lead() {
    let id = uuid::Uuid::new_v4().to_string();
    for (path, place) in [
        ("/api/agents".to_owned(), Some("/api/agents")),
        (format!("/api/agents/{id}"), Some("/api/agents/{id}")),
        (
            "/api/agents/sessions".to_owned(),
            Some("/api/agents/sessions"),
        ),
        (
            "/api/agents/sessions/x/ws".to_owned(),
            Some("/api/agents/sessions/{name}/ws"),
        ),
        (
            format!("/api/agents/{id}/queue/order"),
            Some("/api/agents/{id}/queue/order"),
        ),
        (
            format!("/api/agents/{id}/queue/{id}"),
            Some("/api/agents/{id}/queue/{task}"),
        ),
        ("/docs".to_owned(), Some("/docs")),
        ("/docs/".to_owned(), Some("/docs/")),
        ("/docs/x.js".to_owned(), Some("/docs/{file}")),
        // Below the sessions there are names and no agents.
        ("/api/agents/sessions/tasks/x".to_owned(), None),
        ("/api/agents/".to_owned(), None),
        ("/api/chat/approvals".to_owned(), None),
        ("//api/agents".to_owned(), None),
    ] {
        assert_eq!(Document::kept().place(&path), place, "{path}");
    }
}

#[test]
fn what_the_document_does_not_tell_is_a_fault() {
    let removed = json!({"deleted": true});
    let rule = format!("/api/chat/approvals/overrides/{}", uuid::Uuid::new_v4());
    let agents = "/api/agents";
    judged(Method::DELETE, &rule, 200, &removed).unwrap();
    judged(Method::DELETE, &rule, 404, &refusal("not_found")).unwrap();
    judged(Method::GET, agents, 400, &refusal("bad_field")).unwrap();
    for (method, path, status, body, fault) in [
        (Method::DELETE, rule.as_str(), 202, &removed, "the status"),
        (
            Method::DELETE,
            &rule,
            200,
            &json!({}),
            "$.deleted is missing",
        ),
        (
            Method::DELETE,
            &rule,
            200,
            &json!({"deleted": 1}),
            "$.deleted is 1",
        ),
        (
            Method::DELETE,
            &rule,
            200,
            &json!({"deleted": true, "more": 1}),
            "$.more is not documented",
        ),
        (
            Method::GET,
            agents,
            400,
            &refusal("bad_order"),
            "the code \"bad_order\"",
        ),
        (
            Method::GET,
            agents,
            404,
            &refusal("not_found"),
            "the status",
        ),
        (Method::GET, agents, 400, &json!("no"), "$ is \"no\""),
    ] {
        let told = judged(method.clone(), path, status, body).unwrap_err();
        assert!(told.starts_with(fault), "{told}");
        assert!(told.contains(&format!("{method} {path}")), "{told}");
        assert!(told.contains(&status.to_string()), "{told}");
    }
}

#[test]
fn a_path_that_is_none_is_told_from_a_route_that_is_kept_secret() {
    for (method, path, status, code) in [
        (Method::GET, "/nowhere", 404, "unknown_route"),
        (Method::GET, "/nowhere", 401, "missing_token"),
        (Method::POST, "/nowhere", 403, "missing_scope"),
        (Method::GET, "/nowhere", 421, "bad_host"),
        (Method::PATCH, "/api/agents", 405, "method_not_allowed"),
    ] {
        judged(method, path, status, &refusal(code)).unwrap();
    }
    for (method, path, status, body) in [
        (Method::GET, "/secret", 200, json!({})),
        (Method::GET, "/secret", 404, refusal("not_found")),
        (Method::GET, "/secret", 400, refusal("bad_field")),
        (Method::POST, "/secret", 409, refusal("no_turn")),
        (Method::PATCH, "/api/agents", 404, refusal("unknown_route")),
        (Method::PATCH, "/api/agents", 403, refusal("forbidden")),
        (
            Method::GET,
            "/nowhere",
            404,
            json!({"code": "unknown_route"}),
        ),
    ] {
        judged(method, path, status, &body).unwrap_err();
    }
}
