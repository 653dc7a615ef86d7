//! What a mission is asked to be made of.
//!
//! Never ignores what it cannot read: a field of a wrong type is refused by its name.

use actix_web::HttpRequest;

use crate::api::shared::body::bad_field;
use crate::api::shared::work::{on_uncertain, options};
use crate::api::shared::{Fault, Fields, idempotency};
use crate::app::{AgentRequest, OptionsRequest};

/// Fields of an agent by the names that they have here.
pub const WORDS: [(&str, &str); 4] = [
    ("topic", "title"),
    ("agentType", "backend"),
    ("model", "model_override"),
    ("effort", "model_effort"),
];

/// Reads the body of a creation.
///
/// # Errors
/// `bad_field`, `bad_idempotency_key`.
pub fn requested(request: &HttpRequest, body: &Fields) -> Result<AgentRequest, Fault> {
    let effort = body.text(&["model_effort", "modelEffort", "effort"])?;
    let message = body.text(&["message", "content", "prompt"])?;
    if message
        .as_ref()
        .is_some_and(|words| words.trim().is_empty())
    {
        return Err(bad_field("message", "words").into());
    }
    Ok(AgentRequest {
        kind: body.text(&["backend", "agentType", "agent_type"])?,
        session: body.id(&["parent_id", "parentId"])?,
        name: body.text(&["name"])?,
        topic: body.text(&["title"])?,
        model: body.text(&["model_override", "modelOverride", "model"])?,
        message,
        workspace: body.id(&["workspace_id", "workspaceId"])?,
        cwd: body.text(&["cwd", "working_directory", "workingDirectory"])?,
        permission_mode: body.text(&["permission_mode", "permissionMode"])?,
        scenario: body.text(&["scenario"])?,
        options: OptionsRequest {
            agent: body.text(&["agent"])?,
            effort,
            ..options::requested(body)?
        },
        env: body.texts("env")?,
        metadata: body.object("metadata")?,
        on_uncertain: on_uncertain(body)?,
        key: idempotency::key(request, body)?,
        ..AgentRequest::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str) -> Result<AgentRequest, Fault> {
        let request = actix_web::test::TestRequest::post().to_http_request();
        let body = Fields::parse(bytes::Bytes::copy_from_slice(text.as_bytes())).unwrap();
        requested(&request, &body)
    }

    #[test]
    fn the_seeds_body_is_read() {
        let read = asked(
            r#"{"title":"My Mission","agent":"code-reviewer","model_override":"gpt-5-codex","model_effort":"medium"}"#,
        );
        let read = read.unwrap();
        assert_eq!(read.topic.as_deref(), Some("My Mission"));
        assert_eq!(read.options.agent.as_deref(), Some("code-reviewer"));
        assert_eq!(read.model.as_deref(), Some("gpt-5-codex"));
        assert_eq!(read.options.effort.as_deref(), Some("medium"));
        assert_eq!(read.kind, None);
    }

    #[test]
    fn a_wrong_type_is_never_passed_over() {
        for (text, field) in [
            (r#"{"title":5}"#, "title"),
            (r#"{"backend":[]}"#, "backend"),
            (r#"{"limits":"none"}"#, "limits"),
            (r#"{"agent":{}}"#, "agent"),
        ] {
            let Fault(crate::domain::Error::Invalid { field: at, .. }) = asked(text).unwrap_err()
            else {
                panic!("{text}");
            };
            assert_eq!(at, field);
        }
    }
}
