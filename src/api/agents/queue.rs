//! `/api/agents/{id}/queue*`: what waits (decisions.md 2).
//!
//! Never touches the running task.

use actix_web::{HttpResponse, web};
use serde_json::json;

use super::wire;
use crate::api::shared::{Fields, Reply, Who, path_id};
use crate::app::App;

/// The table of contents; `order` before `{taskId}`.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/api/agents/{id}/queue").get(show))
        .service(web::resource("/api/agents/{id}/queue/order").put(order))
        .service(
            web::resource("/api/agents/{id}/queue/{task}")
                .patch(edit)
                .delete(cancel),
        );
}

async fn show(app: web::Data<App>, Who(who): Who, path: web::Path<String>) -> Reply {
    let queue = app.queue(&who, path_id("agent", &path)?).await?;
    Ok(HttpResponse::Ok().json(wire::queue(&queue)))
}

async fn order(app: web::Data<App>, Who(who): Who, path: web::Path<String>, body: Fields) -> Reply {
    let id = path_id("agent", &path)?;
    let queue = app.reorder(&who, id, body.ids("order")?).await?;
    Ok(HttpResponse::Ok().json(wire::queue(&queue)))
}

async fn edit(
    app: web::Data<App>,
    Who(who): Who,
    path: web::Path<(String, String)>,
    body: Fields,
) -> Reply {
    let (id, task) = (path_id("agent", &path.0)?, path_id("task", &path.1)?);
    let text = body.required_text(&["message", "content", "prompt"])?;
    let view = app.edit_task(&who, id, task, text).await?;
    Ok(HttpResponse::Ok().json(wire::task(&view)))
}

async fn cancel(app: web::Data<App>, Who(who): Who, path: web::Path<(String, String)>) -> Reply {
    let (id, task) = (path_id("agent", &path.0)?, path_id("task", &path.1)?);
    app.cancel_task(&who, id, task).await?;
    Ok(HttpResponse::Ok().json(json!({"removed": true})))
}
