//! `/api/chat/approve` and `/api/chat/approvals/pending` (contract/octipus.md 5).
//!
//! Never a question of a stranger.

use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use super::wire;
use crate::api::shared::body::bad_field;
use crate::api::shared::{Fields, Reply, Who};
use crate::app::App;
use crate::domain::{ApprovalId, Error};

/// The table of contents.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/api/chat/approvals/pending").get(pending))
        .service(web::resource("/api/chat/approve").post(approve));
}

async fn pending(app: web::Data<App>, Who(who): Who) -> Reply {
    let found = app.pending(&who).await?;
    let worded: Vec<Value> = found
        .iter()
        .map(|(approval, group)| wire::approval(approval, *group))
        .collect();
    Ok(HttpResponse::Ok().json(json!({ "approvals": worded })))
}

async fn approve(app: web::Data<App>, Who(who): Who, body: Fields) -> Reply {
    let text = body.required_text(&["requestId"])?;
    let approved = body.flag("approved")?;
    let approved = approved.ok_or_else(|| bad_field("approved", "true or false"))?;
    let response = body.text(&["response"])?;
    if let Some(remember) = body.text(&["remember"])?
        && remember != "once"
    {
        return Err(Error::invalid(
            "remember_unsupported",
            "remember",
            "answers are not remembered for later questions",
            "once",
        )
        .into());
    }
    let id: ApprovalId = text.parse().map_err(|_not_an_id| {
        let shown: String = text.chars().take(64).collect();
        Error::not_found("approval", shown)
    })?;
    let state = app.approve(&who, id, approved, response).await?;
    let status = state.name();
    Ok(HttpResponse::Ok().json(json!({"resolved": true, "requestId": id, "status": status})))
}
