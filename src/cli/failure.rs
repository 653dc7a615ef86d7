//! What went wrong in a command: what, why, what to do, and the exit code of it.
//!
//! Never holds a token or a password.

use std::process::ExitCode;

use reqwest::StatusCode;
use serde_json::Value;

use crate::domain::TaskState;

/// The exit codes of the client, stable for scripts (README, "Exit codes").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done; the turn ended well.
    Completed,
    /// The turn or the command failed.
    Failed,
    /// The command line or the data were refused as wrong.
    Usage,
    /// Not signed in, or no longer.
    SignedOut,
    /// No such agent, task or approval.
    NotFound,
    /// The server is not there or takes no work.
    Unreachable,
    /// The turn was stopped by a person or its process ended under it.
    Stopped,
    /// Nobody knows whether the agent got the prompt.
    Uncertain,
    /// A deadline passed.
    TimedOut,
    /// Not allowed, or not now.
    Refused,
    /// Ctrl-C.
    Interrupted,
    /// The reader of our output went away; shown as SIGPIPE would be.
    BrokenPipe,
}

impl Exit {
    /// The process's exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Completed => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::SignedOut => 3,
            Self::NotFound => 4,
            Self::Unreachable => 5,
            Self::Stopped => 6,
            Self::Uncertain => 7,
            Self::TimedOut => 8,
            Self::Refused => 9,
            Self::Interrupted => 130,
            Self::BrokenPipe => 141,
        }
    }

    /// The code of a task that stands like this; a task that still runs has none.
    #[must_use]
    pub fn of_task(state: TaskState) -> Option<Self> {
        match state {
            TaskState::Completed => Some(Self::Completed),
            TaskState::Failed => Some(Self::Failed),
            TaskState::Stopped | TaskState::Interrupted => Some(Self::Stopped),
            TaskState::Uncertain => Some(Self::Uncertain),
            TaskState::TimedOut => Some(Self::TimedOut),
            TaskState::Created
            | TaskState::Queued
            | TaskState::Dispatching
            | TaskState::Running
            | TaskState::AwaitingApproval
            | TaskState::Stopping => None,
        }
    }

    /// The code of a refusal with this HTTP status.
    #[must_use]
    pub fn of_status(status: StatusCode) -> Self {
        match status.as_u16() {
            401 => Self::SignedOut,
            404 => Self::NotFound,
            403 | 409 | 421 | 423 | 429 => Self::Refused,
            408 | 504 => Self::TimedOut,
            502 | 503 => Self::Unreachable,
            400..=499 => Self::Usage,
            _ => Self::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// A command that could not be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Its exit code.
    pub exit: Exit,
    /// What could not be done.
    pub what: String,
    /// Why, as far as it is known.
    pub why: Option<String>,
    /// What a person can do about it.
    pub mend: Option<String>,
    /// The server's stable code, when the server refused.
    pub code: Option<String>,
    /// The server's reply, when it was JSON.
    pub body: Option<Box<Value>>,
}

impl Failure {
    /// A failure with nothing but its text.
    #[must_use]
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self {
            exit,
            what: what.into(),
            why: None,
            mend: None,
            code: None,
            body: None,
        }
    }

    /// The same with a reason.
    #[must_use]
    pub fn because(mut self, why: impl Into<String>) -> Self {
        self.why = Some(why.into());
        self
    }

    /// The same with a way out.
    #[must_use]
    pub fn mend(mut self, mend: impl Into<String>) -> Self {
        self.mend = Some(mend.into());
        self
    }

    /// A refusal of the server: its status and its body `{error, code, field?, expected?,
    /// retryAfter?, requestId}`.
    #[must_use]
    pub fn refused(status: StatusCode, body: &[u8]) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
        let mut failure = Self::new(
            Exit::of_status(status),
            text("error").unwrap_or_else(|| format!("the server answered {status}")),
        );
        failure.code = text("code");
        failure.why = details(&body);
        failure.mend = mend_of(failure.code.as_deref(), failure.exit, &body);
        failure.body = (!body.is_null()).then(|| Box::new(body));
        failure
    }

    /// Whether trying again may help without anybody doing anything.
    #[must_use]
    pub fn transient(&self) -> bool {
        self.exit == Exit::Unreachable
    }

    /// Prints it to stderr, up to three lines.
    pub fn print(&self) {
        if self.exit == Exit::BrokenPipe {
            return;
        }
        let mut text = format!("callboard: {}", self.what);
        if let Some(why) = &self.why {
            text.push_str("\n  why: ");
            text.push_str(why);
        }
        if let Some(mend) = &self.mend {
            text.push_str("\n  do:  ");
            text.push_str(mend);
        }
        super::out::note(&super::plain::line(&text));
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::new(Exit::BrokenPipe, "nobody reads the output");
        }
        Self::new(Exit::Failed, "the output cannot be written").because(error.to_string())
    }
}

