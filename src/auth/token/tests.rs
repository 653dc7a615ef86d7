//! Tests of signing and checking tokens.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::*;
use crate::domain::Role;

const HOUR: Duration = Duration::from_secs(3600);

fn tokens() -> Tokens {
    Tokens::new(&[7; 32])
}

fn ann() -> User {
    User {
        id: UserId::generate(),
        username: "ann".into(),
        email: "ann@example.org".into(),
        role: Role::Member,
        password_hash: String::new(),
        disabled: false,
        created_at: Timestamp(0),
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp(i64::try_from(since.as_millis()).unwrap())
}

fn part(token: &str, n: usize) -> Value {
    let text = token.split('.').nth(n).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
}

fn signed(key: &[u8], header: &Header, claims: &Value) -> String {
    encode(header, claims, &EncodingKey::from_secret(key)).unwrap()
}

#[test]
fn a_token_names_its_person_and_its_row() {
    let user = ann();
    let issued = tokens().issue(&user, "s1", HOUR, now()).unwrap();
    let claims = tokens().verify(&issued.token, now()).unwrap();
    assert_eq!((claims.sub, claims.sid.as_str()), (user.id, "s1"));
    assert_eq!(claims.exp - claims.iat, 3600);
    assert_eq!(issued.expires_at.0, claims.exp * 1000);
    assert_eq!(part(&issued.token, 0)["alg"], "HS256");
}

#[test]
fn a_token_ends_on_the_second() {
    let issued = tokens()
        .issue(&ann(), "s", HOUR, Timestamp(1_000_999))
        .unwrap();
    assert!(tokens().verify(&issued.token, Timestamp(4_599_000)).is_ok());
    let over = tokens()
        .verify(&issued.token, Timestamp(4_600_000))
        .unwrap_err();
    assert_eq!(over.code(), "token_expired");
}

#[test]
fn a_clock_that_was_set_back_refuses_nobody() {
    let issued = tokens()
        .issue(&ann(), "s", HOUR, Timestamp(100_000_000))
        .unwrap();
    let early = tokens().verify(&issued.token, Timestamp(1_000));
    assert_eq!(early.unwrap().iat, 100_000);
}

#[test]
fn what_this_server_did_not_sign_is_refused() {
    let issued = tokens().issue(&ann(), "s", HOUR, now()).unwrap();
    let good = part(&issued.token, 1);
    let own = Header::new(Algorithm::HS256);
    assert!(
        tokens()
            .verify(&signed(&[7; 32], &own, &good), now())
            .is_ok()
    );

    let mut forged = vec![
        String::new(),
        "a.b.c".into(),
        "x".repeat(10_000),
        signed(&[8; 32], &own, &good),
        signed(&[7; 32], &Header::new(Algorithm::HS512), &good),
    ];
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
    let body = issued.token.split('.').nth(1).unwrap();
    forged.push(format!("{none}.{body}."));
    for (claim, value) in [
        ("iss", json!("other")),
        ("aud", json!("other")),
        ("typ", json!("refresh")),
        ("sub", json!("not a uuid")),
        ("nbf", json!(9_999_999_999_i64)),
    ] {
        let mut claims = good.clone();
        claims[claim] = value;
        forged.push(signed(&[7; 32], &own, &claims));
    }
    for claim in ["iss", "aud", "sub", "sid", "typ", "iat", "nbf", "exp"] {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().remove(claim);
        forged.push(signed(&[7; 32], &own, &claims));
    }
    for token in forged {
        assert_eq!(
            tokens().verify(&token, now()).unwrap_err().code(),
            "bad_token",
            "{token}"
        );
    }
}

#[test]
fn a_changed_claim_breaks_the_signature() {
    let issued = tokens().issue(&ann(), "s", HOUR, now()).unwrap();
    let parts: Vec<&str> = issued.token.split('.').collect();
    let mut claims = part(&issued.token, 1);
    claims["sub"] = json!(UserId::generate());
    let body = URL_SAFE_NO_PAD.encode(claims.to_string());
    let token = [parts[0], &body, parts[2]].join(".");
    assert_eq!(
        tokens().verify(&token, now()).unwrap_err().code(),
        "bad_token"
    );
}

#[test]
fn a_token_outlives_one_change_of_the_key_and_names_its_own() {
    let old = tokens().issue(&ann(), "s", HOUR, now()).unwrap().token;
    let older = signed(&[7; 32], &Header::new(Algorithm::HS256), &part(&old, 1));
    assert_eq!(part(&old, 0)["kid"], kid(&[7; 32]));
    let next = Tokens::new(&[8; 32]).also(Some(&[7; 32]));
    assert!(next.verify(&old, now()).is_ok() && next.verify(&older, now()).is_ok());
    let new = next.issue(&ann(), "s", HOUR, now()).unwrap().token;
    assert_eq!(part(&new, 0)["kid"], kid(&[8; 32]));
    assert!(next.verify(&new, now()).is_ok());
    assert_eq!(
        tokens().verify(&new, now()).unwrap_err().code(),
        "bad_token"
    );
    // Signed with a key that is known, under the name of another.
    let mut header = Header::new(Algorithm::HS256);
    for name in [kid(&[7; 32]), "x".into()] {
        header.kid = Some(name);
        let forged = signed(&[8; 32], &header, &part(&new, 1));
        assert_eq!(next.verify(&forged, now()).unwrap_err().code(), "bad_token");
    }
    let after = Tokens::new(&[9; 32]).also(Some(&[8; 32]));
    assert_eq!(after.verify(&old, now()).unwrap_err().code(), "bad_token");
    assert!(after.verify(&new, now()).is_ok());
}

#[test]
fn a_token_that_was_found_good_is_looked_at_again_each_time() {
    let tokens = tokens();
    let issued = tokens
        .issue(&ann(), "s", HOUR, Timestamp(1_000_000))
        .unwrap();
    for _ in 0..2 {
        let claims = tokens.verify(&issued.token, Timestamp(1_000_000)).unwrap();
        assert_eq!(claims.sid, "s");
    }
    let late = tokens.verify(&issued.token, Timestamp(4_600_000));
    assert_eq!(late.unwrap_err().code(), "token_expired");
    let mut other = issued.token;
    let last = other.pop().unwrap();
    other.push(if last == 'A' { 'E' } else { 'A' });
    let refused = tokens.verify(&other, Timestamp(1_000_000));
    assert_eq!(refused.unwrap_err().code(), "bad_token");
}
