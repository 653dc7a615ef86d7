//! `GET /api/models/cli/status`: which agent programs the server's machine has (contract/octipus.md
//! 10, with our own members beside theirs).
//!
//! Never a secret: by what a program is signed in, not with what.

use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use super::doc;
use crate::api::shared::{Query, Reply, Who};
use crate::app::App;
use crate::domain::program::{Found, SignedIn};

/// Most names of variables that are looked at.
const NAMES: usize = 256;

/// The routes of this file in the document.
#[derive(utoipa::OpenApi)]
#[openapi(paths(status))]
pub struct Document;

/// The table of contents.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/api/models/cli/status").get(status));
}

/// Tells which agent programs the server's machine has.
///
/// `env` asks for a session that brings variables of these names.
#[utoipa::path(
    get,
    path = "/api/models/cli/status",
    tag = "programs",
    params(doc::ProgramsQuery),
    responses((status = 200, description = "The programs", body = doc::Programs)),
    extensions(("x-error-codes" = json!([]))),
)]
async fn status(app: web::Data<App>, Who(who): Who, query: Query) -> Reply {
    let names = query.text("env").unwrap_or_default().split(',');
    let names: Vec<String> = names.take(NAMES).map(str::to_owned).collect();
    let (found, choice) = app.programs_of(&who, names).await?;
    Ok(HttpResponse::Ok().json(json!({
        "tools": found.iter().map(tool).collect::<Vec<_>>(),
        "choice": {"agentType": choice.kind.name(), "says": choice.says},
    })))
}

fn tool(found: &Found) -> Value {
    let program = found.kind.program();
    let missing = found.missing();
    let (signed_in, by) = match found.signed_in {
        SignedIn::NotNeeded => (Value::Null, None),
        SignedIn::By(what) => (true.into(), Some(what)),
        SignedIn::No => (false.into(), None),
    };
    json!({
        "name": found.kind.name(),
        "agentType": found.kind.name(),
        "available": found.ready(),
        "installed": found.path.is_some(),
        "version": found.version,
        "path": found.path,
        "signedIn": signed_in,
        "signedInBy": by,
        "missing": missing.as_ref().map(|missing| &missing.what),
        "mend": missing.as_ref().map(|missing| &missing.mend),
        "modelPatterns": program.map(|program| program.models).unwrap_or_default(),
        "quota": null,
    })
}
