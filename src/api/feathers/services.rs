//! The services by their paths: one table for REST and for the real-time client.
//!
//! Never answers for a path that is in no row.

use serde_json::Value;

use super::call::Call;
use crate::app::{App, Visit};
use crate::domain::{Error, Result};

/// Answers a call.
///
/// # Errors
/// `not_found` for a service that is not there; those of the service.
pub async fn answer(_app: &App, _visit: &Visit, call: Call) -> Result<Value> {
    let path: String = call.path.chars().take(64).collect();
    Err(Error::not_found("service", path))
}
