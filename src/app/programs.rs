//! Which agent programs the server's machine has, and which one a prompt goes to by itself.
//!
//! Never tells by which secret a program is signed in, only that it is.

use super::App;
use crate::domain::program::{Choice, Found, choose};
use crate::domain::{Principal, Result};

impl App {
    /// [`App::programs`] for somebody, whose sign-ins at providers count.
    ///
    /// # Errors
    /// When the look itself fails.
    pub async fn programs_of(
        &self,
        who: &Principal,
        mut brought: Vec<String>,
    ) -> Result<(Vec<Found>, Choice)> {
        brought.extend(self.provided_names(who).await?);
        self.programs(&brought).await
    }

    /// What was found of every kind, for a session that brings variables of these names, and the
    /// choice that follows from it.
    ///
    /// # Errors
    /// When the look itself fails.
    pub async fn programs(&self, brought: &[String]) -> Result<(Vec<Found>, Choice)> {
        let found = self.runtime().programs().await?.into_iter();
        let found: Vec<Found> = found.map(|one| one.with(brought)).collect();
        let choice = choose(&found);
        Ok((found, choice))
    }
}
