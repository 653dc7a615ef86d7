//! `/api/workspaces`: places to run.
//!
//! Never a variable's value: stars stand in its place, also on the way back.

mod body;
mod doc;
mod exec;
mod followed;
mod wire;

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use crate::api::shared::{Fault, Fields, Query, Reply, Who, path_id};
use crate::app::App;
use crate::domain::WorkspaceId;

/// Rows of a page: default and most.
const PAGE: (usize, usize) = (200, 200);

/// The routes of this file in the document.
#[derive(utoipa::OpenApi)]
#[openapi(paths(list, create, show, change, remove, exec::run))]
pub struct Document;

/// The table of contents.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(
        web::scope("/api/workspaces")
            .service(web::resource("").get(list).post(create))
            .service(web::resource("/{id}").get(show).put(change).delete(remove))
            .service(web::resource("/{id}/exec").post(exec::run)),
    );
}

fn id(request: &HttpRequest) -> Result<WorkspaceId, Fault> {
    path_id(
        "workspace",
        request.match_info().get("id").unwrap_or_default(),
    )
}

/// Lists workspaces: the one that everybody has, then the others, the oldest first.
#[utoipa::path(
    get,
    path = "/api/workspaces",
    tag = "workspaces",
    params(doc::ListQuery),
    responses((
        status = 200,
        description = "A page of them",
        body = Vec<wire::Workspace<'static>>,
        headers(("X-Total-Count" = u64, description = "How many there are in all")),
    )),
    extensions(("x-error-codes" = json!(["@stored", "bad_field"]))),
)]
async fn list(app: web::Data<App>, Who(who): Who, query: Query) -> Reply {
    let range = (query.offset()?, query.limit(PAGE.0, PAGE.1)?);
    let page = app.workspaces(&who, range).await?;
    let shown: Vec<_> = page.items.iter().map(wire::workspace).collect();
    Ok(HttpResponse::Ok()
        .insert_header(("X-Total-Count", page.total.to_string()))
        .json(shown))
}

/// Makes a workspace.
///
/// Its directory is made where it is missing, for the server's user alone. Types but `host`, and what
/// a template would make, are refused with 501 before anything is made.
#[utoipa::path(
    post,
    path = "/api/workspaces",
    tag = "workspaces",
    request_body = doc::NewWorkspace,
    responses((status = 200, description = "The workspace", body = wire::Workspace<'static>)),
    extensions(("x-error-codes" = json!([
        "@stored",
        "@settles",
        "forbidden",
        "too_many_workspaces",
    ]))),
)]
async fn create(app: web::Data<App>, Who(who): Who, body: Fields) -> Reply {
    let mut asked = body::patch(&body)?;
    asked.name = Some(body.required_text(&["name"])?);
    let made = app.create_workspace(&who, asked).await?;
    Ok(HttpResponse::Ok().json(wire::workspace(&made)))
}

/// Shows a workspace.
#[utoipa::path(
    get,
    path = "/api/workspaces/{id}",
    tag = "workspaces",
    responses((status = 200, description = "The workspace", body = wire::Workspace<'static>)),
    extensions(("x-error-codes" = json!(["@stored"]))),
)]
async fn show(app: web::Data<App>, Who(who): Who, request: HttpRequest) -> Reply {
    let found = app.workspace(&who, id(&request)?).await?;
    Ok(HttpResponse::Ok().json(wire::workspace(&found)))
}

/// Changes what is named; null clears.
///
/// `env_vars` are all of them: a name that is left out goes, and one whose value is `***` keeps the
/// one that it has. So what was shown can be sent back, and changes nothing.
#[utoipa::path(
    put,
    path = "/api/workspaces/{id}",
    tag = "workspaces",
    request_body = doc::WorkspaceChange,
    responses((status = 200, description = "The workspace", body = wire::Workspace<'static>)),
    extensions(("x-error-codes" = json!([
        "@stored",
        "@settles",
        "forbidden",
        "default_workspace",
    ]))),
)]
async fn change(app: web::Data<App>, Who(who): Who, request: HttpRequest, body: Fields) -> Reply {
    let id = id(&request)?;
    let asked = body::patch(&body)?;
    let changed = app.change_workspace(&who, id, asked).await?;
    Ok(HttpResponse::Ok().json(wire::workspace(&changed)))
}

/// Forgets a workspace. Its directory stays.
#[utoipa::path(
    delete,
    path = "/api/workspaces/{id}",
    tag = "workspaces",
    responses((status = 200, description = "It is gone", body = doc::Deleted)),
    extensions(("x-error-codes" = json!([
        "@stored",
        "forbidden",
        "default_workspace",
        "workspace_in_use",
    ]))),
)]
async fn remove(app: web::Data<App>, Who(who): Who, request: HttpRequest) -> Reply {
    let id = id(&request)?;
    app.delete_workspace(&who, id).await?;
    Ok(HttpResponse::Ok().json(json!({"ok": true, "deleted": id})))
}
