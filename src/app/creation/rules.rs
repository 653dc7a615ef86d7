//! What a new session is checked for, and what follows from what was asked.
//!
//! Never a row: those are written by the creation itself.

use serde_json::Value;

use super::super::options;
use super::AgentRequest;
use crate::domain::prompt::IdempotencyKey;
use crate::domain::{Error, Kind, Options, Parent, ParentReason, Result, Session, SessionId};
use crate::store::StoreError;

/// Most bytes of a client's own data, as JSON.
const MAX_METADATA: usize = 64 * 1024;
/// Most bytes of a topic or the name of a model.
const MAX_LABEL: usize = 512;

/// The options, checked against the kind. How hard to think is kept for a kind that has no use for it
/// where the server's settings chose that kind.
///
/// # Errors
/// `option_not_supported`, `bad_field`.
pub(super) fn settled(
    kind: Kind,
    (named, request): (Option<Kind>, &AgentRequest),
    origin: Option<&Session>,
) -> Result<Options> {
    let asked = &request.options;
    let chosen = named.is_none() && request.fallback.is_some();
    if !chosen || kind.has_model() {
        return options::settle(kind, asked, origin);
    }
    let mut rest = asked.clone();
    let effort = rest.effort.take();
    Ok(Options {
        effort: effort.as_deref().map(options::effort).transpose()?,
        ..options::settle(kind, &rest, origin)?
    })
}

/// Where a session comes from: the group that it was added to, else what it branched off.
pub fn parent(group: Option<SessionId>, origin: Option<&Session>) -> Option<Parent> {
    let of = |session, reason| Parent { session, reason };
    let group = group.map(|group| of(group, ParentReason::Agent));
    group.or_else(|| origin.map(|origin| of(origin.id, ParentReason::Fork)))
}

/// Checks a topic or another short text.
///
/// # Errors
/// `bad_field`.
pub fn label(field: &'static str, text: Option<&str>) -> Result<()> {
    let fits = text.is_none_or(|text| text.len() <= MAX_LABEL && !text.contains('\0'));
    fits.then_some(()).ok_or_else(|| {
        Error::invalid(
            "bad_field",
            field,
            "the text is too long or has a NUL",
            "at most 512 bytes, no NUL",
        )
    })
}

/// Checks a client's own data.
///
/// # Errors
/// `bad_field`.
pub fn metadata(value: &Value) -> Result<()> {
    let object = value.is_object() || value.is_null();
    if object && value.to_string().len() <= MAX_METADATA {
        return Ok(());
    }
    Err(Error::invalid(
        "bad_field",
        "metadata",
        "the metadata are no object or too large",
        "a JSON object of at most 64 KiB",
    ))
}

/// The only unique columns beside the id, which is random, are owner and name.
pub fn taken_name(error: StoreError) -> Error {
    if let StoreError::Conflict(_) = error {
        return Error::conflict("name_taken", "you have another agent with this name");
    }
    error.into()
}

/// Keys of clients are visible ASCII; these two start with a control character.
pub fn reply_key(key: &IdempotencyKey) -> IdempotencyKey {
    IdempotencyKey {
        key: format!("\u{1}reply {}", key.key),
        digest: key.digest,
    }
}

/// The same, for the first prompt of a creation.
pub fn task_key(key: &IdempotencyKey) -> IdempotencyKey {
    IdempotencyKey {
        key: format!("\u{1}task {}", key.key),
        digest: key.digest,
    }
}
