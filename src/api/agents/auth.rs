//! `/api/auth/*`: sign in, sign out, who am I, tickets (contract/octipus.md 1, sandboxed.md).
//!
//! Never a password or a hash in an answer.

use actix_web::{HttpResponse, web};
use serde_json::json;

use super::wire;
use crate::api::shared::{Fields, Reply, Who, WsVisit};
use crate::app::{App, Credentials};

/// The table of contents.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/api/auth/login").post(login))
        .service(web::resource("/api/auth/logout").post(logout))
        .service(web::resource("/api/auth/me").get(me))
        .service(web::resource("/api/auth/verify").get(verify).post(verify))
        .service(
            web::resource("/api/auth/ws-ticket")
                .get(ticket)
                .post(ticket),
        );
}

async fn login(app: web::Data<App>, body: Fields) -> Reply {
    let credentials = Credentials {
        login: body.text(&["username", "email"])?,
        password: body.required_text(&["password"])?,
    };
    let signed_in = app.sign_in(credentials).await?;
    let expires = signed_in.expires_at.rfc3339();
    Ok(HttpResponse::Ok().json(json!({
        "token": signed_in.token,
        "expires_at": expires,
        "expiresAt": expires,
        "exp": signed_in.expires_at.0.div_euclid(1_000),
        "user": wire::user(&signed_in.user),
    })))
}

async fn logout(app: web::Data<App>, Who(who): Who) -> Reply {
    app.sign_out(&who).await?;
    Ok(HttpResponse::Ok().json(json!({"success": true})))
}

async fn me(app: web::Data<App>, Who(who): Who) -> Reply {
    let user = app.account(&who).await?;
    let mut account = wire::user(&user);
    if let Some(account) = account.as_object_mut() {
        account.insert("totpEnabled".into(), false.into());
        account.insert("preferences".into(), json!({}));
        account.insert("channelBindings".into(), json!([]));
        account.insert("createdAt".into(), user.created_at.rfc3339().into());
    }
    Ok(HttpResponse::Ok().json(account))
}

async fn verify(app: web::Data<App>, WsVisit(visit): WsVisit) -> Reply {
    let user = app.account(&visit.who).await?;
    Ok(HttpResponse::Ok().json(json!({
        "valid": true,
        "user": wire::user(&user),
        "expires_at": visit.expires_at.rfc3339(),
        "exp": visit.expires_at.0.div_euclid(1_000),
    })))
}

async fn ticket(app: web::Data<App>, Who(who): Who) -> Reply {
    let ticket = app.ticket(&who).await?;
    Ok(HttpResponse::Ok().json(json!({
        "token": ticket.text,
        "expiresAt": ticket.expires_at.rfc3339(),
    })))
}
