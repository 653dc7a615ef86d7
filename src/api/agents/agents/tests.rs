//! What a client asks for.

use super::*;
use crate::domain::Error;

#[test]
fn what_a_client_asks_for_is_read_under_every_spelling() {
    let request = actix_web::test::TestRequest::post().to_http_request();
    let body = |text: &str| Fields::parse(bytes::Bytes::copy_from_slice(text.as_bytes()));
    for name in ["agentType", "agent", "kind", "backend"] {
        let asked = requested(
            &request,
            &body(&format!("{{\"{name}\":\"script\"}}")).unwrap(),
        );
        assert_eq!(asked.unwrap().kind.as_deref(), Some("script"));
    }
    let asked = requested(&request, &body(r#"{"cwd":"/x","start":false}"#).unwrap()).unwrap();
    assert_eq!(asked.cwd.as_deref(), Some("/x"));
    assert_eq!(asked.lazy, Lazy::Yes);
    let bad = requested(&request, &body(r#"{"onUncertain":"maybe"}"#).unwrap());
    let Error::Invalid { code, .. } = bad.unwrap_err().0 else {
        panic!("accepted");
    };
    assert_eq!(code, "bad_on_uncertain");
}
