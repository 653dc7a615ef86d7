//! With what somebody may come: no token, bad ones, the people, and API keys of theirs.
//! Never a bad token that is bad for two reasons.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use callboard::auth::api_key;
use callboard::secrets::Secrets;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::stage::Stage;
use crate::app::{Caller, TestApp, until};
use crate::keys::{KEYS, holding, with_key};

/// How keys begin by default.
const PREFIX: &str = "agor_sk_";

/// What comes as a token and is none: its name, itself, and the code of the refusal.
pub struct Bad {
    pub name: &'static str,
    pub token: Option<String>,
    pub code: &'static str,
}

/// The people: who they are to the object that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Person {
    /// Made it.
    Owner,
    /// A member who has nothing to do with it.
    Stranger,
    /// May only look, also at what is theirs: they own another object of the same kind.
    Viewer,
    /// An admin.
    Admin,
    /// The first of all: an admin to whatever the table asks for.
    Superadmin,
}

impl Person {
    pub const ALL: [Self; 5] = [
        Self::Owner,
        Self::Stranger,
        Self::Viewer,
        Self::Admin,
        Self::Superadmin,
    ];

    /// Their account of the harness.
    pub fn username(self) -> &'static str {
        match self {
            Self::Owner => "ada",
            Self::Stranger => "bob",
            Self::Viewer => "eve",
            Self::Admin => "amy",
            Self::Superadmin => "admin",
        }
    }

    /// Whether they may see and drive everybody's.
    pub fn governs(self) -> bool {
        matches!(self, Self::Admin | Self::Superadmin)
    }
}

/// Whose keys there are, and for what: with each scope and without it.
const GIVEN: [(Person, &[&str]); 9] = [
    (Person::Owner, &["read"]),
    (Person::Owner, &["write"]),
    (Person::Stranger, &["write"]),
    (Person::Viewer, &["read"]),
    (Person::Admin, &["write"]),
    (Person::Admin, &["admin"]),
    (Person::Admin, &["admin", "write"]),
    (Person::Admin, &["metrics"]),
    (Person::Superadmin, &["admin", "write"]),
];

/// An API key of somebody.
pub struct Key {
    pub person: Person,
    pub scopes: &'static [&'static str],
    pub text: String,
}

impl Key {
    /// One for each line of the table above.
    pub async fn all(stage: &Stage) -> Vec<Self> {
        let mut all = Vec::new();
        for (person, scopes) in GIVEN {
            let (holder, _) = with_key(stage.caller(person), scopes).await;
            all.push(Self {
                person,
                scopes,
                text: holder.token,
            });
        }
        all
    }

    /// Whether it has this scope: who may write or administer may look.
    pub fn has(&self, scope: &str) -> bool {
        let has = |wanted: &str| self.scopes.contains(&wanted);
        has(scope) || (scope == "read" && (has("write") || has("admin")))
    }

    /// Whom it makes of its person: an admin without that scope is to others a stranger.
    pub fn stands_for(&self) -> Person {
        match self.person {
            person if person.governs() && !self.has("admin") => Person::Stranger,
            person => person,
        }
    }
}

fn claims(caller: &Caller) -> Value {
    let text = caller.token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
}

fn signed(key: &[u8], claims: &Value) -> Option<String> {
    Some(encode(&Header::default(), claims, &EncodingKey::from_secret(key)).unwrap())
}

/// Somebody with a key whose time is over.
async fn overdue(who: &Caller) -> Caller {
    let soon = callboard::domain::Timestamp(now_ms() + 1_500).rfc3339();
    let body = json!({"name": "test", "scopes": ["write"], "expiresAt": soon});
    let made = who.post(KEYS, &body).await.ok(201);
    let holder = holding(who, &made);
    until(async || holder.get("/api/agents").await.status == 401).await;
    holder
}

fn now_ms() -> i64 {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// Every bad token of somebody who may do much.
pub async fn bad(app: &TestApp) -> Vec<Bad> {
    let secrets = Secrets::open(app.dir()).unwrap();
    let key = secrets.signing_key().expose();
    let admin = app.sign_in("admin").await;
    let good = claims(&admin);
    let with = |name: &str, value: Value| {
        let mut changed = good.clone();
        changed[name] = value;
        changed
    };
    let mut ended_long_ago = with("exp", 1_000_000_000.into());
    ended_long_ago["nbf"] = 999_996_400.into();
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let none = format!(
        "{}.{}.",
        part(&json!({"alg": "none", "typ": "JWT"})),
        part(&good)
    );
    let revoked = app.sign_in("admin").await;
    revoked.post("/api/auth/logout", &json!({})).await.ok(200);
    let (mut mistyped, _) = with_key(&admin, &["write"]).await;
    let last = mistyped.token.pop().unwrap();
    let other = if last == '0' { '1' } else { '0' };
    let mistyped = format!("{}{other}", mistyped.token);
    let nobodys = api_key::generate(PREFIX).unwrap().text.to_string();
    let (ended, id) = with_key(&admin, &["write"]).await;
    admin.delete(&format!("{KEYS}/{id}")).await.ok(200);
    let over = overdue(&admin).await;
    let bad = |name, token, code| Bad { name, token, code };
    vec![
        bad("no token", None, "missing_token"),
        bad("garbage", Some("a.b.c".to_owned()), "bad_token"),
        bad("expired", signed(key, &ended_long_ago), "token_expired"),
        bad("revoked", Some(revoked.token), "token_revoked"),
        bad(
            "another audience",
            signed(key, &with("aud", "others".into())),
            "bad_token",
        ),
        bad(
            "another issuer",
            signed(key, &with("iss", "others".into())),
            "bad_token",
        ),
        bad(
            "another type",
            signed(key, &with("typ", "refresh".into())),
            "bad_token",
        ),
        bad("no algorithm", Some(none), "bad_token"),
        bad("another key", signed(&[7; 32], &good), "bad_token"),
        bad(
            "no such row",
            signed(key, &with("sid", "0".into())),
            "token_revoked",
        ),
        bad("a mistyped key", Some(mistyped), "bad_key"),
        bad("nobody's key", Some(nobodys), "bad_key"),
        bad("a revoked key", Some(ended.token), "key_revoked"),
        bad("an expired key", Some(over.token), "key_expired"),
    ]
}
