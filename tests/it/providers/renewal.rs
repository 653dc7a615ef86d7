//! Tokens that end: renewed ahead of that, once, and what is said when they are not.

use super::accounts::{sign_in, stage};
use super::provider::Mood;
use super::*;

#[tokio::test]
async fn a_token_is_renewed_once_for_all_agents_that_start() {
    let (provider, app) = stage().await;
    let ada = app.sign_in("ada").await;
    provider.now(|now| now.life = 60);
    sign_in(&ada, &app, &provider).await;
    let first = provider.now(|now| now.access.clone());
    provider.now(|now| now.life = 3_600);
    let mut agents = Vec::new();
    for _ in 0..4 {
        agents.push(shell(&ada, &app).await);
    }
    let told = agents
        .iter()
        .map(|agent| variable(&ada, &app, agent, "ACME_TOKEN"));
    let told = futures_util::future::join_all(told).await;
    let access = provider.now(|now| now.access.clone());
    assert_ne!(access, first);
    assert_eq!(told, vec![access.clone(); 4]);
    assert_eq!(provider.now(|now| now.exchanged), (1, 1));
    assert_eq!(provider.now(|now| now.faults.clone()), [""; 0]);
    covered(&ada, &app, &agents[0], &access).await;
    assert_eq!(status(&ada, "acme").await, "oauth");

    // Refresh tokens change: the next one is used for the next time.
    provider.now(|now| now.life = 60);
    for _ in 0..2 {
        let body = json!({});
        let path = format!("{PROVIDERS}/acme/auth");
        ada.delete(&path).await.ok(200);
        sign_in(&ada, &app, &provider).await;
        for _ in 0..2 {
            stopped(&ada, &agents[0]).await;
            let told = variable(&ada, &app, &agents[0], "ACME_TOKEN").await;
            assert_eq!(told, provider.now(|now| now.access.clone()), "{body}");
        }
    }
    assert_eq!(provider.now(|now| now.exchanged), (3, 5));
    assert_eq!(provider.now(|now| now.faults.clone()), [""; 0]);
}

#[tokio::test]
async fn a_renewal_that_fails_is_told_and_tried_again() {
    let (provider, app) = stage().await;
    let ada = app.sign_in("ada").await;
    provider.now(|now| now.life = 200);
    sign_in(&ada, &app, &provider).await;
    let first = provider.now(|now| now.access.clone());
    provider.now(|now| now.mood = Mood::Breaks);
    let agent = shell(&ada, &app).await;
    let told = variable(&ada, &app, &agent, "ACME_TOKEN").await;
    assert_eq!(told, first, "it is good for a while");
    let one = seen(&ada, "acme").await;
    assert_eq!(one["status"], "error");
    let why = one["error"].as_str().unwrap();
    assert!(why.contains("500") && !why.contains("leak-of"), "{why}");
    provider.now(|now| now.mood = Mood::Fair);
    stopped(&ada, &agent).await;
    let told = variable(&ada, &app, &agent, "ACME_TOKEN").await;
    assert_eq!(told, provider.now(|now| now.access.clone()));
    assert_ne!(told, first);
    let one = seen(&ada, "acme").await;
    assert_eq!(
        (&one["status"], &one["error"]),
        (&json!("oauth"), &Value::Null)
    );
}

#[tokio::test]
async fn a_sign_in_that_is_over_starts_no_agent_with_the_server_s_own() {
    let (provider, app) = stage().await;
    let ada = app.sign_in("ada").await;
    provider.now(|now| now.life = 0);
    sign_in(&ada, &app, &provider).await;
    provider.now(|now| now.mood = Mood::Refuses);
    let agent = shell(&ada, &app).await;
    let start = format!("/api/agents/{agent}/start");
    for _ in 0..2 {
        let refused = ada.post(&start, &json!({})).await;
        let refused = refused.fails(503, "spawn_failed");
        let words = refused["error"].as_str().unwrap();
        assert!(
            words.contains("acme") && words.contains("sign in again"),
            "{words}"
        );
    }
    let one = seen(&ada, "acme").await;
    assert_eq!(one["status"], "error");
    assert!(
        one["error"].as_str().unwrap().contains("invalid_grant"),
        "{one}"
    );
    // It was asked once; a new sign-in mends it.
    provider.now(|now| (now.mood, now.life) = (Mood::Fair, 3_600));
    let exchanged = provider.now(|now| now.exchanged);
    ada.post(&start, &json!({}))
        .await
        .fails(503, "spawn_failed");
    assert_eq!(provider.now(|now| now.exchanged), exchanged);
    sign_in(&ada, &app, &provider).await;
    let told = variable(&ada, &app, &agent, "ACME_TOKEN").await;
    assert_eq!(told, provider.now(|now| now.access.clone()));
}

#[tokio::test]
async fn a_token_that_cannot_be_renewed_says_when_it_is_over() {
    let (provider, app) = stage().await;
    let ada = app.sign_in("ada").await;
    provider.now(|now| (now.bare, now.life) = (true, 0));
    sign_in(&ada, &app, &provider).await;
    let one = seen(&ada, "acme").await;
    assert_eq!(one["status"], "error");
    assert!(one["error"].as_str().unwrap().contains("over"), "{one}");
    assert_eq!(provider.now(|now| now.exchanged), (1, 0));
}
