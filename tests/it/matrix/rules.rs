//! The one table: what each route asks of those who come.
//! Never a route without a line: the matrix fails then.

use super::credentials::{Key, Person};

/// What a route asks of somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// Nothing, not even a token.
    Open,
    /// A token.
    SignedIn,
    /// To own the object, or to be an admin; others do not learn that it is there.
    Looks,
    /// To own the object; nobody else learns that it is there, no admin either.
    Owns,
    /// To be an admin; who owns the object is refused, and others do not learn that it is there.
    Governs,
    /// The same, and to be more than a viewer.
    Drives,
    /// To be more than a viewer.
    Makes,
    /// To be an admin.
    Admin,
}

/// What a route takes of an API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// The scope `read`.
    Read,
    /// The scope `write`.
    Write,
    /// The scopes `read` and `admin`.
    Admin,
    /// The scope `metrics`.
    Metrics,
    /// No key will do.
    SignIn,
}

impl Takes {
    /// The scopes.
    pub fn scopes(self) -> &'static [&'static str] {
        match self {
            Self::Read => &["read"],
            Self::Write => &["write"],
            Self::Admin => &["read", "admin"],
            Self::Metrics => &["metrics"],
            Self::SignIn => &[],
        }
    }
}

/// What a route does for those who may.
pub struct Rule {
    pub route: &'static str,
    pub right: Right,
    /// What is sent: `TASK` is a task of the agent, `QUESTION` an open one, `NEW` a fresh name,
    /// `PASSWORD` everybody's.
    pub body: &'static str,
    pub good: &'static [u16],
    /// What it takes of a key where that is not `read` to look and `write` for the rest.
    takes: Option<Takes>,
}

const fn rule(route: &'static str, right: Right, body: &'static str, good: &'static [u16]) -> Rule {
    Rule {
        route,
        right,
        body,
        good,
        takes: None,
    }
}

const fn takes(takes: Takes, rule: Rule) -> Rule {
    Rule {
        takes: Some(takes),
        ..rule
    }
}

