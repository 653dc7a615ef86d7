//! `/api/v1/user/api-keys` (contract/agor.md).
//!
//! Never a key's text but in the answer to its creation.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::doc;
use crate::api::shared::body::bad_field;
use crate::api::shared::doc::Idempotent;
use crate::api::shared::{Fields, Reply, Who, idempotency, path_id};
use crate::app::{App, KeyRequest};
use crate::domain::{ApiKey, Error, Scope, Timestamp};

/// The routes of this file in the document.
#[derive(utoipa::OpenApi)]
#[openapi(paths(list, create, rename, revoke))]
pub struct Document;

/// The table of contents.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(
        web::scope("/api/v1/user/api-keys")
            .service(web::resource("").get(list).post(create))
            .service(web::resource("/{id}").patch(rename).delete(revoke)),
    );
}

/// Lists the own API keys, the newest first.
#[utoipa::path(
    get,
    path = "/api/v1/user/api-keys",
    tag = "keys",
    responses((status = 200, description = "The keys", body = Vec<doc::ApiKey>)),
    extensions(("x-error-codes" = json!(["@stored"]))),
)]
async fn list(app: web::Data<App>, Who(who): Who) -> Reply {
    let keys = app.keys(&who).await?;
    Ok(HttpResponse::Ok().json(keys.iter().map(key).collect::<Vec<_>>()))
}

/// Makes an API key. Its text is in this answer and in no other.
///
/// The same `Idempotency-Key` with the same body gets the same key.
#[utoipa::path(
    post,
    path = "/api/v1/user/api-keys",
    tag = "keys",
    params(Idempotent),
    request_body = doc::KeyBody,
    responses((status = 201, description = "The key, with its text", body = doc::KeyMade)),
    extensions(("x-error-codes" = json!([
        "@stored",
        "forbidden",
        "too_many_keys",
        "already_made",
        "bad_idempotency_key",
        "idempotency_key_reused",
    ]))),
)]
async fn create(app: web::Data<App>, Who(who): Who, request: HttpRequest, body: Fields) -> Reply {
    let asked = KeyRequest {
        name: body.required_text(&["name"])?,
        scopes: scopes(&body)?,
        expires_at: body.text(&["expiresAt", "expires_at"])?,
        key: idempotency::key(&request, &body)?,
    };
    let made = app.make_key(&who, asked).await?;
    let mut reply = key(&made.key);
    if let Some(fields) = reply.as_object_mut() {
        fields.insert("rawKey".into(), made.raw.into());
        fields.insert("key".into(), key(&made.key));
    }
    Ok(HttpResponse::Created().json(reply))
}

/// Gives an API key another name.
#[utoipa::path(
    patch,
    path = "/api/v1/user/api-keys/{id}",
    tag = "keys",
    request_body = doc::KeyName,
    responses((status = 200, description = "The key", body = doc::ApiKey)),
    extensions(("x-error-codes" = json!(["@stored"]))),
)]
async fn rename(
    app: web::Data<App>,
    Who(who): Who,
    path: web::Path<String>,
    body: Fields,
) -> Reply {
    let id = path_id("key", &path)?;
    let name = body.required_text(&["name"])?;
    let renamed = app.rename_key(&who, id, &name).await?;
    Ok(HttpResponse::Ok().json(key(&renamed)))
}

/// Revokes an API key: from now on it opens nothing, and what it opened ends.
#[utoipa::path(
    delete,
    path = "/api/v1/user/api-keys/{id}",
    tag = "keys",
    responses((status = 200, description = "It is revoked", body = doc::KeyRevoked)),
    extensions(("x-error-codes" = json!(["@stored"]))),
)]
async fn revoke(app: web::Data<App>, Who(who): Who, path: web::Path<String>) -> Reply {
    let id = path_id("key", &path)?;
    app.revoke_key(&who, id).await?;
    Ok(HttpResponse::Ok().json(json!({"id": id, "revoked": true})))
}

/// Reads `scopes`; `None` when they are left to the server.
fn scopes(body: &Fields) -> Result<Option<Vec<String>>, Error> {
    let bad = || bad_field("scopes", "a list of read, write, admin, metrics");
    let items = match body.value("scopes") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Array(items)) => items,
        Some(_) => return Err(bad()),
    };
    let words = items.iter().map(|item| item.as_str().map(str::to_owned));
    words.collect::<Option<Vec<_>>>().map(Some).ok_or_else(bad)
}

/// Words a key, in the spellings of both ages of its clients.
fn key(key: &ApiKey) -> Value {
    let scopes: Vec<&str> = key.scopes.iter().map(Scope::name).collect();
    let created = key.created_at.rfc3339();
    let expires = key.expires_at.map(Timestamp::rfc3339);
    let used = key.last_used_at.map(Timestamp::rfc3339);
    json!({
        "id": key.id,
        "userId": key.user,
        "user_id": key.user,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": scopes,
        "createdAt": created,
        "created_at": created,
        "expiresAt": expires,
        "expires_at": expires,
        "lastUsedAt": used,
        "last_used_at": used,
    })
}
