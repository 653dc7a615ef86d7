//! Sign-in with an account: the page, the way back, and what is refused.

use super::provider::{Mood, Provider};
use super::*;

/// A page of its own that shows the code.
const ELSEWHERE: &str = "https://provider.example.org/show";
const OAUTH: &str = "/api/providers/acme/oauth";

pub async fn begin(who: &Caller) -> Value {
    who.post(&format!("{OAUTH}/authorize"), &json!({}))
        .await
        .ok(200)
}

/// The same in a browser, with what it holds then.
async fn begin_in_browser(who: &Caller) -> (Value, String) {
    let answer = who.post(&format!("{OAUTH}/authorize"), &json!({})).await;
    let set = answer.headers["set-cookie"].to_str().unwrap().to_owned();
    assert!(set.contains("HttpOnly; SameSite=Lax"), "{set}");
    let (pair, _) = set.split_once(';').unwrap();
    (answer.ok(200), format!("other=1; {pair}"))
}

/// Signs in from the page to the end.
pub async fn sign_in(who: &Caller, app: &TestApp, provider: &Provider) {
    let begun = begin(who).await;
    let back = provider.agree(app, begun["url"].as_str().unwrap()).await;
    finish(who, &json!({"code": back})).await.ok(200);
}

pub async fn finish(who: &Caller, body: &Value) -> crate::app::Answer {
    who.post(&format!("{OAUTH}/callback"), body).await
}

pub async fn stage() -> (Provider, TestApp) {
    let provider = Provider::start();
    let app = TestApp::with(&provider.settings(ELSEWHERE)).await;
    (provider, app)
}

#[tokio::test]
async fn a_person_signs_in_on_the_page_and_their_agents_have_the_token() {
    let (provider, app) = stage().await;
    let (ada, bob) = (app.sign_in("ada").await, app.sign_in("bob").await);
    let begun = ada
        .post("/api/providers/acme/auth", &json!({}))
        .await
        .ok(200);
    let url = begun["auth_url"].as_str().unwrap();
    let back = provider.agree(&app, url).await;
    let done = finish(&ada, &json!({"code": back})).await.ok(200);
    assert_eq!(done["success"], true);
    let one = seen(&ada, "acme").await;
    assert_eq!(
        (&one["status"], &one["methods"]),
        (&json!("oauth"), &json!(["key", "oauth"]))
    );
    assert!(one["expires_at"].is_string(), "{one}");
    assert_eq!(status(&bob, "acme").await, "none");

    let agent = shell(&ada, &app).await;
    let token = variable(&ada, &app, &agent, "ACME_TOKEN").await;
    let (access, refresh) = provider.now(|now| (now.access.clone(), now.last_refresh.clone()));
    assert_eq!(token, access);
    assert_eq!(variable(&ada, &app, &agent, "ACME_KEY").await, "");
    let other = shell(&bob, &app).await;
    assert_eq!(variable(&bob, &app, &other, "ACME_TOKEN").await, "");
    covered(&ada, &app, &agent, &access).await;
    covered(&ada, &app, &agent, &refresh).await;
    assert_eq!(provider.now(|now| now.exchanged), (1, 0));
    assert_eq!(provider.now(|now| now.faults.clone()), [""; 0]);

    // A key takes its place; the tokens are ended.
    let key = json!({"api_key": "sk-acme-0123456789"});
    ada.post("/api/providers/acme/auth", &key).await.ok(200);
    assert_eq!(status(&ada, "acme").await, "key");
    assert_eq!(provider.now(|now| now.revoked.clone()), [refresh, access]);
    stopped(&ada, &agent).await;
    assert_eq!(
        variable(&ada, &app, &agent, "ACME_KEY").await,
        "sk-acme-0123456789"
    );
    assert_eq!(variable(&ada, &app, &agent, "ACME_TOKEN").await, "");
}

#[tokio::test]
async fn a_browser_that_is_sent_back_needs_no_token_but_what_it_was_given() {
    let (provider, app) = stage().await;
    let ada = app.sign_in("ada").await;
    let (begun, cookie) = begin_in_browser(&ada).await;
    let back = provider.agree(&app, begun["url"].as_str().unwrap()).await;
    let (_, query) = back.split_once('?').unwrap();
    let visit_with = async |query: &str, cookie: &str| {
        let url = format!("{}{OAUTH}/callback{query}", app.url());
        let request = app.http.get(url).header("cookie", cookie);
        crate::app::answer(request).await
    };
    let visit = async |query: &str| visit_with(query, &cookie).await;
    visit("").await.fails(400, "bad_state");
    // Somebody who was led to the page of another one's sign-in is not signed in for them.
    let (_, other) = begin_in_browser(&app.sign_in("bob").await).await;
    for stranger in ["", "a=b", "callboard_sign_in=", &other] {
        visit_with(&format!("?{query}"), stranger)
            .await
            .fails(400, "bad_state");
    }
    visit("?code=x&state=x").await.fails(400, "bad_state");
    for name in ["nobody", "anthropic"] {
        let url = format!("{}{PROVIDERS}/{name}/oauth/callback?{query}", app.url());
        let refused = crate::app::answer(app.http.get(url)).await;
        refused.fails(400, "bad_state");
    }
    visit(&format!("?{query}")).await.ok(200);
    visit(&format!("?{query}")).await.fails(400, "bad_state");
    assert_eq!(status(&ada, "acme").await, "oauth");
    assert!(!app.log().contains(begun["state"].as_str().unwrap()));
    assert!(!app.log().contains("code%2F") && !app.log().contains("code/"));

    // Nobody agreed.
    let (begun, cookie) = begin_in_browser(&ada).await;
    let visit = async |query: &str| visit_with(query, &cookie).await;
    let no = format!(
        "?error=access_denied&state={}",
        begun["state"].as_str().unwrap()
    );
    visit(&no).await.fails(400, "sign_in_refused");
    visit(&no).await.fails(400, "bad_state");
}