/// The whole.
pub const RULES: &[Rule] = &[
    // Nor a whole sign-in: `services` signs in.
    rule(
        "POST /authentication",
        Right::Open,
        r#"{"strategy":"local"}"#,
        &[400],
    ),
    rule("POST /authentication/refresh", Right::Open, "{}", &[400]),
    takes(
        Takes::SignIn,
        rule("DELETE /authentication", Right::SignedIn, "", &[200]),
    ),
    rule("GET /sessions", Right::SignedIn, "", &[200]),
    rule(
        "POST /sessions",
        Right::Makes,
        r#"{"agentic_tool":"script"}"#,
        &[201],
    ),
    rule("GET /sessions/{id}", Right::Looks, "", &[200]),
    rule("PATCH /sessions/{id}", Right::Drives, "{}", &[200]),
    rule("DELETE /sessions/{id}", Right::Drives, "", &[200]),
    rule("GET /sessions/{id}/genealogy", Right::Looks, "", &[200]),
    rule("GET /sessions/{id}/tasks/queue", Right::Looks, "", &[200]),
    rule(
        "POST /sessions/{id}/prompt",
        Right::Drives,
        r#"{"prompt":"hi"}"#,
        &[201],
    ),
    rule("POST /sessions/{id}/stop", Right::Drives, "{}", &[201]),
    rule("GET /tasks", Right::SignedIn, "", &[200]),
    rule("GET /tasks/{id}", Right::Looks, "", &[200]),
    rule(
        "PATCH /tasks/{id}",
        Right::Drives,
        r#"{"full_prompt":"NEW"}"#,
        &[200],
    ),
    rule("DELETE /tasks/{id}", Right::Drives, "", &[200]),
    rule("GET /users", Right::SignedIn, "", &[200]),
    takes(
        Takes::SignIn,
        rule(
            "POST /users",
            Right::Admin,
            r#"{"email":"NEW@example.org","password":"PASSWORD"}"#,
            &[201],
        ),
    ),
    rule("GET /users/{id}", Right::Looks, "", &[200]),
    takes(
        Takes::SignIn,
        rule(
            "PATCH /users/{id}",
            Right::Looks,
            r#"{"email":"NEW@example.org"}"#,
            &[200],
        ),
    ),
    takes(
        Takes::SignIn,
        rule("DELETE /users/{id}", Right::Governs, "", &[200]),
    ),
    rule("GET /openapi.json", Right::Open, "", &[200]),
    rule("GET /docs", Right::Open, "", &[308]),
    rule("GET /docs/", Right::Open, "", &[200]),
    rule("GET /docs/{file}", Right::Open, "", &[200]),
    rule("GET /swagger", Right::Open, "", &[200]),
    rule("GET /swagger/", Right::Open, "", &[200]),
    rule("GET /health", Right::Open, "", &[200]),
    rule("HEAD /health", Right::Open, "", &[200]),
    rule("GET /health/detailed", Right::Open, "", &[200]),
    rule("HEAD /health/detailed", Right::Open, "", &[200]),
    rule("GET /health/ready", Right::Open, "", &[200]),
    rule("HEAD /health/ready", Right::Open, "", &[200]),
    rule("GET /health/live", Right::Open, "", &[200]),
    rule("HEAD /health/live", Right::Open, "", &[200]),
    rule("GET /api/health", Right::Open, "", &[200]),
    rule("HEAD /api/health", Right::Open, "", &[200]),
    rule(
        "POST /api/auth/login",
        Right::Open,
        r#"{"username":"ada"}"#,
        &[400],
    ),
    // Nor a whole account: `people` registers.
    rule(
        "POST /api/auth/register",
        Right::Open,
        r#"{"username":"NEW"}"#,
        &[400],
    ),
    takes(
        Takes::SignIn,
        rule("POST /api/auth/logout", Right::SignedIn, "{}", &[200]),
    ),
    rule("GET /api/auth/me", Right::SignedIn, "", &[200]),
    takes(
        Takes::SignIn,
        rule(
            "PATCH /api/auth/me",
            Right::SignedIn,
            r#"{"email":"NEW@example.org"}"#,
            &[200],
        ),
    ),
    takes(
        Takes::SignIn,
        rule(
            "POST /api/auth/password",
            Right::SignedIn,
            r#"{"currentPassword":"PASSWORD","newPassword":"PASSWORD"}"#,
            &[200],
        ),
    ),
    rule("GET /api/auth/verify", Right::SignedIn, "", &[200]),
    takes(
        Takes::Read,
        rule("POST /api/auth/verify", Right::SignedIn, "", &[200]),
    ),
    rule("GET /api/auth/ws-ticket", Right::SignedIn, "", &[200]),
    takes(
        Takes::Read,
        rule("POST /api/auth/ws-ticket", Right::SignedIn, "", &[200]),
    ),
    rule("GET /api/users", Right::Admin, "", &[200]),
    takes(
        Takes::SignIn,
        rule(
            "POST /api/users",
            Right::Admin,
            r#"{"username":"NEW","password":"PASSWORD"}"#,
            &[201],
        ),
    ),
    rule("GET /api/users/{id}", Right::Looks, "", &[200]),
    takes(
        Takes::SignIn,
        rule(
            "PATCH /api/users/{id}",
            Right::Looks,
            r#"{"email":"NEW@example.org"}"#,
            &[200],
        ),
    ),
    takes(
        Takes::SignIn,
        rule("DELETE /api/users/{id}", Right::Governs, "", &[200]),
    ),
    rule("GET /api/v1/invites", Right::Admin, "", &[200]),
    takes(
        Takes::SignIn,
        rule("POST /api/v1/invites", Right::Admin, "{}", &[201]),
    ),
    takes(
        Takes::SignIn,
        rule("DELETE /api/v1/invites/{id}", Right::Admin, "", &[200]),
    ),
    rule("GET /api/v1/user/api-keys", Right::SignedIn, "", &[200]),
    takes(
        Takes::SignIn,
        rule(
            "POST /api/v1/user/api-keys",
            Right::SignedIn,
            r#"{"name":"NEW"}"#,
            &[201],
        ),
    ),
    takes(
        Takes::SignIn,
        rule(
            "PATCH /api/v1/user/api-keys/{id}",
            Right::Owns,
            r#"{"name":"NEW"}"#,
            &[200],
        ),
    ),
    takes(
        Takes::SignIn,
        rule("DELETE /api/v1/user/api-keys/{id}", Right::Owns, "", &[200]),
    ),
    rule("GET /api/stats", Right::SignedIn, "", &[200]),
    takes(
        Takes::Metrics,
        rule("GET /metrics", Right::Admin, "", &[200]),
    ),
    takes(
        Takes::Admin,
        rule("GET /api/audit", Right::Admin, "", &[200]),
    ),
    rule("GET /api/models/cli/status", Right::SignedIn, "", &[200]),
    rule(
        "GET /api/chat/approvals/pending",
        Right::SignedIn,
        "",
        &[200],
    ),
    rule(
        "GET /api/chat/approvals/overrides",
        Right::SignedIn,
        "",
        &[200],
    ),
    rule(
        "DELETE /api/chat/approvals/overrides/{id}",
        Right::Drives,
        "",
        &[200],
    ),
    rule(
        "POST /api/chat/approve",
        Right::Drives,
        r#"{"requestId":"QUESTION","approved":true}"#,
        &[200],
    ),
    takes(
        Takes::Admin,
        rule("GET /api/supervisor/tree", Right::Admin, "", &[200]),
    ),
    takes(
        Takes::Admin,
        rule("GET /api/supervisor/events", Right::Admin, "", &[200]),
    ),
    // Without a handshake: the sockets have their own test.
    rule("GET /ws", Right::SignedIn, "", &[400]),
    // Without the protocol's words in the address: `feathers` speaks it.
    rule("GET /socket.io/", Right::Open, "", &[400]),
    rule("POST /socket.io/", Right::Open, "", &[400]),
    rule("GET /api/agents", Right::SignedIn, "", &[200]),
    rule(
        "POST /api/agents",
        Right::Makes,
        r#"{"agentType":"script","start":false}"#,
        &[201],
    ),
    rule("GET /api/agents/{id}", Right::Looks, "", &[200]),
    rule(
        "PATCH /api/agents/{id}",
        Right::Drives,
        r#"{"permissionMode":"plan"}"#,
        &[200],
    ),
    rule("DELETE /api/agents/{id}", Right::Drives, "", &[200]),
    rule("GET /api/agents/{id}/events", Right::Looks, "", &[200]),
    rule("GET /api/agents/{id}/log", Right::Looks, "", &[200]),
    rule("GET /api/agents/{id}/why", Right::Looks, "", &[200]),
    rule("POST /api/agents/{id}/pause", Right::Drives, "", &[200]),
    rule("POST /api/agents/{id}/resume", Right::Drives, "", &[200]),
    rule("POST /api/agents/{id}/interrupt", Right::Drives, "", &[409]),
    rule("POST /api/agents/{id}/stop", Right::Drives, "", &[200]),
    rule("POST /api/agents/{id}/kill", Right::Drives, "", &[200]),
    rule("POST /api/agents/{id}/start", Right::Drives, "", &[200]),
    rule(
        "POST /api/agents/{id}/message",
        Right::Drives,
        r#"{"message":"x"}"#,
        &[202],
    ),
    rule("GET /api/agents/{id}/tasks", Right::Looks, "", &[200]),
    rule(
        "GET /api/agents/{id}/tasks/{task}",
        Right::Looks,
        "",
        &[200],
    ),
    rule("GET /api/agents/{id}/queue", Right::Looks, "", &[200]),
    rule(
        "PUT /api/agents/{id}/queue/order",
        Right::Drives,
        r#"{"order":["TASK"]}"#,
        &[200],
    ),
    rule(
        "PATCH /api/agents/{id}/queue/{task}",
        Right::Drives,
        r#"{"text":"y"}"#,
        &[200],
    ),
    rule(
        "DELETE /api/agents/{id}/queue/{task}",
        Right::Drives,
        "",
        &[200],
    ),
    rule("GET /api/agents/sessions", Right::SignedIn, "", &[200]),
    rule(
        "POST /api/agents/sessions",
        Right::Makes,
        r#"{"name":"NEW","agent":"script"}"#,
        &[201],
    ),
    rule("GET /api/agents/sessions/{name}", Right::Looks, "", &[200]),
    rule(
        "DELETE /api/agents/sessions/{name}",
        Right::Drives,
        "",
        &[200],
    ),
    rule(
        "GET /api/agents/sessions/{name}/ws",
        Right::Looks,
        "",
        &[400],
    ),
    rule(
        "GET /api/agents/sessions/{name}/terminal",
        Right::Looks,
        "",
        &[400],
    ),
    rule(
        "POST /api/agents/sessions/{name}/reset",
        Right::Drives,
        "",
        &[200],
    ),
    rule(
        "POST /api/agents/sessions/{name}/complete",
        Right::Drives,
        "{}",
        &[200],
    ),
    rule(
        "POST /api/agents/sessions/{name}/message",
        Right::Drives,
        r#"{"text":"x"}"#,
        &[202],
    ),
    rule(
        "GET /api/agents/sessions/{name}/tasks",
        Right::Looks,
        "",
        &[200],
    ),
    rule(
        "GET /api/agents/sessions/{name}/tasks/{task}",
        Right::Looks,
        "",
        &[200],
    ),
    rule(
        "GET /api/agents/sessions/{name}/queue",
        Right::Looks,
        "",
        &[200],
    ),
    rule(
        "PUT /api/agents/sessions/{name}/queue/order",
        Right::Drives,
        r#"{"order":["TASK"]}"#,
        &[200],
    ),
    rule(
        "PATCH /api/agents/sessions/{name}/queue/{task}",
        Right::Drives,
        r#"{"text":"y"}"#,
        &[200],
    ),
    rule(
        "DELETE /api/agents/sessions/{name}/queue/{task}",
        Right::Drives,
        "",
        &[200],
    ),
    // Filtered by a name that there is not, so that the answer ends: `missions` reads streams.
    rule("GET /api/control/stream", Right::SignedIn, "", &[400]),
    rule("GET /api/control/missions", Right::SignedIn, "", &[200]),
    rule(
        "POST /api/control/missions",
        Right::Makes,
        r#"{"backend":"script"}"#,
        &[200],
    ),
    rule(
        "GET /api/control/missions/current",
        Right::SignedIn,
        "",
        &[200],
    ),
    rule("GET /api/control/missions/{id}", Right::Looks, "", &[200]),
    rule(
        "DELETE /api/control/missions/{id}",
        Right::Drives,
        "",
        &[200],
    ),
    rule(
        "POST /api/control/missions/{id}/load",
        Right::Drives,
        "",
        &[200],
    ),
    rule(
        "POST /api/control/missions/{id}/status",
        Right::Drives,
        r#"{"status":"completed"}"#,
        &[200],
    ),
    rule(
        "POST /api/control/missions/{id}/cancel",
        Right::Drives,
        "",
        &[409],
    ),
    rule(
        "POST /api/control/missions/{id}/resume",
        Right::Drives,
        "",
        &[200],
    ),
    rule(
        "GET /api/control/missions/{id}/events",
        Right::Looks,
        "",
        &[200],
    ),
    rule(
        "GET /api/control/missions/{id}/tree",
        Right::Looks,
        "",
        &[200],
    ),
    rule(
        "POST /api/control/missions/{id}/message",
        Right::Drives,
        r#"{"content":"x"}"#,
        &[202],
    ),
    rule(
        "GET /api/control/missions/{id}/tasks",
        Right::Looks,
        "",
        &[200],
    ),
    rule(
        "GET /api/control/missions/{id}/tasks/{task}",
        Right::Looks,
        "",
        &[200],
    ),
    rule(
        "GET /api/control/missions/{id}/queue",
        Right::Looks,
        "",
        &[200],
    ),
    rule(
        "PUT /api/control/missions/{id}/queue/order",
        Right::Drives,
        r#"{"order":["TASK"]}"#,
        &[200],
    ),
    rule(
        "PATCH /api/control/missions/{id}/queue/{task}",
        Right::Drives,
        r#"{"text":"y"}"#,
        &[200],
    ),
    rule(
        "DELETE /api/control/missions/{id}/queue/{task}",
        Right::Drives,
        "",
        &[200],
    ),
    rule(
        "POST /api/control/message",
        Right::Drives,
        r#"{"content":"x","mission_id":"QUESTION"}"#,
        &[200],
    ),
    rule(
        "POST /api/control/cancel",
        Right::Drives,
        r#"{"mission_id":"QUESTION"}"#,
        &[409],
    ),
    rule("GET /api/control/tasks/{task}", Right::Looks, "", &[200]),
    rule("GET /api/control/queue", Right::SignedIn, "", &[200]),
    rule("DELETE /api/control/queue", Right::Makes, "", &[200]),
    rule(
        "PUT /api/control/queue/order",
        Right::Drives,
        r#"{"order":["TASK"]}"#,
        &[200],
    ),
    rule(
        "PATCH /api/control/queue/{task}",
        Right::Drives,
        r#"{"text":"y"}"#,
        &[200],
    ),
    rule(
        "DELETE /api/control/queue/{task}",
        Right::Drives,
        "",
        &[200],
    ),
    rule("GET /api/control/running", Right::SignedIn, "", &[200]),
    rule("GET /api/control/tree", Right::SignedIn, "", &[200]),
    rule("GET /api/workspaces", Right::SignedIn, "", &[200]),
    rule(
        "POST /api/workspaces",
        Right::Makes,
        r#"{"name":"NEW","path":"/tmp"}"#,
        &[200],
    ),
    rule("GET /api/workspaces/{id}", Right::Looks, "", &[200]),
    rule(
        "PUT /api/workspaces/{id}",
        Right::Drives,
        r#"{"skills":["a"]}"#,
        &[200],
    ),
    rule("DELETE /api/workspaces/{id}", Right::Drives, "", &[200]),
    rule(
        "POST /api/workspaces/{id}/exec",
        Right::Drives,
        r#"{"command":"true"}"#,
        &[200],
    ),
    rule("GET /api/providers", Right::SignedIn, "", &[200]),
    takes(
        Takes::SignIn,
        rule(
            "POST /api/providers/{id}/auth",
            Right::Makes,
            r#"{"api_key":"sk-0123456789"}"#,
            &[200],
        ),
    ),
    takes(
        Takes::SignIn,
        rule("DELETE /api/providers/{id}/auth", Right::Makes, "", &[200]),
    ),
    // The built-in provider knows keys alone: `providers` signs in with accounts.
    takes(
        Takes::SignIn,
        rule(
            "POST /api/providers/{id}/oauth/authorize",
            Right::Makes,
            "",
            &[409],
        ),
    ),
    takes(
        Takes::SignIn,
        rule(
            "POST /api/providers/{id}/oauth/callback",
            Right::Makes,
            r#"{"code":"x","state":"x"}"#,
            &[409],
        ),
    ),
    rule(
        "GET /api/providers/{id}/oauth/callback",
        Right::Open,
        "",
        &[400],
    ),
];

