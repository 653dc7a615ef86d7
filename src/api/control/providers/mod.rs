//! `/api/providers`: what people sign in to, so that their agents can talk to a model.
//!
//! Never a secret in an answer.

mod body;
mod doc;
mod wire;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use crate::api::shared::{Fields, Query, Reply, Who};
use crate::app::{App, Begun};

/// What a browser holds in which a sign-in was begun.
const COOKIE: &str = "callboard_sign_in";

/// The routes of this file in the document.
#[derive(utoipa::OpenApi)]
#[openapi(paths(list, sign_in, sign_out, authorize, callback, redirected))]
pub struct Document;

/// The table of contents.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(
        web::scope("/api/providers")
            .service(web::resource("").get(list))
            .service(web::resource("/{id}/auth").post(sign_in).delete(sign_out))
            .service(web::resource("/{id}/oauth/authorize").post(authorize))
            .service(
                web::resource("/{id}/oauth/callback")
                    .get(redirected)
                    .post(callback),
            ),
    );
}

fn id(request: &HttpRequest) -> &str {
    request.match_info().get("id").unwrap_or_default()
}

/// Lists the providers of models, and how you are signed in to each.
#[utoipa::path(
    get,
    path = "/api/providers",
    tag = "providers",
    responses((status = 200, description = "The providers", body = doc::Providers)),
    extensions(("x-error-codes" = json!(["@stored"]))),
)]
async fn list(app: web::Data<App>, Who(who): Who) -> Reply {
    let found = app.providers(&who).await?;
    let shown: Vec<wire::Provider> = found.iter().map(wire::provider).collect();
    Ok(HttpResponse::Ok().json(json!({"providers": shown})))
}

/// Signs in to a provider.
///
/// With `api_key` the key is sealed and given to your agents when they start; it is never shown again.
/// Without one a sign-in with an account begins: `auth_url` is the page to open.
#[utoipa::path(
    post,
    path = "/api/providers/{id}/auth",
    tag = "providers",
    request_body = doc::SignIn,
    responses((status = 200, description = "Signed in, or the page to open", body = doc::SignedIn)),
    extensions(("x-error-codes" = json!([
        "@stored",
        "forbidden",
        "oauth_unsupported",
        "too_many_sign_ins",
    ]))),
)]
async fn sign_in(app: web::Data<App>, Who(who): Who, request: HttpRequest, body: Fields) -> Reply {
    let Some(key) = body.text(&["api_key"])? else {
        let begun = app.begin_provider_sign_in(&who, id(&request)).await?;
        let cookie = (header::SET_COOKIE, cookie(id(&request), &begun));
        return Ok(HttpResponse::Ok().insert_header(cookie).json(json!({
            "success": true,
            "message": "open the page and agree there",
            "auth_url": begun.url,
        })));
    };
    app.keep_provider_key(&who, id(&request), &key).await?;
    Ok(HttpResponse::Ok().json(json!({
        "success": true,
        "message": "your agents have the key from their next start on",
        "auth_url": null,
    })))
}

/// Forgets your sign-in, and ends its tokens at the provider where that can be asked for.
///
/// Agents that run keep what they were given until their next start.
#[utoipa::path(
    delete,
    path = "/api/providers/{id}/auth",
    tag = "providers",
    responses((status = 200, description = "You are not signed in", body = doc::SignedOut)),
    extensions(("x-error-codes" = json!(["@stored", "forbidden"]))),
)]
async fn sign_out(app: web::Data<App>, Who(who): Who, request: HttpRequest) -> Reply {
    let ended = app.leave_provider(&who, id(&request)).await?;
    Ok(HttpResponse::Ok().json(json!({
        "ok": true,
        "removed": ended.removed,
        "revoked": ended.revoked,
    })))
}

/// Begins a sign-in with an account (OAuth 2 with PKCE).
///
/// The page sends its visitor back with a code and the state, which is yours, good once and for ten
/// minutes.
#[utoipa::path(
    post,
    path = "/api/providers/{id}/oauth/authorize",
    tag = "providers",
    responses((status = 200, description = "The page to open", body = doc::Begun)),
    extensions(("x-error-codes" = json!([
        "@stored",
        "forbidden",
        "oauth_unsupported",
        "too_many_sign_ins",
    ]))),
)]
async fn authorize(app: web::Data<App>, Who(who): Who, request: HttpRequest) -> Reply {
    let begun = app.begin_provider_sign_in(&who, id(&request)).await?;
    let cookie = (header::SET_COOKIE, cookie(id(&request), &begun));
    Ok(HttpResponse::Ok().insert_header(cookie).json(json!({
        "url": begun.url,
        "state": begun.state,
        "method": "code",
        "instructions": "open the page, agree there, and bring the code that it gives you",
        "expires_in": begun.expires_in,
    })))
}

/// Ends a sign-in with the code of the page.
///
/// `code` is the code, `CODE#STATE`, or the whole address that the page led to.
#[utoipa::path(
    post,
    path = "/api/providers/{id}/oauth/callback",
    tag = "providers",
    request_body = doc::Callback,
    responses((status = 200, description = "You are signed in", body = doc::Finished)),
    extensions(("x-error-codes" = json!([
        "@finishes",
        "forbidden",
        "not_found",
        "oauth_unsupported",
    ]))),
)]
async fn callback(app: web::Data<App>, Who(who): Who, request: HttpRequest, body: Fields) -> Reply {
    let (state, code) = body::callback(&body)?;
    let brought = (&*state, Some(&*code));
    app.finish_provider_sign_in((Some(&who), None), id(&request), brought)
        .await?;
    Ok(done())
}

/// Ends a sign-in for a browser that a provider sent back here: the state says whose it is.
///
/// It has to be the browser in which the sign-in was begun, which holds a cookie. For another one the
/// address, brought to the same path with POST, does the same.
#[utoipa::path(
    get,
    path = "/api/providers/{id}/oauth/callback",
    tag = "providers",
    security(()),
    params(doc::Redirected),
    responses((status = 200, description = "The person is signed in", body = doc::Finished)),
    extensions(("x-error-codes" = json!(["@finishes"]))),
)]
async fn redirected(app: web::Data<App>, request: HttpRequest, query: Query) -> Reply {
    let brought = (query.text("state").unwrap_or_default(), query.text("code"));
    app.finish_provider_sign_in((None, held(&request)), id(&request), brought)
        .await?;
    Ok(done())
}

/// What the browser holds until it is sent back: for the way back alone, and for no script.
fn cookie(id: &str, begun: &Begun) -> String {
    let secure = if begun.secure { "; Secure" } else { "" };
    format!(
        "{COOKIE}={}; Path=/api/providers/{id}/oauth/callback; Max-Age={}; HttpOnly; SameSite=Lax{secure}",
        begun.browser, begun.expires_in
    )
}

fn held(request: &HttpRequest) -> Option<String> {
    let all = request.headers().get_all(header::COOKIE);
    let pairs = all.filter_map(|value| value.to_str().ok());
    let pairs = pairs.flat_map(|text| text.split(';'));
    let named = |pair: &str| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == COOKIE).then(|| value.to_owned())
    };
    pairs.filter_map(named).next()
}

fn done() -> HttpResponse {
    HttpResponse::Ok().json(json!({
        "success": true,
        "message": "you are signed in; this page can be closed",
    }))
}
