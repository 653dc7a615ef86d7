//! What the agents' door reads in an address.
//!
//! Never read from here: the handlers read the query field by field.

#![expect(dead_code, reason = "shapes are described, not built")]

use utoipa::IntoParams;

use crate::domain::SessionId;

/// Which agents.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct AgentsQuery {
    /// Only those of this group.
    session_id: Option<SessionId>,
    /// Only those with this `status`, or this `detail`.
    status: Option<String>,
    /// Only those of this kind, under any of its names.
    agent_type: Option<String>,
    /// The size of the page; more counts as the most.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u64>,
    /// How many to leave out before it.
    #[param(minimum = 0, default = 0)]
    offset: Option<u64>,
}

/// Which accounts.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AccountsQuery {
    /// Only the one with this name or address.
    username: Option<String>,
    /// Another spelling of `username`.
    email: Option<String>,
    /// The size of the page; more counts as the most.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u64>,
    /// How many to leave out before it.
    #[param(minimum = 0, default = 0)]
    offset: Option<u64>,
}

/// When it pauses.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PauseQuery {
    /// `turn`: at the end of the running turn; `now`: the turn is ended.
    #[param(default = "turn")]
    mode: Option<String>,
}

/// Which part of a log.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LogQuery {
    /// Of which process; the last one without it.
    #[param(minimum = 1)]
    incarnation: Option<u64>,
    /// From which byte.
    #[param(minimum = 0, default = 0)]
    offset: Option<u64>,
    /// How many bytes; more counts as the most.
    #[param(minimum = 1, maximum = 1_048_576, default = 65_536)]
    limit: Option<u64>,
}

/// Which events.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EventsQuery {
    /// Behind which number: a number, `EPOCH:NUMBER`, or `latest`; the oldest that is held in
    /// memory without it.
    after: Option<String>,
    /// Of which life of the database the number is.
    epoch: Option<String>,
    /// Only these types, separated by commas.
    types: Option<String>,
    /// The size of the page; more counts as the most.
    #[param(minimum = 1, maximum = 200, default = 200)]
    limit: Option<u64>,
    /// Seconds to wait for a first event; more counts as the most.
    #[param(minimum = 0, maximum = 30, default = 0)]
    wait: Option<u64>,
}

/// Which answers that are remembered.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct OverridesQuery {
    /// Only those for this agent.
    agent_id: Option<SessionId>,
    /// The size of the page; more counts as the most.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u64>,
    /// How many to leave out before it.
    #[param(minimum = 0, default = 0)]
    offset: Option<u64>,
}

/// For which session.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ProgramsQuery {
    /// Names of variables, separated by commas; the first 256 count.
    env: Option<String>,
}
