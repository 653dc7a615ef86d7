//! The brake on guessing: by account and by address, in the database.

use std::time::Instant;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
use callboard::store::{Store, users};
use diesel::connection::SimpleConnection;
use futures_util::future::join_all;

use super::*;
use crate::app::until;
use crate::canary::places::postgres;

/// A server that believes its proxy, so that each guess can come from elsewhere.
pub const PROXIED: &str = "behind_proxy = true\n";

async fn guess(app: &TestApp, name: &str, password: &str, from: &str) -> Answer {
    let body = json!({"username": name, "password": password});
    let request = app.http.post(app.url() + "/api/auth/login").json(&body);
    answer(request.header("x-forwarded-for", from)).await
}

/// So many wrong guesses, each from an address of its own; all are told the same.
async fn wrong(app: &TestApp, name: &str, count: u8) {
    for n in 0..count {
        let reply = guess(app, name, "wrong", &format!("192.0.2.{n}")).await;
        reply.fails(401, "bad_credentials");
    }
}

fn wait_of(reply: &Answer) -> u64 {
    let body = reply.fails(429, "too_many_attempts");
    let seconds = body["retryAfter"].as_u64().unwrap();
    assert_eq!(reply.headers["retry-after"], seconds.to_string());
    seconds
}

#[tokio::test]
async fn five_failures_shut_an_account_known_or_not_and_a_success_forgets_them() {
    let app = TestApp::with(PROXIED).await;
    let mut told = Vec::new();
    for name in ["ada", "nobody"] {
        wrong(&app, name, 5).await;
        // The right password, from an address that never failed.
        let shut = guess(&app, name, PASSWORD, "198.51.100.1").await;
        assert_eq!(wait_of(&shut), 1);
        told.push(shut.json()["error"].clone());
    }
    assert_eq!(told[0], told[1]);
    // Her other name is no second chance, and does not tell that it is one account.
    for n in 0..4 {
        let other = guess(&app, "ada@example.org", "wrong", &format!("203.0.113.{n}")).await;
        other.fails(401, "bad_credentials");
    }
    guess(&app, "bob", PASSWORD, "198.51.100.2").await.ok(200);
    until(async || guess(&app, "ada", PASSWORD, "198.51.100.3").await.status == 200).await;
    // All is forgotten: four more cost nothing.
    wrong(&app, "ADA", 4).await;
    guess(&app, "ada", PASSWORD, "198.51.100.4").await.ok(200);
}

#[tokio::test]
async fn waits_are_doubled_and_outlive_the_server() {
    let mut app = TestApp::with(PROXIED).await;
    wrong(&app, "ada", 5).await;
    for wait in [1, 2] {
        let from = format!("198.51.100.{wait}");
        assert_eq!(wait_of(&guess(&app, "ada", "wrong", &from).await), wait);
        until(async || guess(&app, "ada", "wrong", &from).await.status == 401).await;
    }
    let left = wait_of(&guess(&app, "ada", PASSWORD, "198.51.100.9").await);
    assert!((3..=4).contains(&left), "{left}");
    let shut = Instant::now();
    app.kill9();
    app.boot().await;
    let reply = guess(&app, "ada", PASSWORD, "198.51.100.9").await;
    // A slow machine may have used the wait up.
    if shut.elapsed().as_secs() < 3 {
        assert!(wait_of(&reply) <= 4);
    }
    until(async || guess(&app, "ada", PASSWORD, "198.51.100.9").await.status == 200).await;
}

