//! `openapi`: the document of the API, as this build serves it.
//!
//! Never asks a server: the document is of the program, not of one that runs.

use super::super::failure::{Exit, Failure};
use super::super::out;

/// Prints the document.
pub fn openapi(document: fn() -> String) -> Result<Exit, Failure> {
    out::bytes(document().as_bytes())?;
    Ok(Exit::Completed)
}
