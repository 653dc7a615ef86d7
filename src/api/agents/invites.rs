//! `/api/v1/invites`: invitations to register, for admins.
//!
//! Never a code but in the answer to its making.

use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use super::{doc, users, wire};
use crate::api::shared::body::bad_field;
use crate::api::shared::doc::Page;
use crate::api::shared::work::has_more;
use crate::api::shared::{Fields, Query, Reply, Who, path_id};
use crate::app::App;

/// Rows of a page: default and most.
const PAGE: (usize, usize) = (50, 200);

/// The routes of this file in the document.
#[derive(utoipa::OpenApi)]
#[openapi(paths(create, list, revoke))]
pub struct Document;

/// The table of contents.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(
        web::scope("/api/v1/invites")
            .service(web::resource("").get(list).post(create))
            .service(web::resource("/{id}").delete(revoke)),
    );
}

/// Makes an invitation. Its code is in this answer and in no other.
#[utoipa::path(
    post,
    path = "/api/v1/invites",
    tag = "people",
    request_body = doc::InviteBody,
    responses(
        (status = 201, description = "The invitation, with its code", body = doc::InviteMade),
    ),
    extensions(("x-error-codes" = json!(["@stored", "forbidden", "role_too_high"]))),
)]
async fn create(app: web::Data<App>, Who(who): Who, body: Fields) -> Reply {
    let name = "expiresIn";
    let seconds = body.number(&[name, "expires_in"])?;
    let whole = seconds.map(|seconds| {
        let whole = seconds.as_i64();
        whole.ok_or_else(|| bad_field(name, "a whole number of seconds"))
    });
    let made = app
        .invite(&who, users::role(&body)?, whole.transpose()?)
        .await?;
    let mut reply = wire::invite(&made.invite, app.now());
    if let Some(reply) = reply.as_object_mut() {
        reply.insert("code".into(), made.code.into());
    }
    Ok(HttpResponse::Created().json(reply))
}

/// Lists invitations, the newest first, used and expired ones too.
#[utoipa::path(
    get,
    path = "/api/v1/invites",
    tag = "people",
    params(Page),
    responses((status = 200, description = "A page of invitations", body = doc::Invites)),
    extensions(("x-error-codes" = json!(["@stored", "bad_field", "forbidden"]))),
)]
async fn list(app: web::Data<App>, Who(who): Who, query: Query) -> Reply {
    let (limit, offset) = (query.limit(PAGE.0, PAGE.1)?, query.offset()?);
    let (page, now) = (app.invites(&who, (offset, limit)).await?, app.now());
    let invites: Vec<Value> = page
        .items
        .iter()
        .map(|invite| wire::invite(invite, now))
        .collect();
    Ok(HttpResponse::Ok().json(json!({
        "invites": invites,
        "total": page.total,
        "limit": limit,
        "offset": offset,
        "hasMore": has_more(offset, page.items.len(), page.total),
    })))
}

/// Takes an invitation back that nobody used.
#[utoipa::path(
    delete,
    path = "/api/v1/invites/{id}",
    tag = "people",
    responses((status = 200, description = "It is taken back", body = doc::Deleted)),
    extensions(("x-error-codes" = json!(["@stored", "forbidden", "role_too_high"]))),
)]
async fn revoke(app: web::Data<App>, Who(who): Who, path: web::Path<String>) -> Reply {
    app.revoke_invite(&who, path_id("invite", &path)?).await?;
    Ok(HttpResponse::Ok().json(json!({"deleted": true})))
}
