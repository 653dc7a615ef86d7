//! A session in a path of this door: its owner's name for it, or its id.
//!
//! Never somebody else's name.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};

use crate::api::shared::work::Target;
use crate::api::shared::{Fault, Who};
use crate::app::App;
use crate::domain::{Error, Session, SessionId};

/// The session of the path's `{name}`.
pub struct SessionInPath(pub Session);

impl Target for SessionInPath {
    fn session(&self) -> SessionId {
        self.0.id
    }
}

impl FromRequest for SessionInPath {
    type Error = Fault;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Fault>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let app = request.app_data::<web::Data<App>>().cloned();
        let who = Who::from_request(request, payload).into_inner();
        let name = request.match_info().get("name").unwrap_or_default();
        let name = name.to_owned();
        Box::pin(async move {
            let Who(who) = who?;
            let app = app.ok_or_else(|| Error::internal("the application is missing"))?;
            Ok(Self(app.session_named(&who, &name).await?))
        })
    }
}
