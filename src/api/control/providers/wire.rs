//! A provider as this door shows it.
//!
//! Never a secret.

use serde::Serialize;
use utoipa::ToSchema;

use crate::app::ProviderView;
use crate::domain::Method;

/// A provider of models, and how you are signed in to it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Provider<'a> {
    /// Its name in the settings.
    id: &'a str,
    /// What people call it.
    name: &'a str,
    /// The kinds of agents that it serves.
    kinds: Vec<&'static str>,
    /// Their programs on the server's machine.
    programs: Vec<Program<'a>>,
    /// `none`; `server`: everybody uses the server's own sign-in; `key`; `oauth`; `error`.
    status: &'static str,
    /// Why your sign-in does not do.
    #[schema(required)]
    error: Option<&'a str>,
    /// Until when your sign-in is good; it is renewed where that can be.
    #[schema(required)]
    expires_at: Option<String>,
    /// How you can sign in: `key`, `oauth`.
    methods: Vec<&'static str>,
}

/// A program of a kind of agents.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProviderProgram)]
pub struct Program<'a> {
    /// The kind.
    kind: &'static str,
    /// Whether it is there.
    installed: bool,
    /// What it says its version is.
    #[schema(required)]
    version: Option<&'a str>,
    /// Where it is.
    #[schema(required)]
    path: Option<&'a str>,
}

/// Words a provider.
pub fn provider(one: &ProviderView) -> Provider<'_> {
    let programs = one.programs.iter();
    Provider {
        id: &one.id,
        name: &one.title,
        kinds: programs.clone().map(|found| found.kind.name()).collect(),
        programs: programs
            .map(|found| Program {
                kind: found.kind.name(),
                installed: found.path.is_some(),
                version: found.version.as_deref(),
                path: found.path.as_deref(),
            })
            .collect(),
        status: one.standing.name(),
        error: one.failure.as_deref(),
        expires_at: one.expires_at.map(|at| at.rfc3339()),
        methods: one.methods.iter().copied().map(Method::name).collect(),
    }
}
