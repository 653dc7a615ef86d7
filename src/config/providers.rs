//! Providers of models: which kinds they serve, and what a person who is signed in gives their agents.
//!
//! Never a secret: those are what people sign in with.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::ConfigError;
use crate::domain::Kind;

/// One of them, by its name in the settings.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// What people call it; its name in the settings where it is absent.
    #[serde(default)]
    pub title: Option<String>,
    /// The kinds of agents that it serves; none: it is not there.
    #[serde(default)]
    pub kinds: Vec<Kind>,
    /// The variable of a key; absent: nobody signs in with one.
    #[serde(default)]
    pub key_env: Option<String>,
    /// The variable of the address of its API, ...
    #[serde(default)]
    pub base_url_env: Option<String>,
    /// ... and its value.
    #[serde(default)]
    pub base_url: Option<String>,
    /// How people sign in with an account; absent: they do not.
    #[serde(default)]
    pub oauth: Option<Oauth>,
}

/// Sign-in with an account: a public client with PKCE (RFC 6749, 7636).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Oauth {
    /// The page where people agree.
    pub authorize_url: String,
    /// Where codes and refresh tokens are exchanged.
    pub token_url: String,
    /// Where tokens are ended (RFC 7009); absent: they are only forgotten here.
    #[serde(default)]
    pub revoke_url: Option<String>,
    /// Who this server is there.
    pub client_id: String,
    /// What is asked for.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Where people come back to: this server's `/api/providers/NAME/oauth/callback`, or a page that
    /// shows the code.
    pub redirect_url: String,
    /// The variable of the access token.
    pub token_env: String,
}

impl Provider {
    /// The variables that hold secrets of those who are signed in.
    pub fn secret_variables(&self) -> impl Iterator<Item = &str> {
        let token = self.oauth.as_ref().map(|oauth| oauth.token_env.as_str());
        self.key_env.as_deref().into_iter().chain(token)
    }

    /// All variables that it may give.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.secret_variables().chain(self.base_url_env.as_deref())
    }
}

/// Checks all of them.
///
/// # Errors
/// [`ConfigError`] with the key at fault.
pub(super) fn check(providers: &BTreeMap<String, Provider>) -> Result<(), ConfigError> {
    for (name, one) in providers {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
        if !(1..=64).contains(&name.len()) || !name.chars().all(plain) {
            let expected = "1 to 64 small letters, digits, - or _";
            return Err(bad(name, "", "the name is not allowed", expected));
        }
        check_one(name, one)?;
    }
    for kind in Kind::ALL {
        let mut taken = BTreeSet::new();
        for (name, one) in providers {
            let own: BTreeSet<&str> = one.variables().collect();
            let serves = one.kinds.contains(&kind);
            if serves && own.iter().any(|variable| !taken.insert(*variable)) {
                let message = "another provider gives the same variable to the same kind";
                return Err(bad(name, ".kinds", message, "one provider for a variable"));
            }
        }
    }
    Ok(())
}

fn check_one(name: &str, one: &Provider) -> Result<(), ConfigError> {
    if one.key_env.is_none() && one.oauth.is_none() {
        let message = "nobody can sign in to it";
        return Err(bad(name, "", message, "key_env, or a table oauth"));
    }
    let mut seen = BTreeSet::new();
    for variable in one.variables() {
        let first = variable.bytes().next();
        let starts = first.is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        if !starts || !variable.bytes().all(plain) || !seen.insert(variable) {
            let message = format!("`{variable}` is no variable of its own");
            let expected = "different names of letters, digits and _";
            return Err(bad(name, "", &message, expected));
        }
    }
    if one.base_url_env.is_some() != one.base_url.is_some() {
        let message = "one of the two is missing";
        return Err(bad(name, ".base_url", message, "base_url_env and base_url"));
    }
    if let Some(url) = &one.base_url {
        address(name, ".base_url", url)?;
    }
    one.oauth.as_ref().map_or(Ok(()), |oauth| {
        let revoke = oauth.revoke_url.as_deref();
        for (key, url) in [
            (".oauth.authorize_url", Some(oauth.authorize_url.as_str())),
            (".oauth.token_url", Some(&oauth.token_url)),
            (".oauth.revoke_url", revoke),
            (".oauth.redirect_url", Some(&oauth.redirect_url)),
        ] {
            url.map_or(Ok(()), |url| address(name, key, url))?;
        }
        let words = oauth.scopes.iter().chain([&oauth.client_id]);
        let plain = |word: &String| !word.is_empty() && word.bytes().all(|b| b.is_ascii_graphic());
        if words.into_iter().all(plain) {
            return Ok(());
        }
        let message = "the client's id or a scope is empty or has other signs";
        Err(bad(name, ".oauth", message, "visible ASCII without blanks"))
    })
}

/// Secrets go to these places: over TLS, or not off this machine.
fn address(name: &str, key: &str, url: &str) -> Result<(), ConfigError> {
    let rest = |scheme: &str| url.strip_prefix(scheme);
    let host = |rest: &str| rest.split(['/', '?']).next().unwrap_or_default().to_owned();
    let kept = match (rest("https://"), rest("http://")) {
        (Some(rest), _) => !host(rest).is_empty(),
        (None, Some(rest)) => ["localhost", "127.0.0.1", "[::1]"].iter().any(|own| {
            let host = host(rest);
            let port = host.strip_prefix(own);
            port.is_some_and(|port| port.is_empty() || port.starts_with(':'))
        }),
        (None, None) => false,
    };
    let plain = url.bytes().all(|b| b.is_ascii_graphic()) && !url.contains(['@', '#', '"', '\\']);
    if kept && plain {
        return Ok(());
    }
    let expected = "https://..., or http:// on this machine, without a user and a fragment";
    Err(bad(name, key, "the address is not allowed", expected))
}

fn bad(name: &str, key: &str, message: &str, expected: &str) -> ConfigError {
    let name: String = name.chars().take(64).collect();
    ConfigError::bad(format!("providers.{name}{key}"), message, expected)
}
