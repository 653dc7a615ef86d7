//! Every code of a refusal: its status and what it says.
//!
//! Never a code that no source gives: a test reads the sources.

/// A code that a reply of HTTP may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// Stable.
    pub name: &'static str,
    /// Of the reply.
    pub status: u16,
    /// For people.
    pub says: &'static str,
}

const fn code(name: &'static str, status: u16, says: &'static str) -> Code {
    Code { name, status, says }
}

/// Every code, by status.
pub const CODES: &[Code] = &[
    code("bad_body", 400, "the body broke off"),
    code(
        "bad_cursor",
        400,
        "the cursor cannot be read, or is of no process yet",
    ),
    code("bad_email", 400, "the address is not usable"),
    code(
        "bad_env",
        400,
        "a variable is not allowed, or all are too large",
    ),
    code(
        "bad_field",
        400,
        "a field or parameter is missing, of a wrong type or out of range",
    ),
    code(
        "bad_handshake",
        400,
        "the request is no WebSocket handshake of version 13",
    ),
    code(
        "bad_idempotency_key",
        400,
        "the key is not 1 to 255 visible ASCII characters",
    ),
    code("bad_json", 400, "the body is no JSON object"),
    code("bad_name", 400, "the name is not allowed"),
    code(
        "bad_on_uncertain",
        400,
        "the word is not ask, retry or drop",
    ),
    code(
        "bad_order",
        400,
        "the order does not name every waiting task once",
    ),
    code("bad_password", 400, "the password is too short or too long"),
    code(
        "covered_words",
        400,
        "signs that stand for a secret would take its place",
    ),
    code(
        "bad_permission_mode",
        400,
        "the permission mode is not known",
    ),
    code(
        "bad_remember",
        400,
        "the word is not once, session or always",
    ),
    code("bad_request", 400, "the request cannot be understood"),
    code("bad_scenario", 400, "the scenario cannot be played"),
    code("bad_state", 400, "no sign-in with this state is under way"),
    code(
        "bad_text",
        400,
        "a text has a character that the database does not keep",
    ),
    code("bad_username", 400, "the name of the account is not usable"),
    code(
        "cwd_denied",
        400,
        "the working directory is outside of the allowed roots",
    ),
    code("cwd_missing", 400, "the working directory does not exist"),
    code(
        "cwd_not_a_directory",
        400,
        "the working directory is no directory",
    ),
    code("not_executable", 400, "the agent program may not be run"),
    code(
        "option_not_supported",
        400,
        "agents of this kind do not have the option",
    ),
    code(
        "path_denied",
        400,
        "the directory is outside of the allowed roots",
    ),
    code("path_not_a_directory", 400, "what is there is no directory"),
    code(
        "program_not_found",
        400,
        "the agent program is not installed",
    ),
    code(
        "remember_unsupported",
        400,
        "the answer cannot be remembered",
    ),
    code(
        "reserved_username",
        400,
        "the server itself goes by that name",
    ),
    code(
        "sign_in_refused",
        400,
        "the provider, or the person there, did not agree",
    ),
    code("unknown_agent_kind", 400, "there is no such kind of agents"),
    code("unknown_machine", 400, "there is no other machine"),
    code("unknown_scenario", 400, "there is no such scenario"),
    code("ambiguous_id", 400, "several ids begin so"),
    code("bad_query", 400, "the query cannot be understood"),
    code("username_required", 400, "the name is missing"),
    code(
        "bad_refresh_token",
        401,
        "the refresh token was used, is over or never was",
    ),
    code("bad_strategy", 401, "the strategy is missing or not known"),
    code("bad_credentials", 401, "the name or the password is wrong"),
    code("bad_key", 401, "the API key is not ours"),
    code(
        "bad_ticket",
        401,
        "the ticket was used, is over or never was",
    ),
    code("bad_token", 401, "the token is not ours"),
    code("key_expired", 401, "the API key is over"),
    code(
        "key_revoked",
        401,
        "the API key was revoked, or its user was shut out",
    ),
    code("missing_token", 401, "there is no token"),
    code("token_expired", 401, "the token is over"),
    code(
        "token_revoked",
        401,
        "the token was ended, or its user was shut out",
    ),
    code(
        "bad_invite",
        403,
        "the invitation was used, is over or never was",
    ),
    code(
        "bad_origin",
        403,
        "pages of that origin may not call this server",
    ),
    code("forbidden", 403, "the role may not do this"),
    code("invite_required", 403, "registration needs an invitation"),
    code("login_required", 403, "no API key may do this: sign in"),
    code("missing_scope", 403, "the API key has no scope for this"),
    code(
        "own_password",
        403,
        "your own password is changed with the one that you have",
    ),
    code("registration_closed", 403, "nobody can register here"),
    code("role_too_high", 403, "that role is above your own"),
    code("wrong_password", 403, "the current password is wrong"),
    code(
        "not_found",
        404,
        "there is no such object, or it is somebody else's",
    ),
    code("agents_alive", 409, "agents of this person live"),
    code(
        "already_exists",
        409,
        "another one with the same name exists",
    ),
    code(
        "already_made",
        409,
        "the key was made, but cannot be shown again",
    ),
    code("already_resolved", 409, "the question is answered or over"),
    code(
        "agent_busy",
        409,
        "the agent works, and the prompt was not to wait",
    ),
    code(
        "cannot_fork",
        409,
        "the session has no conversation of this kind",
    ),
    code(
        "creation_failed",
        409,
        "the first request with this key could not start its agent",
    ),
    code(
        "default_workspace",
        409,
        "the workspace that everybody has is neither changed nor deleted",
    ),
    code("deleted", 409, "it was deleted meanwhile"),
    code("email_taken", 409, "another account has this address"),
    code(
        "invalid_state",
        409,
        "the task does not wait any more, or the mission stands otherwise",
    ),
    code(
        "last_superadmin",
        409,
        "nobody would be left who may do everything",
    ),
    code("limit_reached", 409, "a limit of the session is used up"),
    code("name_taken", 409, "you have another one with this name"),
    code(
        "no_conversation",
        409,
        "the session has no conversation yet",
    ),
    code(
        "no_mission_loaded",
        409,
        "the message names no mission, and none is loaded",
    ),
    code("no_process", 409, "the agent has no process"),
    code("no_turn", 409, "no turn runs"),
    code(
        "not_running",
        409,
        "nothing of the mission runs or is about to",
    ),
    code(
        "oauth_unsupported",
        409,
        "people sign in to this provider with a key",
    ),
    code("owner_deleted", 409, "whose agent it is was deleted"),
    code(
        "reopened",
        409,
        "a prompt came meanwhile: the session goes on",
    ),
    code(
        "reset_cancelled",
        409,
        "the session was stopped before its reset was through",
    ),
    code(
        "restart_needed",
        409,
        "the running program does not take this mode",
    ),
    code("still_running", 409, "a process is still there; ask again"),
    code("too_many_keys", 409, "you have too many API keys"),
    code("too_many_overrides", 409, "too many answers are remembered"),
    code("too_many_workspaces", 409, "you have too many workspaces"),
    code("unsupported", 409, "agents of this kind have no such thing"),
    code("username_taken", 409, "another account has this name"),
    code(
        "workspace_gone",
        409,
        "the workspace of the agent was deleted, and its variables with it",
    ),
    code("workspace_in_use", 409, "an agent runs in the workspace"),
    code(
        "workspace_not_ready",
        409,
        "the workspace cannot be used; it says why",
    ),
    code(
        "epoch_changed",
        410,
        "the cursor is of another epoch or ahead of the log",
    ),
    code(
        "too_large",
        413,
        "the body or a field is larger than its bound",
    ),
    code(
        "bad_host",
        421,
        "this server does not answer under that name",
    ),
    code(
        "idempotency_key_reused",
        422,
        "the key was used for a different request",
    ),
    code("queue_full", 429, "too many prompts wait"),
    code("sign_in_busy", 429, "too many people sign in at the moment"),
    code(
        "too_many_attempts",
        429,
        "too many passwords were wrong; wait",
    ),
    code(
        "too_many_connections",
        429,
        "you have too many open sockets",
    ),
    code("too_many_execs", 429, "too many commands run at the moment"),
    code(
        "too_many_sign_ins",
        429,
        "too many sign-ins at providers are under way",
    ),
    code(
        "too_many_polls",
        429,
        "too many requests of this token wait",
    ),
    code(
        "internal",
        500,
        "a fault of the server; its log tells, under the request's id",
    ),
    code(
        "container_unsupported",
        501,
        "this server makes workspaces of the type host alone",
    ),
    code("busy", 503, "a part of the server has too much to do"),
    code(
        "client_gone",
        503,
        "the client has gone, and the command with it",
    ),
    code("database_busy", 503, "the database is busy"),
    code(
        "database_gone",
        503,
        "the file of the database was removed or replaced under the server",
    ),
    code("database_taken", 503, "another server has the database"),
    code(
        "database_unreachable",
        503,
        "the server of the database cannot be reached",
    ),
    code("disk_full", 503, "the disk is full, or nearly so"),
    code("draining", 503, "the server is stopping"),
    code(
        "exec_lost",
        503,
        "what held the command was lost, and the command with it",
    ),
    code(
        "log_unreadable",
        503,
        "the log cannot be read at the moment",
    ),
    code(
        "outcome_unknown",
        503,
        "the database was lost during the write, which may be kept or not",
    ),
    code(
        "process_ended",
        503,
        "the process ended while it was starting",
    ),
    code(
        "provider_unavailable",
        503,
        "the provider cannot be reached, or answers strangely",
    ),
    code("restarting", 503, "a part of the server is being restarted"),
    code("spawn_failed", 503, "the process could not be started"),
    code("timeout", 504, "it took too long; the work goes on"),
];
