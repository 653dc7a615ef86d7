//! `/users`.
//!
//! Never a password or a hash in an answer.

use actix_web::{HttpRequest, web};

use super::answer;
use crate::api::feathers::call::Method;
use crate::api::feathers::doc;
use crate::api::shared::body::Document as Body;
use crate::api::shared::{Reply, WsVisit};
use crate::app::App;

/// The routes of this file in the document.
#[derive(utoipa::OpenApi)]
#[openapi(paths(find, create, get, patch, remove))]
pub struct Document;

/// The table of contents.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/users").get(find).post(create))
        .service(
            web::resource("/users/{id}")
                .get(get)
                .patch(patch)
                .delete(remove),
        );
}

/// Finds accounts: to who is no admin, the own one.
#[utoipa::path(
    get,
    path = "/users",
    tag = "people",
    params(doc::UsersQuery),
    responses((status = 200, description = "A page of accounts", body = doc::UserPage)),
    extensions(("x-error-codes" = json!(["@stored", "bad_query", "forbidden"]))),
)]
async fn find(app: web::Data<App>, visit: WsVisit, request: HttpRequest) -> Reply {
    answer(&app, visit, &request, Method::Find, None).await
}

/// Makes an account.
#[utoipa::path(
    post,
    path = "/users",
    tag = "people",
    request_body = doc::UserToMake,
    responses((status = 201, description = "The account", body = doc::UserRecord)),
    extensions(("x-error-codes" = json!(["@stored", "@names", "forbidden", "role_too_high", "@hashes"]))),
)]
async fn create(app: web::Data<App>, visit: WsVisit, request: HttpRequest, body: Body) -> Reply {
    answer(&app, visit, &request, Method::Create, Some(body)).await
}

/// Shows an account: the own one, and to admins any.
#[utoipa::path(
    get,
    path = "/users/{id}",
    tag = "people",
    responses((status = 200, description = "The account", body = doc::UserRecord)),
    extensions(("x-error-codes" = json!(["@stored", "bad_query"]))),
)]
async fn get(app: web::Data<App>, visit: WsVisit, request: HttpRequest) -> Reply {
    answer(&app, visit, &request, Method::Get, None).await
}

/// Changes an account.
#[utoipa::path(
    patch,
    path = "/users/{id}",
    tag = "people",
    request_body = doc::UserChange,
    responses((status = 200, description = "The account", body = doc::UserRecord)),
    extensions(("x-error-codes" = json!(["@stored", "@names", "forbidden", "role_too_high", "@hashes", "own_password", "last_superadmin"]))),
)]
async fn patch(app: web::Data<App>, visit: WsVisit, request: HttpRequest, body: Body) -> Reply {
    answer(&app, visit, &request, Method::Patch, Some(body)).await
}

/// Deletes an account.
#[utoipa::path(
    delete,
    path = "/users/{id}",
    tag = "people",
    responses((status = 200, description = "As it was", body = doc::UserRecord)),
    extensions(("x-error-codes" = json!(["@stored", "forbidden", "role_too_high", "last_superadmin", "agents_alive"]))),
)]
async fn remove(app: web::Data<App>, visit: WsVisit, request: HttpRequest) -> Reply {
    answer(&app, visit, &request, Method::Remove, None).await
}