#[tokio::test]
async fn a_state_is_its_owner_s_and_good_once() {
    let (provider, app) = stage().await;
    let (ada, bob) = (app.sign_in("ada").await, app.sign_in("bob").await);
    let begun = begin(&ada).await;
    let (url, state) = (
        begun["url"].as_str().unwrap(),
        begun["state"].as_str().unwrap(),
    );
    assert!(url.contains(&format!("state={state}")), "{url}");
    assert!(!url.contains("verifier"), "{url}");
    let other = begin(&ada).await;
    assert_ne!(other["state"], begun["state"]);
    let back = provider.agree(&app, url).await;
    let code = back
        .split_once("code=")
        .unwrap()
        .1
        .split('&')
        .next()
        .unwrap();
    let code = code.replace("%2F", "/");
    let both = json!({"code": code, "state": state});
    let refused = finish(&bob, &both).await.fails(400, "bad_state");
    assert_eq!(refused["field"], "state");
    finish(&ada, &json!({"code": code, "state": "x"}))
        .await
        .fails(400, "bad_state");
    finish(&ada, &json!({"code": code}))
        .await
        .fails(400, "bad_field");
    finish(&ada, &json!({"state": state}))
        .await
        .fails(400, "bad_field");
    finish(&ada, &json!({"code": 5, "state": state}))
        .await
        .fails(400, "bad_field");
    assert_eq!(provider.now(|now| now.exchanged), (0, 0));
    finish(&ada, &json!({"code": format!("{code}#{state}")}))
        .await
        .ok(200);
    finish(&ada, &both).await.fails(400, "bad_state");
    assert_eq!(status(&bob, "acme").await, "none");
    // The first state with the code of another one: the exchange is refused.
    let wrong = json!({"code": "code/none", "state": other["state"]});
    finish(&ada, &wrong).await.fails(400, "sign_in_refused");
    assert_eq!(status(&ada, "acme").await, "oauth", "what was there stays");
    assert_eq!(provider.now(|now| now.faults.clone()), [""; 0]);

    let eve = app.sign_in("eve").await;
    let path = format!("{OAUTH}/authorize");
    eve.post(&path, &json!({})).await.fails(403, "forbidden");
    let unknown = "/api/providers/nobody/oauth/authorize";
    ada.post(unknown, &json!({})).await.fails(404, "not_found");
    let without = "/api/providers/anthropic/oauth/authorize";
    ada.post(without, &json!({}))
        .await
        .fails(409, "oauth_unsupported");
}

#[tokio::test]
async fn a_provider_that_fails_signs_nobody_in() {
    let (provider, app) = stage().await;
    let ada = app.sign_in("ada").await;
    for (mood, status, code) in [
        (Mood::Refuses, 400, "sign_in_refused"),
        (Mood::Breaks, 503, "provider_unavailable"),
        (Mood::Redirects, 503, "provider_unavailable"),
        (Mood::Floods, 503, "provider_unavailable"),
        (Mood::Babbles, 503, "provider_unavailable"),
    ] {
        let begun = begin(&ada).await;
        let back = provider.agree(&app, begun["url"].as_str().unwrap()).await;
        provider.now(|now| now.mood = mood);
        let refused = finish(&ada, &json!({"code": back})).await;
        let refused = refused.fails(status, code);
        assert!(!refused.to_string().contains("leak-of"), "{refused}");
        provider.now(|now| now.mood = Mood::Fair);
        assert_eq!(super::status(&ada, "acme").await, "none");
    }
    let begun = begin(&ada).await;
    let back = provider.agree(&app, begun["url"].as_str().unwrap()).await;
    drop(provider);
    let refused = finish(&ada, &json!({"code": back})).await;
    refused.fails(503, "provider_unavailable");
}

#[tokio::test]
async fn a_sign_out_ends_the_tokens_at_the_provider() {
    let (provider, app) = stage().await;
    let ada = app.sign_in("ada").await;
    sign_in(&ada, &app, &provider).await;
    let tokens = provider.now(|now| vec![now.last_refresh.clone(), now.access.clone()]);
    let gone = ada.delete("/api/providers/acme/auth").await.ok(200);
    assert_eq!(
        (&gone["removed"], &gone["revoked"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(provider.now(|now| now.revoked.clone()), tokens);
    assert_eq!(status(&ada, "acme").await, "none");

    sign_in(&ada, &app, &provider).await;
    provider.now(|now| now.mood = Mood::Breaks);
    let gone = ada.delete("/api/providers/acme/auth").await.ok(200);
    assert_eq!(
        (&gone["removed"], &gone["revoked"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(status(&ada, "acme").await, "none");
}