#[tokio::test]
async fn an_address_is_shut_for_every_name_and_has_one_spelling() {
    let app = TestApp::with(PROXIED).await;
    for n in 0..5 {
        // What stands in front of the last entry, the client has made up.
        let from = format!("10.9.8.{n}, 2001:db8:1:2::{n}");
        let reply = guess(&app, &format!("name{n}"), "wrong", &from).await;
        reply.fails(401, "bad_credentials");
    }
    for same in [
        "2001:db8:1:2:ffff::1",
        "[2001:db8:1:2::9]:80",
        "1.1.1.1, 2001:db8:1:2::1, ::1",
    ] {
        wait_of(&guess(&app, "ada", PASSWORD, same).await);
    }
    guess(&app, "ada", PASSWORD, "2001:db8:1:3::1")
        .await
        .ok(200);
    for (n, from) in [
        "192.0.2.7",
        "::ffff:192.0.2.7",
        "192.0.2.7:99",
        "[::ffff:192.0.2.7]:1",
        "192.0.2.7",
    ]
    .into_iter()
    .enumerate()
    {
        let reply = guess(&app, &format!("other{n}"), "wrong", from).await;
        reply.fails(401, "bad_credentials");
    }
    wait_of(&guess(&app, "ada", PASSWORD, "::ffff:192.0.2.7").await);
}

#[tokio::test]
async fn without_a_proxy_a_header_is_no_other_address_and_loopback_is_not_exempt() {
    let app = TestApp::start().await;
    for n in 0..5 {
        let reply = guess(&app, &format!("name{n}"), "wrong", &format!("192.0.2.{n}")).await;
        reply.fails(401, "bad_credentials");
    }
    wait_of(&guess(&app, "ada", PASSWORD, "192.0.2.99").await);
    until(async || guess(&app, "ada", PASSWORD, "192.0.2.99").await.status == 200).await;
    // Her success says nothing of the others who share the address.
    guess(&app, "name9", "wrong", "192.0.2.9")
        .await
        .fails(401, "bad_credentials");
    assert_eq!(wait_of(&guess(&app, "ada", PASSWORD, "192.0.2.9").await), 2);
}

#[tokio::test]
async fn guesses_side_by_side_are_counted_before_they_are_looked_at() {
    let app = TestApp::with(PROXIED).await;
    let addresses: Vec<String> = (0..40).map(|n| format!("192.0.2.{n}")).collect();
    let guesses = addresses
        .iter()
        .map(|from| guess(&app, "ada", "wrong", from));
    let replies = join_all(guesses).await;
    let looked_at = replies.iter().filter(|reply| reply.status == 401).count();
    assert!((5..=10).contains(&looked_at), "{looked_at}");
    let rest = replies.iter().filter(|reply| reply.status != 401);
    for reply in rest {
        wait_of(reply);
    }
}

#[tokio::test]
async fn many_who_know_their_password_are_not_shut_out_by_each_other() {
    let app = TestApp::start().await;
    let names = ["ada", "bob", "eve", "admin"];
    let logins = (0..12).map(|n| login(&app, names[n % 4], PASSWORD));
    for reply in join_all(logins).await {
        reply.ok(200);
    }
}

#[tokio::test]
async fn a_weak_hash_is_made_anew_at_the_next_sign_in() {
    let mut app = TestApp::prepared(tempfile::tempdir().unwrap(), "").await;
    let weak = Argon2::new(
        Algorithm::Argon2id,
        Version::V0x13,
        Params::new(256, 1, 1, None).unwrap(),
    );
    let weak: PasswordHash = weak.hash_password(PASSWORD.as_bytes()).unwrap();
    let weak = weak.to_string();
    let store = Store::open(app.dir().join("callboard.db")).unwrap();
    let hash = async || {
        let ada = store.read(|conn| users::by_login(conn, "ada")).await;
        ada.unwrap().unwrap()
    };
    let (id, row) = (hash().await.id, weak.clone());
    store
        .write(move |conn| users::set_hash(conn, id, &row))
        .await
        .unwrap();
    app.boot().await;
    login(&app, "ada", "wrong")
        .await
        .fails(401, "bad_credentials");
    assert_eq!(hash().await.password_hash, weak);
    login(&app, "ada", PASSWORD).await.ok(200);
    let strong = hash().await.password_hash;
    assert!(
        strong.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
        "{strong}"
    );
    login(&app, "ada", PASSWORD).await.ok(200);
    assert_eq!(hash().await.password_hash, strong);
    login(&app, "ada", "wrong")
        .await
        .fails(401, "bad_credentials");
}

