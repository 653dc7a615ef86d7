//! The words of the house as closed lists and its ids, for the document of the API.
//!
//! Never a list typed again: each comes from the enum that it shows.

use utoipa::openapi::schema::{
    Array, ArrayBuilder, Object, ObjectBuilder, SchemaFormat, SchemaType, Type,
};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::{
    ApprovalId, EventKind, InviteId, InviteState, KeyId, Kind, Mission, OverrideId, Remember,
    Scope, SessionId, Status, TaskId, TaskState, UserId, WorkspaceId,
};

/// Shapes that are several others in one.
macro_rules! joined {
    ($($(#[$doc:meta])* $name:ident as $shown:literal: $($part:ty),+;)+) => {$(
        $(#[$doc])*
        pub struct $name;

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                let joined = utoipa::openapi::schema::AllOfBuilder::new()
                    $(.item(utoipa::openapi::Ref::from_schema_name(
                        <$part as utoipa::ToSchema>::name(),
                    )))+
                    .build();
                utoipa::openapi::RefOr::T(utoipa::openapi::Schema::AllOf(joined))
            }
        }

        impl utoipa::ToSchema for $name {
            fn name() -> std::borrow::Cow<'static, str> {
                $shown.into()
            }

            fn schemas(
                schemas: &mut Vec<(
                    String,
                    utoipa::openapi::RefOr<utoipa::openapi::Schema>,
                )>,
            ) {
                $(
                    schemas.push((
                        <$part as utoipa::ToSchema>::name().into_owned(),
                        <$part as utoipa::PartialSchema>::schema(),
                    ));
                    <$part as utoipa::ToSchema>::schemas(schemas);
                )+
            }
        }
    )+};
}
pub(crate) use joined;

macro_rules! ids {
    ($($id:ident: $text:literal),+ $(,)?) => {$(
        impl PartialSchema for $id {
            fn schema() -> RefOr<Schema> {
                let format = SchemaFormat::Custom("uuid".to_owned());
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .format(Some(format))
                    .description(Some($text))
                    .into()
            }
        }
        impl ToSchema for $id {}
    )+};
}

ids! {
    SessionId: "The id of an agent, which is its session's.",
    TaskId: "The id of a task.",
    UserId: "The id of a person.",
    ApprovalId: "The id of a question of an agent.",
    OverrideId: "The id of an answer that is remembered.",
    InviteId: "The id of an invitation.",
    KeyId: "The id of an API key.",
    WorkspaceId: "The id of a workspace.",
}

fn list<const N: usize>(words: [&'static str; N]) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(words))
        .build()
}

fn or_null<const N: usize>(words: [&'static str; N]) -> Object {
    let values = words.into_iter().map(serde_json::Value::from);
    ObjectBuilder::new()
        .schema_type(SchemaType::Array(vec![Type::String, Type::Null]))
        .enum_values(Some(values.chain([serde_json::Value::Null])))
        .build()
}

/// Kinds of agents.
pub fn kind() -> Object {
    list(Kind::ALL.map(Kind::name))
}

/// How a mission stands.
pub fn mission() -> Object {
    list(Mission::ALL.map(Mission::name))
}

/// What a session does.
pub fn status() -> Object {
    list(Status::ALL.map(Status::name))
}

/// What a task does.
pub fn task_state() -> Object {
    list(TaskState::ALL.map(TaskState::name))
}

/// What a task does, in few words.
pub fn task_status() -> Object {
    let mut words: Vec<_> = TaskState::ALL.map(TaskState::coarse).into();
    words.sort_unstable();
    words.dedup();
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(words))
        .build()
}

/// What an event is about.
pub fn event() -> Object {
    list(EventKind::ALL.map(EventKind::name))
}

/// For how long an answer holds.
pub fn remember() -> Object {
    list(Remember::ALL.map(Remember::name))
}

/// For how long an answer is to hold: also the two words of older clients.
pub fn remember_asked() -> Object {
    let words = Remember::ALL.map(Remember::name).map(Into::into);
    let values: Vec<serde_json::Value> = words
        .into_iter()
        .chain([true.into(), false.into(), serde_json::Value::Null])
        .collect();
    ObjectBuilder::new()
        .schema_type(SchemaType::AnyValue)
        .enum_values(Some(values))
        .description(Some("`true` is `session`, `false` is `once`."))
        .build()
}

/// The agents' door: what an agent does, in few words.
pub fn lifecycle() -> Object {
    list([
        "idle",
        "running",
        "paused",
        "stopped",
        "completed",
        "failed",
    ])
}

/// The terminals' door: where a session stands, or the word of its completion.
pub fn place() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(
            "`idle`, `active`, `stale`, `exited` or `completed`; behind a completion its own word.",
        ))
        .build()
}

/// The terminals' door: what a session does, as far as that is known.
pub fn phase() -> Object {
    or_null([
        "blocked",
        "starting",
        "completed",
        "tool_use",
        "idle",
        "stale",
        "exited",
    ])
}

/// What a program asks before it does something.
pub fn permission_mode() -> Object {
    list([
        "default",
        "dontAsk",
        "acceptEdits",
        "bypassPermissions",
        "plan",
    ])
}

/// What becomes of a prompt of which nobody knows whether it was received.
pub fn on_uncertain() -> Object {
    list(["ask", "retry", "drop"])
}

/// The same in a request, where null is as if it were absent.
pub fn on_uncertain_asked() -> Object {
    or_null(["ask", "retry", "drop"])
}

/// Roles, from the least to the most.
pub fn role() -> Object {
    list(["viewer", "member", "admin", "superadmin"])
}

/// Which limit of a session is used up.
pub fn limit() -> Object {
    or_null(["spend", "turns", "busy_time"])
}

/// What an API key may be used for.
pub fn scope() -> Object {
    list(Scope::ALL.map(Scope::name))
}

/// Several of them.
pub fn scopes() -> Array {
    ArrayBuilder::new().items(scope()).build()
}

/// Where an invitation stands.
pub fn invite_state() -> Object {
    list([InviteState::Open, InviteState::Used, InviteState::Expired].map(InviteState::name))
}
