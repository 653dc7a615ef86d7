//! What the handshake of every WebSocket takes, for the document of the API.
//!
//! Never a token in the address of anything else.

#![expect(dead_code, reason = "shapes are described, not built")]

use utoipa::IntoParams;

/// How a browser signs in, which can send no header.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SocketQuery {
    /// A ticket of `/api/auth/ws-ticket`; it opens one WebSocket.
    ticket: Option<String>,
    /// A token or a ticket.
    token: Option<String>,
    /// Another spelling of `token`.
    access_token: Option<String>,
    /// Another spelling of `token`.
    api_key: Option<String>,
}

/// Without these the answer is `bad_handshake`.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct Handshake {
    /// `websocket`.
    #[param(rename = "Upgrade")]
    upgrade: Option<String>,
    /// 16 bytes in base64.
    #[param(rename = "Sec-WebSocket-Key")]
    key: Option<String>,
    /// `13`.
    #[param(rename = "Sec-WebSocket-Version")]
    version: Option<String>,
}