fn details(body: &Value) -> Option<String> {
    let mut parts = Vec::new();
    for (key, word) in [
        ("field", "field"),
        ("expected", "expected"),
        ("status", "status"),
        ("code", "code"),
        ("scope", "scope"),
        ("requestId", "request"),
    ] {
        match body.get(key) {
            Some(Value::String(text)) => parts.push(format!("{word} {text}")),
            Some(Value::Number(number)) => parts.push(format!("{word} {number}")),
            Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | None => {}
        }
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn mend_of(code: Option<&str>, exit: Exit, body: &Value) -> Option<String> {
    let retry = body.get("retryAfter").and_then(Value::as_u64);
    let text = match (code, exit) {
        (Some("bad_credentials"), _) => {
            "check user name and password; the first admin's are in \
                                         DATA_DIR/admin-credentials on the server's machine"
        }
        (Some("wrong_password"), _) => "type your present password first, then the new one",
        (Some("own_password"), _) => "`callboard user password` without a name",
        (Some("agents_alive"), _) => {
            "`callboard ps` shows them; `callboard stop` or `rm` ends them"
        }
        (Some("last_superadmin"), _) => "give somebody else the role superadmin first",
        (Some("bad_host"), _) => {
            "use the address that the server is bound to, or add this name to \
                                  `allowed_hosts` in its settings"
        }
        (_, Exit::SignedOut) => "run `callboard login`, or set CALLBOARD_API_KEY",
        (Some("login_required"), _) => {
            "unset CALLBOARD_API_KEY (and AGOR_API_KEY) and run `callboard login`: an API key \
             cannot do this"
        }
        (Some("missing_scope"), _) => {
            "use a key with that scope (`callboard key create NAME --scope SCOPE`), or \
             `callboard login`"
        }
        (Some("agent_busy"), _) => "send it without --no-queue, and it waits its turn",
        (Some("queue_full"), _) => {
            "wait, or cancel waiting tasks with `callboard queue ID cancel TASK`"
        }
        (Some("unknown_agent_kind"), _) => "`--agent shell` and `--agent script` are always there",
        (Some("cwd_denied"), _) => {
            "run it below a directory of `agents.roots`, or add this one to them in the \
             server's settings"
        }
        (Some("name_taken"), _) => "choose another --name, or use the existing one: `callboard ps`",
        (Some("remember_unsupported"), _) => "answer it for this once",
        (Some("too_many_overrides"), _) => {
            "answer it for this once; `callboard approve --overrides` lists what is remembered, \
             `--forget` makes room"
        }
        (_, Exit::NotFound) => "list what there is with `callboard ps --all`",
        (_, Exit::Unreachable | Exit::Refused) if retry.is_some() => {
            return retry.map(|seconds| format!("try again in {seconds} s"));
        }
        _ => return None,
    };
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_have_the_documented_codes() {
        let codes: Vec<Option<u8>> = TaskState::ALL
            .into_iter()
            .map(|state| Exit::of_task(state).map(Exit::code))
            .collect();
        let open = None;
        assert_eq!(
            codes,
            [
                open,
                open,
                open,
                open,
                open,
                open,
                Some(0),
                Some(1),
                Some(6),
                Some(6),
                Some(7),
                Some(8)
            ]
        );
    }

    #[test]
    fn http_statuses_have_the_documented_codes() {
        for (status, code) in [
            (400, 2),
            (401, 3),
            (403, 9),
            (404, 4),
            (409, 9),
            (410, 2),
            (413, 2),
            (422, 2),
            (429, 9),
            (500, 1),
            (503, 5),
            (504, 8),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(Exit::of_status(status).code(), code, "{status}");
        }
    }

    #[test]
    fn a_refusal_says_what_why_and_what_to_do() {
        let body =
            br#"{"error":"the queue is full","code":"queue_full","retryAfter":3,"requestId":"r1"}"#;
        let failure = Failure::refused(StatusCode::TOO_MANY_REQUESTS, body);
        assert_eq!(failure.what, "the queue is full");
        assert_eq!(failure.why.as_deref(), Some("code queue_full; request r1"));
        assert!(failure.mend.unwrap().contains("queue ID cancel"));
        assert_eq!(failure.exit, Exit::Refused);
    }

    #[test]
    fn a_refusal_without_json_still_names_the_status() {
        let failure = Failure::refused(StatusCode::BAD_GATEWAY, b"<html>");
        assert_eq!(failure.what, "the server answered 502 Bad Gateway");
        assert!(failure.transient());
    }
}
