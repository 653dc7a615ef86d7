//! Shapes of what waits for missions.
//!
//! Never anything but shapes: nothing is built of them.

#![expect(dead_code, reason = "shapes are described, not built")]

use utoipa::{IntoParams, ToSchema};

use crate::domain::{SessionId, TaskId};

/// Whose queue.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct QueueQuery {
    /// Only that of this mission.
    mission_id: Option<SessionId>,
    /// The size of the page; more counts as the most.
    #[param(minimum = 1, maximum = 1000, default = 200)]
    limit: Option<u64>,
    /// How many to leave out before it.
    #[param(minimum = 0, default = 0)]
    offset: Option<u64>,
}

/// Whose queue to empty.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ClearQuery {
    /// Only that of this mission.
    mission_id: Option<SessionId>,
}

/// A prompt that waits.
#[derive(ToSchema)]
pub struct Waiting {
    id: TaskId,
    content: String,
    #[schema(required)]
    agent: Option<String>,
    agent_missing: bool,
    mission_id: SessionId,
    /// Its place in the mission's queue, from 1.
    position: u64,
    /// Whether `content` is only the beginning.
    truncated: bool,
    created_at: String,
}

/// Prompts are withdrawn.
#[derive(ToSchema)]
pub struct Cleared {
    ok: bool,
    /// How many.
    cleared: u64,
}

/// A prompt is withdrawn.
#[derive(ToSchema)]
#[schema(as = PromptWithdrawn)]
pub struct Withdrawn {
    ok: bool,
    removed: bool,
}
