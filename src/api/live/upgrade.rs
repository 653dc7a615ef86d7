//! The handshake of a WebSocket, and the answer that carries its connection.
//!
//! Never more than the handshake: who speaks is the business of whoever asks.

use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};

use super::Socket;
use super::speech::Speech;
use crate::domain::{Error, Result};

/// Takes the handshake of a request.
///
/// # Errors
/// `bad_handshake`.
pub fn handshake(request: &HttpRequest) -> Result<HttpResponseBuilder> {
    actix_web_actors::ws::handshake(request).map_err(|error| Error::Invalid {
        code: "bad_handshake",
        field: String::new(),
        message: error.to_string(),
        expected: Some("a WebSocket handshake of version 13".into()),
    })
}

/// The answer to a handshake: the connection, which carries `speech`.
pub fn carry<S: Speech>(
    mut response: HttpResponseBuilder,
    speech: S,
    payload: web::Payload,
) -> HttpResponse {
    response.streaming(Socket::body(speech, payload))
}
