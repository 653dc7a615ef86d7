//! What this part of the door takes and answers, for the document of the API.
//!
//! Never built: what is sent is written by the handlers; tests compare the two.

#![expect(dead_code, reason = "shapes are described, not built")]

use utoipa::{IntoParams, ToSchema};

use super::wire;

/// The providers.
#[derive(ToSchema)]
pub struct Providers {
    /// By their names.
    providers: Vec<wire::Provider<'static>>,
}

/// A sign-in.
#[derive(ToSchema)]
#[schema(as = ProviderSignIn)]
pub struct SignIn {
    /// The key, 8 to 4096 visible ASCII characters; without it a sign-in with an account begins.
    api_key: Option<String>,
}

/// What came of it.
#[derive(ToSchema)]
#[schema(as = ProviderSignedIn)]
pub struct SignedIn {
    success: bool,
    /// For people.
    message: String,
    /// The page to open; null after a sign-in with a key.
    #[schema(required)]
    auth_url: Option<String>,
}

/// A sign-in that is forgotten.
#[derive(ToSchema)]
#[schema(as = ProviderSignedOut)]
pub struct SignedOut {
    ok: bool,
    /// Whether there was one.
    removed: bool,
    /// Whether the provider ended its tokens; null where that is not asked for.
    #[schema(required)]
    revoked: Option<bool>,
}

/// A sign-in that began.
#[derive(ToSchema)]
#[schema(as = ProviderSignInBegun)]
pub struct Begun {
    /// The page to open.
    url: String,
    /// What comes back with the code.
    state: String,
    /// `code`
    method: String,
    /// For people.
    instructions: String,
    /// Seconds until it is over.
    expires_in: u64,
}

/// What the page gave.
#[derive(ToSchema)]
#[schema(as = ProviderCallback)]
pub struct Callback {
    /// The code, `CODE#STATE`, or the whole address.
    code: String,
    /// The state, where the code does not have it.
    state: Option<String>,
}

/// A sign-in that ended well.
#[derive(ToSchema)]
#[schema(as = ProviderSignInFinished)]
pub struct Finished {
    success: bool,
    /// For people.
    message: String,
}

/// With what a provider sends a browser back.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Redirected {
    /// The state of a sign-in that somebody began.
    state: Option<String>,
    /// The code; absent where nobody agreed.
    code: Option<String>,
}
