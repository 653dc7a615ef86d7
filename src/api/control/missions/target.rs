//! A mission in a path of this door: its UUID.
//!
//! Never a name: those are the terminals' way.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

use crate::api::shared::work::Target;
use crate::api::shared::{Fault, path_id};
use crate::domain::SessionId;

/// The mission of the path's `{id}`.
pub struct MissionInPath(pub SessionId);

impl Target for MissionInPath {
    fn session(&self) -> SessionId {
        self.0
    }
}

impl FromRequest for MissionInPath {
    type Error = Fault;
    type Future = Ready<Result<Self, Fault>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let text = request.match_info().get("id").unwrap_or_default();
        ready(path_id("mission", text).map(Self))
    }
}
