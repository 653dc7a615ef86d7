//! People, signing in, and refusals.
//!
//! Never built: what is sent is written by the services; tests compare the two.

#![expect(dead_code, reason = "shapes are described, not built")]

use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::domain::UserId;

/// Which accounts.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UsersQuery {
    /// Only the one with this address.
    email: Option<String>,
    /// The size of the page; more counts as the most.
    #[param(rename = "$limit", minimum = 0)]
    limit: Option<u64>,
    /// How many to leave out before it.
    #[param(rename = "$skip", minimum = 0)]
    skip: Option<u64>,
}

/// An account.
#[derive(ToSchema)]
pub struct UserRecord {
    user_id: UserId,
    email: Option<String>,
    name: Option<String>,
    /// `viewer`, `member`, `admin` or `superadmin`.
    role: Option<String>,
    /// Whether they are shut out.
    disabled: Option<bool>,
    /// Always true.
    onboarding_completed: Option<bool>,
    /// Always false.
    must_change_password: Option<bool>,
    created_at: Option<String>,
}

/// A page of accounts.
#[derive(ToSchema)]
pub struct UserPage {
    total: u64,
    limit: u64,
    skip: u64,
    data: Vec<UserRecord>,
}

/// An account to make.
#[derive(ToSchema)]
pub struct UserToMake {
    #[schema(max_length = 254)]
    email: String,
    /// The beginning of the address without it.
    name: Option<String>,
    #[schema(min_length = 8, max_length = 128)]
    password: String,
    role: Option<String>,
}

/// What is changed of an account.
#[derive(ToSchema)]
pub struct UserChange {
    email: Option<String>,
    name: Option<String>,
    role: Option<String>,
    disabled: Option<bool>,
    password: Option<String>,
}

/// Who wants to sign in: `strategy` and what it takes.
#[derive(ToSchema)]
pub struct SignInBody {
    /// `local`, `jwt` or `api-key`.
    strategy: String,
    /// For `local`: an address or a name.
    email: Option<String>,
    /// For `local`.
    password: Option<String>,
    /// For `jwt`.
    #[schema(rename = "accessToken")]
    access_token: Option<String>,
    /// For `api-key`.
    #[schema(rename = "apiKey")]
    api_key: Option<String>,
}

/// What renews a sign-in.
#[derive(ToSchema)]
pub struct RefreshBody {
    #[schema(rename = "refreshToken")]
    refresh_token: String,
}

/// Who has signed in.
#[derive(ToSchema)]
pub struct SignedInHere {
    #[schema(rename = "accessToken")]
    access_token: String,
    authentication: Strategy,
    user: UserRecord,
    /// Renews the sign-in once; of `local` and of a renewal.
    #[schema(rename = "refreshToken", nullable = false)]
    refresh_token: Option<String>,
}

/// By which strategy.
#[derive(ToSchema)]
pub struct Strategy {
    strategy: String,
    /// `sub` and `exp` of the token.
    #[schema(nullable = false)]
    payload: Option<Value>,
}

/// Who was signed in.
#[derive(ToSchema)]
pub struct SignedOutHere {
    authentication: Strategy,
    user: UserRecord,
}

/// A refusal, in the words of the feathers clients.
#[derive(ToSchema)]
pub struct FeathersError {
    /// The class that a client makes of it, for example `NotFound`.
    name: String,
    message: String,
    /// The status.
    code: u16,
    /// The same name as a word, for example `not-found`.
    #[schema(rename = "className")]
    class_name: String,
    data: FeathersErrorData,
    errors: Value,
}

/// What the house says of it.
#[derive(ToSchema)]
pub struct FeathersErrorData {
    /// The stable code.
    code: String,
    /// The request's id; not over the real-time connection.
    #[schema(rename = "requestId", nullable = false)]
    request_id: Option<String>,
    /// Seconds.
    #[schema(rename = "retryAfter", nullable = false)]
    retry_after: Option<u32>,
    /// That an API key lacks.
    #[schema(nullable = false)]
    scope: Option<String>,
    #[schema(nullable = false)]
    field: Option<String>,
    #[schema(nullable = false)]
    expected: Option<String>,
}
