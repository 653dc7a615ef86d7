//! Answers to questions and what is remembered of them, in the words of every door.
//!
//! Never an override without the words that say what it answers.

use serde_json::{Value, json};

use crate::app::Answered;
use crate::domain::{Override, Remember};

/// Words an override.
pub fn rule(rule: &Override) -> Value {
    let (by, text) = rule.matcher.parts();
    json!({
        "id": rule.id,
        "scope": rule.scope().name(),
        "userId": rule.owner,
        "agentId": rule.session,
        "agentType": rule.kind.name(),
        "toolName": rule.tool,
        "matcher": {"by": by, "text": text},
        "matches": rule.matcher.words(&rule.tool),
        "approved": rule.approved,
        "decision": if rule.approved { "allow" } else { "deny" },
        "by": rule.by,
        "createdAt": rule.created_at.rfc3339(),
    })
}

/// Adds to a reply what is remembered of the answer.
pub fn add_remembered(reply: &mut Value, answered: &Answered) {
    let Value::Object(reply) = reply else { return };
    let kept = answered.remembered.as_ref();
    let scope = kept.map_or(Remember::Once, Override::scope);
    reply.insert("remember".into(), scope.name().into());
    reply.insert("remembered".into(), kept.map_or(Value::Null, rule));
    if let Some(note) = answered.note {
        reply.insert("note".into(), note.into());
    }
}
