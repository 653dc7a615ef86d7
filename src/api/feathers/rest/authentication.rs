//! `/authentication`: signing in by a strategy, renewing it, signing out.
//!
//! Never a password or a hash in an answer.

use actix_web::{HttpResponse, web};

use crate::api::feathers::{doc, services};
use crate::api::shared::body::Document as Body;
use crate::api::shared::{Reply, WsVisit};
use crate::app::App;

/// The routes of this file in the document.
#[derive(utoipa::OpenApi)]
#[openapi(paths(sign_in, refresh, leave))]
pub struct Document;

/// The table of contents.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/authentication").post(sign_in).delete(leave))
        .service(web::resource("/authentication/refresh").post(refresh));
}

/// Signs in by a strategy: `local` with a password, `jwt` with a token, `api-key` with a key.
#[utoipa::path(
    post,
    path = "/authentication",
    tag = "auth",
    request_body = doc::SignInBody,
    security(()),
    responses((status = 201, description = "Who signed in", body = doc::SignedInHere)),
    extensions(("x-error-codes" = json!([
        "@signs",
        "bad_strategy",
        "bad_credentials",
        "sign_in_busy",
        "too_many_attempts",
    ]))),
)]
async fn sign_in(app: web::Data<App>, body: Body) -> Reply {
    let entered = services::sign_in(&app, &body.value).await?;
    Ok(HttpResponse::Created().json(entered.reply))
}

/// Renews a sign-in. Each refresh token does it once: a second use ends the sign-in.
#[utoipa::path(
    post,
    path = "/authentication/refresh",
    tag = "auth",
    request_body = doc::RefreshBody,
    security(()),
    responses((status = 201, description = "New tokens", body = doc::SignedInHere)),
    extensions(("x-error-codes" = json!(["@signs", "bad_refresh_token"]))),
)]
async fn refresh(app: web::Data<App>, body: Body) -> Reply {
    let entered = services::refresh(&app, &body.value).await?;
    Ok(HttpResponse::Created().json(entered.reply))
}

/// Signs out: the token, what would renew it, and every socket that was opened with it end.
#[utoipa::path(
    delete,
    path = "/authentication",
    tag = "auth",
    responses((status = 200, description = "Who was signed in", body = doc::SignedOutHere)),
    extensions(("x-error-codes" = json!(["@stored", "not_found"]))),
)]
async fn leave(app: web::Data<App>, WsVisit(visit): WsVisit) -> Reply {
    Ok(HttpResponse::Ok().json(services::leave(&app, &visit).await?))
}
