//! Tests of signing and checking tokens.

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
    let issued = tokens().issue(&user, "s1", HOUR).unwrap();
    let claims = tokens().verify(&issued.token).unwrap();
    assert_eq!((claims.sub, claims.sid.as_str()), (user.id, "s1"));
    assert_eq!(claims.exp - claims.iat, 3600);
    assert_eq!(issued.expires_at.0, claims.exp * 1000);
    assert_eq!(part(&issued.token, 0)["alg"], "HS256");
}

#[test]
fn a_token_ends_on_the_second() {
    let issued = tokens().issue_at(&ann(), "s", HOUR, 1_000).unwrap();
    assert!(tokens().verify_at(&issued.token, 4_599).is_ok());
    let over = tokens().verify_at(&issued.token, 4_600).unwrap_err();
    assert_eq!(over.code(), "token_expired");
}

#[test]
fn a_clock_set_back_by_a_minute_is_forgiven() {
    let issued = tokens().issue_at(&ann(), "s", HOUR, 1_000).unwrap();
    assert!(tokens().verify_at(&issued.token, 940).is_ok());
    assert_eq!(
        tokens().verify_at(&issued.token, 939).unwrap_err().code(),
        "bad_token"
    );
}

#[test]
fn what_this_server_did_not_sign_is_refused() {
    let issued = tokens().issue(&ann(), "s", HOUR).unwrap();
    let good = part(&issued.token, 1);
    let own = Header::new(Algorithm::HS256);
    assert!(tokens().verify(&signed(&[7; 32], &own, &good)).is_ok());

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
            tokens().verify(&token).unwrap_err().code(),
            "bad_token",
            "{token}"
        );
    }
}

#[test]
fn a_changed_claim_breaks_the_signature() {
    let issued = tokens().issue(&ann(), "s", HOUR).unwrap();
    let parts: Vec<&str> = issued.token.split('.').collect();
    let mut claims = part(&issued.token, 1);
    claims["sub"] = json!(UserId::generate());
    let body = URL_SAFE_NO_PAD.encode(claims.to_string());
    let token = [parts[0], &body, parts[2]].join(".");
    assert_eq!(tokens().verify(&token).unwrap_err().code(), "bad_token");
}
