//! Tests of the words of OAuth, without a provider.

use super::held::Held;
use super::oauth::{Failed, page, tokens};
use super::outbound::{Answer, Form, Outbound, Unanswered};
use crate::config::Oauth;
use crate::domain::Timestamp;

fn answer(status: u16, body: &str) -> Result<Answer, Unanswered> {
    let body = body.as_bytes().to_vec();
    Ok(Answer { status, body })
}

fn failed(answer: Result<Answer, Unanswered>) -> Failed {
    tokens(answer).err().unwrap()
}

#[test]
fn a_page_has_the_hash_of_the_verifier_and_every_word_encoded() {
    let oauth = Oauth {
        authorize_url: "https://a.example/x?y=1".into(),
        token_url: "https://a.example/t".into(),
        revoke_url: None,
        client_id: "me".into(),
        scopes: vec!["a:b".into(), "c".into()],
        redirect_url: "https://b.example/back".into(),
        token_env: "T".into(),
    };
    // The example of RFC 7636, appendix B.
    let url = page(&oauth, "st", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    assert_eq!(
        url,
        "https://a.example/x?y=1&response_type=code&client_id=me\
         &redirect_uri=https%3A%2F%2Fb.example%2Fback&scope=a%3Ab%20c&state=st\
         &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256"
    );
    let form = Form::default().with("a", "\u{e4}&=+ ~").with("b", "");
    assert_eq!(form.text(), "a=%C3%A4%26%3D%2B%20~&b=");
}

#[test]
fn tokens_are_read_and_what_is_none_is_told_without_its_words() {
    let whole = r#"{"access_token":"access-1","token_type":"bearer","expires_in":60.5,
        "refresh_token":"refresh-1","more":[1]}"#;
    let read = tokens(answer(200, whole)).unwrap_or_else(|_| panic!());
    assert_eq!(read.expires_at(Timestamp(1_000)), Some(Timestamp(61_500)));
    assert!(read.held(None).renews());
    let bare = tokens(answer(200, r#"{"access_token":"access-2"}"#)).unwrap_or_else(|_| panic!());
    assert_eq!(bare.expires_at(Timestamp(1_000)), None);
    assert!(!bare.held(None).renews());
    let Held::Oauth { access, refresh } = bare.held(Some("before".into())) else {
        panic!()
    };
    assert_eq!((&*access, refresh.as_deref()), ("access-2", Some("before")));

    for (status, body) in [
        (200, "{}"),
        (200, "no JSON leak"),
        (200, r#"{"access_token":"leak-leak","token_type":"mac"}"#),
        (200, r#"{"access_token":"leak leak"}"#),
        (200, r#"{"access_token":"leak"}"#),
        (302, "leak"),
        (403, "leak"),
        (429, "leak"),
        (500, r#"{"error":"invalid_grant"}"#),
    ] {
        let Failed::Otherwise(why) = failed(answer(status, body)) else {
            panic!("{status} {body}")
        };
        assert!(!why.contains("leak"), "{why}");
    }
    for (body, said) in [
        (r#"{"error":"invalid_grant"}"#, "invalid_grant"),
        (r#"{"error":"leak"}"#, "status 401"),
        ("leak", "status 401"),
    ] {
        let Failed::Refused(why) = failed(answer(401, body)) else {
            panic!("{body}")
        };
        assert!(why.contains(said) && !why.contains("leak"), "{why}");
    }
    let named = failed(answer(403, r#"{"error":"invalid_grant"}"#));
    assert!(matches!(named, Failed::Refused(_)));
}

#[tokio::test]
async fn a_place_that_is_none_is_told() {
    let outbound = Outbound::default();
    let form = Form::default();
    let nowhere = outbound.post("http://127.0.0.1:1/", &form).await;
    assert_eq!(nowhere.err(), Some(Unanswered::Unreachable));
    let none = outbound.post("no address", &form).await;
    assert_eq!(none.err(), Some(Unanswered::Unusable));
}
