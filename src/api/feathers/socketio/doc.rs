//! The shapes of `/socket.io/`, for the document of the API.
//!
//! Never built: what is sent is written by the handlers; tests compare the two.

#![expect(dead_code, reason = "shapes are described, not built")]

use utoipa::{IntoParams, ToSchema};

/// What a request of the protocol is about.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RealtimeQuery {
    /// `4`.
    #[param(rename = "EIO")]
    version: Option<String>,
    /// `polling` or `websocket`.
    transport: Option<String>,
    /// The connection's name, once it has one.
    sid: Option<String>,
}

/// A request that is none of the protocol.
#[derive(ToSchema)]
#[schema(as = RealtimeRefusal)]
pub struct Refusal {
    /// 0: transport unknown, 1: connection unknown, 2: bad handshake method, 3: bad request, 5:
    /// unsupported version.
    #[schema(minimum = 0, maximum = 5)]
    code: u8,
    /// The same for people.
    message: String,
}
