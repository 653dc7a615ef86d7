//! The services by their paths: one table for REST and for the real-time client.
//!
//! Never answers for a path that is in no row.

mod authentication;
mod prompts;
mod sessions;
mod tasks;
mod users;

use serde_json::{Value, json};

use super::call::{Call, Method};
use super::finding::{Asked, selected};
use crate::app::{App, Page, Visit};
use crate::domain::{Error, Result};

pub use authentication::{leave, refresh, sign_in};

/// Answers a call.
///
/// # Errors
/// `not_found` for a service that is not there, `method_not_allowed`; those of the service.
pub async fn answer(app: &App, visit: &Visit, call: Call) -> Result<Value> {
    let who = &visit.who;
    let parts: Vec<&str> = call.path.split('/').collect();
    match *parts.as_slice() {
        ["sessions"] => sessions::answer(app, who, &call).await,
        ["tasks"] => tasks::answer(app, who, &call).await,
        ["users"] => users::answer(app, who, &call).await,
        ["sessions", id, "prompt"] => {
            prompts::prompt(app, who, id, only(&call, Method::Create)?).await
        }
        ["sessions", id, "stop"] => prompts::stop(app, who, id, only(&call, Method::Create)?).await,
        ["sessions", id, "genealogy"] => {
            sessions::genealogy(app, who, id, only(&call, Method::Find)?).await
        }
        ["sessions", id, "tasks", "queue"] => {
            prompts::queue(app, who, id, only(&call, Method::Find)?).await
        }
        _ => {
            let path: String = call.path.chars().take(64).collect();
            Err(Error::not_found("service", path))
        }
    }
}

/// The call, if it is the only one that its path takes.
fn only(call: &Call, method: Method) -> Result<&Call> {
    match call.method == method {
        true => Ok(call),
        false => Err(not_taken(call)),
    }
}

/// A method that a service does not have.
fn not_taken(call: &Call) -> Error {
    let path: String = call.path.chars().take(64).collect();
    let message = format!("`{path}` does not take `{}`", call.method.name());
    Error::MethodNotAllowed { message }
}

/// The id that a call has to name.
fn named(call: &Call) -> Result<&str> {
    call.id.as_deref().ok_or_else(|| {
        let message = format!("`{}` of many at once is not taken", call.method.name());
        Error::invalid("id_required", "id", message, "the id of one object")
    })
}

/// A page as the clients read it.
fn listed<F, T>(asked: &Asked<F>, page: &Page<T>, id: &str, word: impl Fn(&T) -> Value) -> Value {
    let data = page.items.iter().map(word);
    let data: Vec<Value> = data
        .map(|one| selected(one, asked.select.as_ref(), id))
        .collect();
    json!({
        "total": page.total,
        "limit": asked.find.limit,
        "skip": asked.find.skip,
        "data": data,
    })
}