#[tokio::test]
async fn only_a_trusted_proxy_says_whose_address_counts() {
    let settings = |proxies: &str| format!("behind_proxy = true\ntrusted_proxies = {proxies}\n");
    // The peer of these requests is 127.0.0.1: here it is none.
    let app = TestApp::with(&settings("[\"10.0.0.0/8\"]")).await;
    for n in 0..5 {
        let reply = guess(&app, &format!("name{n}"), "wrong", &format!("192.0.2.{n}")).await;
        reply.fails(401, "bad_credentials");
    }
    wait_of(&guess(&app, "ada", PASSWORD, "192.0.2.99").await);
    // Here it is one, behind others; with nothing named, those would be the clients.
    let app = TestApp::with(&settings("[\"127.0.0.1\", \"10.0.0.0/8\"]")).await;
    for n in 0..5 {
        let from = format!("192.0.2.{n}, 10.1.1.1");
        let reply = guess(&app, &format!("name{n}"), "wrong", &from).await;
        reply.fails(401, "bad_credentials");
    }
    let elsewhere = guess(&app, "ada", PASSWORD, "192.0.2.99, 10.1.1.1").await;
    elsewhere.ok(200);
    for n in 0..5 {
        let from = format!("198.51.100.1, 10.1.1.{n}");
        let reply = guess(&app, &format!("other{n}"), "wrong", &from).await;
        reply.fails(401, "bad_credentials");
    }
    wait_of(&guess(&app, "ada", PASSWORD, "198.51.100.1, 10.2.2.2").await);
}

/// The command beside a server or without one.
fn unlock(app: &TestApp, name: &str) -> Option<i32> {
    let done = std::process::Command::new(env!("CARGO_BIN_EXE_callboard"))
        .args(["user", "unlock", name, "--data-dir"])
        .arg(app.dir())
        .env("HOME", "/nonexistent")
        .envs(postgres(app).map(|url| ("CALLBOARD_DATABASE_URL", url)))
        .output()
        .unwrap();
    done.status.code()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_opened_by_the_command_while_no_server_runs() {
    opened_by_the_command(TestApp::with(PROXIED).await).await;
}

/// The body of that test for either database; the server is one that is [`PROXIED`].
pub async fn opened_by_the_command(mut app: TestApp) {
    wrong(&app, "ada", 5).await;
    wrong(&app, "bob", 5).await;
    assert_eq!(unlock(&app, "ada"), Some(9), "a server runs");
    app.stop().await;
    // None of these waits ends by itself in a test.
    let rows = Store::open(app.database()).unwrap();
    let longer = "UPDATE attempts SET wait_ms = 900000 \
                  WHERE key LIKE 'name:%' OR key LIKE 'account:%'";
    let done = rows.write(move |conn| Ok(conn.batch_execute(longer)?));
    done.await.unwrap();
    drop(rows);
    app.boot().await;
    for name in ["ada", "bob"] {
        let shut = guess(&app, name, PASSWORD, "198.51.100.1").await;
        assert!(wait_of(&shut) > 60, "{}", shut.text);
    }
    app.stop().await;
    assert_eq!(unlock(&app, "nobody"), Some(4));
    assert_eq!(unlock(&app, "ada@example.org"), Some(0));
    app.boot().await;
    guess(&app, "ada", PASSWORD, "198.51.100.2").await.ok(200);
    wait_of(&guess(&app, "bob", PASSWORD, "198.51.100.2").await);
    let admin = app.sign_in("admin").await;
    let audit = admin.get("/api/audit").await.ok(200);
    assert!(audit.to_string().contains("user.unlocked"), "{audit}");
}
