//! The Idempotency-Key of a request.
//!
//! Never takes two different requests for one: the digest is over route and body.

use actix_web::HttpRequest;
use sha2::{Digest, Sha256};

use super::Fields;
use crate::domain::Error;
use crate::domain::prompt::IdempotencyKey;

/// Reads the key of a request, if it has one.
///
/// # Errors
/// `bad_idempotency_key`.
pub fn key(request: &HttpRequest, body: &Fields) -> Result<Option<IdempotencyKey>, Error> {
    key_over(request, body.raw())
}

/// The same with the bytes of the body.
///
/// # Errors
/// `bad_idempotency_key`.
pub fn key_over(request: &HttpRequest, body: &[u8]) -> Result<Option<IdempotencyKey>, Error> {
    let Some(value) = request.headers().get("idempotency-key") else {
        return Ok(None);
    };
    let bytes = value.as_bytes();
    let visible = bytes.iter().all(u8::is_ascii_graphic);
    let text = value.to_str().ok();
    match text.filter(|_| visible && (1..=255).contains(&bytes.len())) {
        Some(text) => Ok(Some(IdempotencyKey {
            key: text.to_owned(),
            digest: digest(request.method().as_str(), request.path(), body),
        })),
        None => Err(Error::invalid(
            "bad_idempotency_key",
            "Idempotency-Key",
            "the key is empty, too long or has other characters",
            "1 to 255 visible ASCII characters",
        )),
    }
}

fn digest(method: &str, path: &str, body: &[u8]) -> [u8; 32] {
    Sha256::new()
        .chain_update(method.as_bytes())
        .chain_update(b"\0")
        .chain_update(path.as_bytes())
        .chain_update(b"\0")
        .chain_update(body)
        .finalize()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn of(value: &str) -> Result<Option<IdempotencyKey>, Error> {
        let request = TestRequest::post()
            .insert_header(("Idempotency-Key", value))
            .to_http_request();
        key(&request, &Fields::default())
    }

    #[test]
    fn keys_are_visible_and_bounded() {
        assert!(of("a-1").unwrap().is_some());
        assert!(of(&"x".repeat(255)).unwrap().is_some());
        for bad in ["", "a b", &"x".repeat(256)] {
            assert_eq!(of(bad).unwrap_err().code(), "bad_idempotency_key", "{bad}");
        }
        let none = TestRequest::post().to_http_request();
        assert_eq!(key(&none, &Fields::default()).unwrap(), None);
    }

    #[test]
    fn route_and_body_make_the_digest() {
        let one = digest("POST", "/a", b"x");
        assert_ne!(one, digest("POST", "/b", b"x"));
        assert_ne!(one, digest("POST", "/a", b"y"));
        assert_eq!(one, digest("POST", "/a", b"x"));
    }
}
