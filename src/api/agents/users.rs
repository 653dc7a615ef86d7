//! `/api/users`: the people of the server, for admins; the own account for everyone.
//!
//! Never a password or a hash in an answer.

use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use super::{doc, wire};
use crate::api::shared::body::bad_field;
use crate::api::shared::work::has_more;
use crate::api::shared::{Fields, Query, Reply, Who, path_id};
use crate::app::{App, NewUser, UserPatch};
use crate::domain::{Error, Role};

/// Rows of a page: default and most.
const PAGE: (usize, usize) = (50, 200);
/// The roles, for refusals.
const ROLES: &str = "viewer, member, admin or superadmin";

/// The routes of this file in the document.
#[derive(utoipa::OpenApi)]
#[openapi(paths(list, create, show, change, remove))]
pub struct Document;

/// The table of contents.
pub fn routes(config: &mut web::ServiceConfig) {
    let one = web::resource("/{id}");
    config.service(
        web::scope("/api/users")
            .service(web::resource("").get(list).post(create))
            .service(one.get(show).patch(change).delete(remove)),
    );
}

/// Lists accounts, the oldest first.
#[utoipa::path(
    get,
    path = "/api/users",
    tag = "people",
    params(doc::AccountsQuery),
    responses((status = 200, description = "A page of accounts", body = doc::AccountPage)),
    extensions(("x-error-codes" = json!(["@stored", "bad_field", "forbidden"]))),
)]
async fn list(app: web::Data<App>, Who(who): Who, query: Query) -> Reply {
    let (limit, offset) = (query.limit(PAGE.0, PAGE.1)?, query.offset()?);
    let login = query.text("username").or_else(|| query.text("email"));
    let login = login.map(str::to_owned);
    let page = app.users(&who, login, (offset, limit)).await?;
    let users: Vec<Value> = page.items.iter().map(wire::account).collect();
    Ok(HttpResponse::Ok().json(json!({
        "users": users,
        "total": page.total,
        "limit": limit,
        "offset": offset,
        "hasMore": has_more(offset, page.items.len(), page.total),
    })))
}

/// Makes an account.
#[utoipa::path(
    post,
    path = "/api/users",
    tag = "people",
    request_body = doc::AccountBody,
    responses((status = 201, description = "The account", body = doc::Account)),
    extensions(("x-error-codes" = json!([
        "@stored",
        "@names",
        "@hashes",
        "forbidden",
        "role_too_high",
    ]))),
)]
async fn create(app: web::Data<App>, Who(who): Who, body: Fields) -> Reply {
    let new = NewUser {
        username: body.required_text(&["username"])?,
        email: body.text(&["email"])?,
        password: body.required_text(&["password"])?,
        role: role(&body)?,
    };
    let user = app.create_user(&who, new).await?;
    Ok(HttpResponse::Created().json(wire::account(&user)))
}

/// Shows an account: the own one, and to admins any.
#[utoipa::path(
    get,
    path = "/api/users/{id}",
    tag = "people",
    responses((status = 200, description = "The account", body = doc::Account)),
    extensions(("x-error-codes" = json!(["@stored"]))),
)]
async fn show(app: web::Data<App>, Who(who): Who, path: web::Path<String>) -> Reply {
    let user = app.user(&who, path_id("user", &path)?).await?;
    Ok(HttpResponse::Ok().json(wire::account(&user)))
}

/// Changes an account: its names everyone of their own, the rest admins of others.
#[utoipa::path(
    patch,
    path = "/api/users/{id}",
    tag = "people",
    request_body = doc::AccountPatch,
    responses((status = 200, description = "The account", body = doc::Account)),
    extensions(("x-error-codes" = json!([
        "@stored",
        "@names",
        "@hashes",
        "forbidden",
        "own_password",
        "role_too_high",
        "last_superadmin",
    ]))),
)]
async fn change(
    app: web::Data<App>,
    Who(who): Who,
    path: web::Path<String>,
    body: Fields,
) -> Reply {
    let id = path_id("user", &path)?;
    let user = app.change_user(&who, id, patch(&body)?).await?;
    Ok(HttpResponse::Ok().json(wire::account(&user)))
}

/// Deletes an account without a living agent; its sessions stay.
#[utoipa::path(
    delete,
    path = "/api/users/{id}",
    tag = "people",
    responses((status = 200, description = "It is deleted", body = doc::Deleted)),
    extensions(("x-error-codes" = json!([
        "@stored",
        "forbidden",
        "role_too_high",
        "last_superadmin",
        "agents_alive",
    ]))),
)]
async fn remove(app: web::Data<App>, Who(who): Who, path: web::Path<String>) -> Reply {
    app.remove_user(&who, path_id("user", &path)?).await?;
    Ok(HttpResponse::Ok().json(json!({"deleted": true})))
}

/// What a body changes of an account.
pub(super) fn patch(body: &Fields) -> Result<UserPatch, Error> {
    Ok(UserPatch {
        username: body.text(&["username"])?,
        email: body.text(&["email"])?,
        role: role(body)?,
        disabled: body.flag("disabled")?,
        password: body.text(&["password"])?,
    })
}

/// A role; `owner` is an old word for the greatest (contract/agor.md 1).
pub(super) fn role(body: &Fields) -> Result<Option<Role>, Error> {
    let Some(word) = body.text(&["role"])? else {
        return Ok(None);
    };
    let known = match word.as_str() {
        "owner" => Some(Role::Superadmin),
        word => Role::parse(word),
    };
    known.map(Some).ok_or_else(|| bad_field("role", ROLES))
}
