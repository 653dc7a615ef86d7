//! Failures in the words of the feathers clients: `{name, message, code, className, data, errors}`.
//!
//! Never the text of an internal error.

use actix_web::ResponseError;
use serde_json::{Map, Value, json};

use crate::api::shared::Fault;
use crate::app::cover;
use crate::domain::Error;

/// Names and class names by status (contract/agor.md 2); what is in no row is a general error.
const NAMES: [(u16, &str, &str); 15] = [
    (400, "BadRequest", "bad-request"),
    (401, "NotAuthenticated", "not-authenticated"),
    (403, "Forbidden", "forbidden"),
    (404, "NotFound", "not-found"),
    (405, "MethodNotAllowed", "method-not-allowed"),
    (408, "Timeout", "timeout"),
    (409, "Conflict", "conflict"),
    (410, "Gone", "gone"),
    (411, "LengthRequired", "length-required"),
    (422, "Unprocessable", "unprocessable"),
    (429, "TooManyRequests", "too-many-requests"),
    (500, "GeneralError", "general-error"),
    (501, "NotImplemented", "not-implemented"),
    (502, "BadGateway", "bad-gateway"),
    (503, "Unavailable", "unavailable"),
];

/// The object that a client revives as the typed error of its name. `data.code` is the stable word
/// of the house, with the field and what was expected beside it.
#[must_use]
pub fn wire(error: &Error) -> Value {
    let status = Fault(error.clone()).status_code().as_u16();
    let mut data = Map::new();
    data.insert("code".into(), error.code().into());
    match error {
        Error::Invalid {
            field, expected, ..
        } => {
            if !field.is_empty() {
                data.insert("field".into(), field.clone().into());
            }
            if let Some(expected) = expected {
                data.insert("expected".into(), expected.clone().into());
            }
        }
        Error::TooLarge { field, .. } => {
            data.insert("field".into(), field.clone().into());
        }
        Error::Busy { retry_after, .. } | Error::Unavailable { retry_after, .. } => {
            data.insert("retryAfter".into(), (*retry_after).into());
        }
        Error::MissingScope { scope } => {
            data.insert("scope".into(), scope.name().into());
        }
        Error::EpochChanged { epoch, latest_seq } => {
            data.insert("epoch".into(), epoch.clone().into());
            data.insert("latestSeq".into(), (*latest_seq).into());
        }
        Error::NotFound { .. }
        | Error::Unauthenticated { .. }
        | Error::Forbidden { .. }
        | Error::Conflict { .. }
        | Error::KeyReused
        | Error::Timeout { .. }
        | Error::Unsupported { .. }
        | Error::Internal(_) => {}
    }
    worded(status, &error.to_string(), data)
}

/// The object of a failure that is told by its status.
#[must_use]
pub fn worded(status: u16, message: &str, data: Map<String, Value>) -> Value {
    let known = NAMES.iter().find(|(code, ..)| *code == status);
    let (name, class) = known.map_or(("GeneralError", "general-error"), |(_, name, class)| {
        (*name, *class)
    });
    let mut all = json!({
        "name": name,
        "message": message,
        "code": status,
        "className": class,
        "data": data,
        "errors": {},
    });
    // What somebody sent comes back in the words of a refusal.
    cover(&mut all);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_named_by_its_status() {
        let told = wire(&Error::not_found("session", "x"));
        assert_eq!(told["name"], "NotFound");
        assert_eq!(told["code"], 404);
        assert_eq!(told["className"], "not-found");
        assert_eq!(told["data"]["code"], "not_found");
        let told = wire(&Error::invalid("bad_field", "prompt", "no", "words"));
        assert_eq!(told["name"], "BadRequest");
        assert_eq!(told["data"]["field"], "prompt");
        assert_eq!(told["data"]["expected"], "words");
    }

    #[test]
    fn an_internal_text_stays_inside() {
        let told = wire(&Error::internal("SELECT * FROM users"));
        assert_eq!(told["name"], "GeneralError");
        assert!(!told.to_string().contains("SELECT"));
    }

    #[test]
    fn what_has_no_name_is_a_general_error_with_its_status() {
        let told = wire(&Error::TooLarge {
            field: "prompt".into(),
            message: "too long".into(),
        });
        assert_eq!(
            (told["name"].as_str(), &told["code"]),
            (Some("GeneralError"), &json!(413))
        );
    }
}