impl Rule {
    /// What somebody with a good token is answered.
    pub fn expected(&self, person: Person) -> &'static [u16] {
        let refused: &[u16] = match (self.right, person) {
            (Right::Owns, Person::Stranger | Person::Admin | Person::Superadmin) => &[404],
            (Right::Open | Right::SignedIn, _) | (_, Person::Admin | Person::Superadmin) => {
                return self.good;
            }
            (Right::Admin, Person::Owner | Person::Stranger | Person::Viewer) => &[403],
            (Right::Governs, Person::Owner | Person::Viewer) => &[403],
            (Right::Makes, Person::Viewer) => &[403],
            (Right::Makes, Person::Owner | Person::Stranger) => return self.good,
            (Right::Looks | Right::Drives | Right::Governs, Person::Stranger) => &[404],
            (Right::Drives, Person::Viewer) => &[403],
            (Right::Looks | Right::Owns, Person::Viewer)
            | (Right::Looks | Right::Drives | Right::Owns, Person::Owner) => {
                return self.good;
            }
        };
        refused
    }

    /// What it takes of a key.
    pub fn takes(&self) -> Takes {
        let looks = self.route.starts_with("GET ") || self.route.starts_with("HEAD ");
        let usual = if looks { Takes::Read } else { Takes::Write };
        self.takes.unwrap_or(usual)
    }

    /// What somebody with this key is answered; a refusal of the key itself with its code.
    pub fn expected_of(&self, key: &Key) -> (&'static [u16], Option<&'static str>) {
        let takes = self.takes();
        if self.right == Right::Open {
            return (self.good, None);
        }
        if takes == Takes::SignIn {
            return (&[403], Some("login_required"));
        }
        if !takes.scopes().iter().all(|scope| key.has(scope)) {
            return (&[403], Some("missing_scope"));
        }
        if takes == Takes::Metrics {
            return (self.good, None);
        }
        let expected = self.expected(key.stands_for());
        (expected, (expected == [403]).then_some("missing_scope"))
    }
}
