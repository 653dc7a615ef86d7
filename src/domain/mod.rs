//! The words of the house: ids, sessions, tasks, events, approvals, errors and the legal moves
//! between their states, as plain data and pure functions.
//!
//! Never does input or output, never reads a clock and never names another room.

pub mod account;
pub mod agent;
pub mod api_key;
pub mod approval;
pub mod attempts;
pub mod audit;
pub mod chain;
pub mod change;
pub mod confidential;
pub mod cursor;
pub mod error;
pub mod event;
pub mod exit;
pub mod find;
pub mod id;
pub mod invite;
pub mod limit;
pub mod machine;
pub mod mission;
pub mod options;
pub mod overrides;
pub mod permission;
pub mod principal;
pub mod program;
pub mod prompt;
pub mod provider;
pub mod scope;
pub mod server_lock;
pub mod session;
pub mod space;
pub mod status;
pub mod survival;
pub mod task;
#[cfg(test)]
pub mod testing;
pub mod user;
pub mod workspace;

pub use agent::Kind;
pub use api_key::ApiKey;
pub use approval::{Approval, ApprovalKind, ApprovalState, Risk};
pub use attempts::{Attempts, Curve};
pub use audit::{AuditNote, AuditResult};
pub use change::{Batch, Change, NewIncarnation, Progress, TaskMove, Tuning};
pub use confidential::Confidential;
pub use cursor::{After, StreamCursor};
pub use error::{Error, Result};
pub use event::{CUT, Draft, Event, EventKind};
pub use exit::{ExitReason, ExitReport};
pub use id::{
    ApprovalId, Incarnation, InviteId, KeyId, OverrideId, SessionId, SignInId, TaskId, Timestamp,
    UserId, WorkspaceId,
};
pub use invite::{Invite, InviteState};
pub use limit::LimitKind;
pub use mission::{Mission, Reopened};
pub use options::{Options, SessionLimits};
pub use overrides::{Matcher, Override, Remember};
pub use permission::PermissionMode;
pub use principal::{Principal, Role};
pub use prompt::{OnUncertain, Placement, Prompt};
pub use provider::{Method, SignIn, Standing};
pub use scope::{Scope, Scopes};
pub use server_lock::{SERVER_LOCK, ServerNote};
pub use session::{Completion, NewSession, Parent, ParentReason, Session};
pub use space::Space;
pub use status::{
    Cut, Facts, Lifecycle, Process, Stall, StallKind, Status, TurnFact, TurnPhase, status,
};
pub use task::{Outcome, Task, TaskState, Words};
pub use user::User;
pub use workspace::{Workspace, WorkspaceState};
