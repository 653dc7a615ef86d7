//! `/api/auth/*`: register, sign in, sign out, who am I, the own password, tickets
//! (contract/octipus.md 1, sandboxed.md).
//!
//! Never a password or a hash in an answer.

use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use super::{doc, users, wire};
use crate::api::shared::{Fields, Reply, Who, WsVisit};
use crate::app::{App, Credentials, NewPassword, RegisterRequest, SignIn};

/// The routes of this file in the document.
#[derive(utoipa::OpenApi)]
#[openapi(paths(login, register, logout, me, change_me, password, verify, ticket))]
pub struct Document;

/// The table of contents.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/api/auth/login").post(login))
        .service(web::resource("/api/auth/register").post(register))
        .service(web::resource("/api/auth/logout").post(logout))
        .service(web::resource("/api/auth/me").get(me).patch(change_me))
        .service(web::resource("/api/auth/password").post(password))
        .service(web::resource("/api/auth/verify").get(verify).post(verify))
        .service(
            web::resource("/api/auth/ws-ticket")
                .get(ticket)
                .post(ticket),
        );
}

/// Signs in with a password.
///
/// Neither words nor time tell a wrong name from a wrong password. Wrong ones make the next try
/// wait.
#[utoipa::path(
    post,
    path = "/api/auth/login",
    tag = "auth",
    request_body = doc::LoginBody,
    security(()),
    responses((status = 200, description = "A token", body = doc::SignedIn)),
    extensions(("x-error-codes" = json!([
        "@stored",
        "bad_credentials",
        "username_required",
        "sign_in_busy",
        "too_many_attempts",
    ]))),
)]
async fn login(app: web::Data<App>, body: Fields) -> Reply {
    let credentials = Credentials {
        login: body.text(&["username", "email"])?,
        password: body.required_text(&["password"])?,
    };
    let signed_in = app.sign_in(credentials).await?;
    Ok(HttpResponse::Ok().json(entered(&signed_in)))
}

/// Makes an account for oneself and signs in, where the server's settings let people register.
#[utoipa::path(
    post,
    path = "/api/auth/register",
    tag = "auth",
    request_body = doc::RegisterBody,
    security(()),
    responses((status = 201, description = "The account, and a token", body = doc::Registered)),
    extensions(("x-error-codes" = json!([
        "@stored",
        "@names",
        "@hashes",
        "registration_closed",
        "invite_required",
        "bad_invite",
        "bad_credentials",
        "too_many_attempts",
    ]))),
)]
async fn register(app: web::Data<App>, body: Fields) -> Reply {
    let request = RegisterRequest {
        username: body.required_text(&["username"])?,
        email: body.text(&["email"])?,
        password: body.required_text(&["password"])?,
        invite: body.text(&["inviteCode", "invite_code", "invite", "code"])?,
    };
    let signed_in = app.sign_up(request).await?;
    let mut reply = wire::user(&signed_in.user);
    if let (Value::Object(reply), Value::Object(more)) = (&mut reply, entered(&signed_in)) {
        reply.extend(more);
    }
    Ok(HttpResponse::Created().json(reply))
}

/// What somebody gets who signed in just now.
fn entered(signed_in: &SignIn) -> Value {
    let expires = signed_in.expires_at.rfc3339();
    json!({
        "token": signed_in.token,
        "expires_at": expires,
        "expiresAt": expires,
        "exp": signed_in.expires_at.0.div_euclid(1_000),
        "user": wire::user(&signed_in.user),
    })
}

/// Ends the token and every socket that was opened with it.
#[utoipa::path(
    post,
    path = "/api/auth/logout",
    tag = "auth",
    responses((status = 200, description = "It is ended", body = doc::Done)),
    extensions(("x-error-codes" = json!(["@stored"]))),
)]
async fn logout(app: web::Data<App>, Who(who): Who) -> Reply {
    app.sign_out(&who).await?;
    Ok(HttpResponse::Ok().json(json!({"success": true})))
}

/// Shows the account behind the token.
#[utoipa::path(
    get,
    path = "/api/auth/me",
    tag = "auth",
    responses((status = 200, description = "The account", body = doc::Account)),
    extensions(("x-error-codes" = json!(["@stored", "not_found"]))),
)]
async fn me(app: web::Data<App>, Who(who): Who) -> Reply {
    let user = app.account(&who).await?;
    Ok(HttpResponse::Ok().json(wire::account(&user)))
}

/// Changes the own account: its names everyone, the rest admins.
#[utoipa::path(
    patch,
    path = "/api/auth/me",
    tag = "auth",
    request_body = doc::AccountPatch,
    responses((status = 200, description = "The account", body = doc::Account)),
    extensions(("x-error-codes" = json!([
        "@stored",
        "@names",
        "forbidden",
        "own_password",
        "role_too_high",
        "last_superadmin",
        "not_found",
    ]))),
)]
async fn change_me(app: web::Data<App>, Who(who): Who, body: Fields) -> Reply {
    let id = who.user;
    let user = app.change_user(&who, id, users::patch(&body)?).await?;
    Ok(HttpResponse::Ok().json(wire::account(&user)))
}

/// Changes the own password and ends every other token; with `revokeApiKeys` also the own API keys.
#[utoipa::path(
    post,
    path = "/api/auth/password",
    tag = "auth",
    request_body = doc::PasswordBody,
    responses((status = 200, description = "It is changed", body = doc::Done)),
    extensions(("x-error-codes" = json!([
        "@stored",
        "@hashes",
        "wrong_password",
        "too_many_attempts",
        "not_found",
    ]))),
)]
async fn password(app: web::Data<App>, Who(who): Who, body: Fields) -> Reply {
    let asked = NewPassword {
        current: body.required_text(&["currentPassword", "current_password", "password"])?,
        new: body.required_text(&["newPassword", "new_password"])?,
        revoke_keys: body.flag("revokeApiKeys")?.unwrap_or(false),
    };
    app.change_password(&who, asked).await?;
    Ok(HttpResponse::Ok().json(json!({"success": true})))
}

/// Tells whose the token is and how long it holds.
#[utoipa::path(
    method(get, post),
    path = "/api/auth/verify",
    tag = "auth",
    responses((status = 200, description = "The token holds", body = doc::Verified)),
    extensions(("x-error-codes" = json!(["@stored", "not_found"]))),
)]
async fn verify(app: web::Data<App>, WsVisit(visit): WsVisit) -> Reply {
    let user = app.account(&visit.who).await?;
    Ok(HttpResponse::Ok().json(json!({
        "valid": true,
        "user": wire::user(&user),
        "expires_at": visit.expires_at.rfc3339(),
        "exp": visit.expires_at.0.div_euclid(1_000),
    })))
}

/// Gives a ticket that opens one WebSocket in the place of the token.
#[utoipa::path(
    method(get, post),
    path = "/api/auth/ws-ticket",
    tag = "auth",
    responses((status = 200, description = "The ticket", body = doc::TicketMade)),
    extensions(("x-error-codes" = json!(["@stored"]))),
)]
async fn ticket(app: web::Data<App>, Who(who): Who) -> Reply {
    let ticket = app.ticket(&who).await?;
    Ok(HttpResponse::Ok().json(json!({
        "token": ticket.text,
        "expiresAt": ticket.expires_at.rfc3339(),
    })))
}
