//! What is sealed of a sign-in.
//!
//! Never printed: it has no `Debug`.

use serde::{Deserialize, Serialize};

use super::Providers;
use crate::domain::{Error, Result, SignInId};
use crate::secrets::provider_aad;
use crate::store::providers::Sealed;

/// Why a sign-in does not do whose end has come.
pub(super) const OVER: &str = "the sign-in is over; sign in again";

/// The secret.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "method")]
pub(super) enum Held {
    /// What somebody typed.
    Key {
        /// It.
        key: String,
    },
    /// What an exchange gave.
    Oauth {
        /// For programs.
        access: String,
        /// For another one; absent: there is none, or the provider does not take it any more.
        refresh: Option<String>,
    },
}

impl Held {
    /// Whether another one can be had before it ends.
    pub(super) fn renews(&self) -> bool {
        match self {
            Self::Key { .. } => false,
            Self::Oauth { refresh, .. } => refresh.is_some(),
        }
    }
}

impl Providers {
    pub(super) fn seal(&self, id: SignInId, held: &Held) -> Result<Vec<u8>> {
        let text = serde_json::to_vec(held).map_err(Error::internal)?;
        Ok(self.secrets.seal(&provider_aad(id), &text)?)
    }

    /// The secret of a row, or why it cannot be had, for people.
    pub(super) fn open(&self, (one, blob): &Sealed) -> std::result::Result<Held, String> {
        let lost =
            || String::from("the sign-in cannot be opened with this server's keys; sign in again");
        let blob = blob.as_ref().ok_or_else(lost)?;
        let plain = self.secrets.open_sealed(&provider_aad(one.id), blob);
        let plain = plain.map_err(|error| {
            tracing::warn!(provider = one.provider, %error, "a sign-in cannot be opened");
            lost()
        })?;
        serde_json::from_slice(&plain).map_err(|_names_values| lost())
    }
}
