//! The codes that routes share: by what they ask for, and by the names that annotations give.
//!
//! Never a code that is not in the table of codes: a test compares them.

/// What every request may be refused with.
pub const ANY: &[&str] = &["bad_host", "bad_origin", "bad_request", "internal"];
/// What every request that needs a token or a key may be refused with: both are looked up in the
/// database.
pub const SIGNED_IN: &[&str] = &[
    "missing_token",
    "bad_token",
    "token_expired",
    "token_revoked",
    "bad_key",
    "key_expired",
    "key_revoked",
    "@stored",
];
/// What every request with a body may be refused with.
pub const WITH_BODY: &[&str] = &["bad_body", "bad_json", "bad_field", "too_large"];

/// What routes share, by the names that annotations give with an `@`.
pub const GROUPS: &[(&str, &[&str])] = &[
    (
        "@stored",
        &[
            "bad_text",
            "database_busy",
            "database_gone",
            "database_taken",
            "database_unreachable",
            "disk_full",
            "draining",
            "outcome_unknown",
        ],
    ),
    ("@lives", &["@stored", "busy", "restarting"]),
    ("@drives", &["@lives", "forbidden", "timeout"]),
    (
        "@shows",
        &[
            "@lives",
            "bad_field",
            "bad_cursor",
            "bad_handshake",
            "too_many_connections",
            "bad_ticket",
        ],
    ),
    (
        "@names",
        &[
            "bad_username",
            "reserved_username",
            "bad_email",
            "username_taken",
            "email_taken",
        ],
    ),
    (
        "@signs",
        &[
            "@stored",
            "bad_token",
            "token_expired",
            "token_revoked",
            "bad_key",
            "key_expired",
            "key_revoked",
            "not_found",
        ],
    ),
    ("@hashes", &["bad_password", "sign_in_busy"]),
    (
        "@starts",
        &[
            "program_not_found",
            "not_executable",
            "cwd_missing",
            "cwd_denied",
            "owner_deleted",
            "workspace_gone",
            "spawn_failed",
            "process_ended",
            "limit_reached",
        ],
    ),
    (
        "@prompts",
        &["@starts", "queue_full", "too_large", "bad_on_uncertain"],
    ),
    (
        "@settles",
        &[
            "bad_env",
            "bad_name",
            "container_unsupported",
            "name_taken",
            "path_denied",
            "path_not_a_directory",
        ],
    ),
    (
        "@finishes",
        &[
            "@stored",
            "bad_state",
            "provider_unavailable",
            "sign_in_refused",
            "token_revoked",
        ],
    ),
    (
        "@creates",
        &[
            "@drives",
            "@prompts",
            "not_found",
            "bad_env",
            "bad_idempotency_key",
            "bad_name",
            "bad_permission_mode",
            "bad_scenario",
            "cannot_fork",
            "creation_failed",
            "cwd_not_a_directory",
            "deleted",
            "idempotency_key_reused",
            "name_taken",
            "no_conversation",
            "option_not_supported",
            "unknown_agent_kind",
            "unknown_scenario",
            "workspace_not_ready",
        ],
    ),
];

/// The codes that these names stand for.
#[must_use]
pub fn expanded(names: &[&str]) -> Vec<String> {
    let mut open: Vec<&str> = names.to_vec();
    let mut found: Vec<String> = Vec::new();
    while let Some(name) = open.pop() {
        match GROUPS.iter().find(|(group, _)| *group == name) {
            Some((_, members)) => open.extend(*members),
            None if found.iter().any(|known| known == name) => {}
            None => found.push(name.to_owned()),
        }
    }
    found.sort_unstable();
    found
}
