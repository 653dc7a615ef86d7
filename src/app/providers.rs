//! Providers of models, and what people are signed in with there.
//!
//! Never a secret in an answer or in the record; nobody signs in for somebody else, no admin either.

use std::sync::Arc;

use super::App;
use crate::domain::program::{Found, SignedIn};
use crate::domain::{
    AuditNote, AuditResult, Kind, Method, Principal, Result, Standing, Timestamp, UserId,
};
use crate::providers::{Bringer, Providers};

pub use crate::providers::{Begun, Ended as SignedOut};

/// A provider as one person sees it.
#[derive(Debug, Clone)]
pub struct ProviderView {
    /// Its name in the settings.
    pub id: String,
    /// What people call it.
    pub title: String,
    /// How people sign in.
    pub methods: Vec<Method>,
    /// The programs that it serves, as they are on the server's machine.
    pub programs: Vec<Found>,
    /// Where the person stands.
    pub standing: Standing,
    /// Until when their sign-in is good.
    pub expires_at: Option<Timestamp>,
    /// Why it does not do.
    pub failure: Option<String>,
}

impl App {
    /// The providers, by name, and where somebody stands with each.
    ///
    /// # Errors
    /// When the database, or the look at the machine, fails.
    pub async fn providers(&self, who: &Principal) -> Result<Vec<ProviderView>> {
        let mut stands = self.signed_in().stands(who.user, self.now()).await?;
        let (found, _) = self.programs(&[]).await?;
        let view = |(name, one): (&str, &crate::config::Provider)| {
            let own = |program: &&Found| one.kinds.contains(&program.kind);
            let programs: Vec<Found> = found.iter().filter(own).cloned().collect();
            let key = one.key_env.as_ref().map(|_| Method::Key);
            let oauth = one.oauth.as_ref().map(|_| Method::Oauth);
            let stand = stands.remove(name);
            let house = house(&programs);
            ProviderView {
                id: name.to_owned(),
                title: one.title.clone().unwrap_or_else(|| name.to_owned()),
                methods: key.into_iter().chain(oauth).collect(),
                programs,
                standing: stand.as_ref().map_or(house, |stand| stand.standing),
                expires_at: stand.as_ref().and_then(|stand| stand.expires_at),
                failure: stand.and_then(|stand| stand.failure),
            }
        };
        Ok(self.signed_in().offered().map(view).collect())
    }

    /// Signs somebody in to a provider with a key.
    ///
    /// # Errors
    /// `forbidden`, `not_found`, `bad_field`, `draining`.
    pub async fn keep_provider_key(&self, who: &Principal, name: &str, key: &str) -> Result<()> {
        self.may_drive_own(who, "providers").await?;
        self.refuse_draining()?;
        let keeping = self.signed_in().keep_key(who.user, name, key, self.now());
        keeping.await?;
        self.done(who, "provider.signed_in", name).await;
        Ok(())
    }

    /// Begins a sign-in with an account of a provider.
    ///
    /// # Errors
    /// `forbidden`, `not_found`, `oauth_unsupported`, `too_many_sign_ins`, `draining`.
    pub async fn begin_provider_sign_in(&self, who: &Principal, name: &str) -> Result<Begun> {
        self.may_drive_own(who, "providers").await?;
        self.refuse_draining()?;
        self.signed_in().begin(who.user, name)
    }

    /// Ends a sign-in that somebody began; `who` is absent where a browser was sent back, with what it
    /// holds.
    ///
    /// # Errors
    /// `forbidden`, `not_found`, `oauth_unsupported`, `bad_state`, `sign_in_refused`,
    /// `provider_unavailable`, `draining`.
    pub async fn finish_provider_sign_in(
        &self,
        (who, held): (Option<&Principal>, Option<String>),
        name: &str,
        brought: (&str, Option<&str>),
    ) -> Result<()> {
        let by = match who {
            Some(who) => {
                self.may_drive_own(who, "providers").await?;
                Bringer::Person(who.user)
            }
            None => Bringer::Browser(held),
        };
        self.refuse_draining()?;
        let finishing = self.signed_in().finish(&by, name, brought, self.now());
        let owner = finishing.await?;
        self.audit(signed_in_by(owner, name)).await;
        Ok(())
    }

    /// Ends somebody's sign-in at a provider. Agents that run keep what they were given.
    ///
    /// # Errors
    /// `forbidden`, `not_found`.
    pub async fn leave_provider(&self, who: &Principal, name: &str) -> Result<SignedOut> {
        self.may_drive_own(who, "providers").await?;
        let ended = self.signed_in().sign_out(who.user, name).await?;
        if ended.removed {
            self.done(who, "provider.signed_out", name).await;
        }
        Ok(ended)
    }

    /// The names of the variables that somebody's sign-ins give to their agents.
    pub(super) async fn provided_names(&self, who: &Principal) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for kind in Kind::ALL {
            names.extend(self.signed_in().names(who.user, kind, self.now()).await?);
        }
        Ok(names)
    }

    fn signed_in(&self) -> &Arc<Providers> {
        &self.inner.base.providers
    }
}

fn signed_in_by(owner: UserId, name: &str) -> AuditNote {
    AuditNote {
        actor: owner.to_string(),
        action: "provider.signed_in",
        object: name.to_owned(),
        result: AuditResult::Done,
    }
}

/// Where everybody stands who is not signed in themselves.
fn house(programs: &[Found]) -> Standing {
    let by = |found: &Found| match found.signed_in {
        SignedIn::By(_) => true,
        SignedIn::NotNeeded | SignedIn::No => false,
    };
    if programs.iter().any(by) {
        return Standing::Server;
    }
    Standing::None
}
