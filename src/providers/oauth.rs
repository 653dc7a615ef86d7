//! The words of OAuth 2 with PKCE (RFC 6749, 7636, 7009): the page, the exchanges, their answers.
//!
//! Never a word of a provider in a failure but the code of an error that the standard names.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::Providers;
use super::held::Held;
use super::outbound::{Answer, Form, Unanswered};
use crate::config::Oauth;
use crate::domain::{Error, Timestamp};

/// Bytes of a token.
const TOKEN_BYTES: std::ops::RangeInclusive<usize> = 8..=6_144;
/// A life beyond this is as good as none.
const LONGEST: f64 = 10.0 * 365.0 * 86_400.0;
/// The errors of a token's place (RFC 6749, 5.2).
const ERRORS: [&str; 6] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
];

/// The page where a person agrees.
pub(super) fn page(oauth: &Oauth, state: &str, verifier: &str) -> String {
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
    let scopes = oauth.scopes.join(" ");
    let mut form = Form::default()
        .with("response_type", "code")
        .with("client_id", &oauth.client_id)
        .with("redirect_uri", &oauth.redirect_url);
    if !scopes.is_empty() {
        form = form.with("scope", &scopes);
    }
    let form = form
        .with("state", state)
        .with("code_challenge", &challenge)
        .with("code_challenge_method", "S256");
    let joint = if oauth.authorize_url.contains('?') {
        '&'
    } else {
        '?'
    };
    format!("{}{joint}{}", oauth.authorize_url, form.text())
}

/// What a code is exchanged with.
pub(super) fn with_code(oauth: &Oauth, code: &str, verifier: &str) -> Form {
    Form::default()
        .with("grant_type", "authorization_code")
        .with("code", code)
        .with("redirect_uri", &oauth.redirect_url)
        .with("client_id", &oauth.client_id)
        .with("code_verifier", verifier)
}

/// What a refresh token is exchanged with.
pub(super) fn with_refresh(oauth: &Oauth, refresh: &str) -> Form {
    Form::default()
        .with("grant_type", "refresh_token")
        .with("refresh_token", refresh)
        .with("client_id", &oauth.client_id)
}

/// What an exchange gave.
pub(super) struct Tokens {
    access: String,
    refresh: Option<String>,
    seconds: Option<f64>,
}

/// Why it gave nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failed {
    /// The provider does not take what was brought: it will not take it later either.
    Refused(String),
    /// It may answer better another time.
    Otherwise(String),
}

impl Failed {
    /// For whoever brought a code.
    pub(super) fn told(self) -> Error {
        match self {
            Self::Refused(text) => refused(&text),
            Self::Otherwise(text) => Error::unavailable("provider_unavailable", text),
        }
    }
}

/// A sign-in that the provider, or the person there, did not want.
pub(super) fn refused(text: &str) -> Error {
    let expected = "the code of a page where you agreed; begin again";
    Error::invalid("sign_in_refused", "code", text, expected)
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    #[serde(default)]
    token_type: Option<String>,
    #[serde(default)]
    refresh_token: Option<String>,
    #[serde(default)]
    expires_in: Option<f64>,
}

#[derive(Deserialize)]
struct Denied {
    error: String,
}

/// Reads the answer of an exchange.
pub(super) fn tokens(answer: Result<Answer, Unanswered>) -> Result<Tokens, Failed> {
    let answer = answer.map_err(|why| Failed::Otherwise(why.to_string()))?;
    let strange = |what: &str| Failed::Otherwise(format!("the provider's answer {what}"));
    match answer.status {
        200 | 201 => {}
        400..=403 => return Err(denied(&answer)),
        status => return Err(strange(&format!("has the status {status}"))),
    }
    let granted: Granted = serde_json::from_slice(&answer.body)
        .map_err(|_shows_tokens| strange("has no tokens that can be read"))?;
    let bearer = granted.token_type.as_deref().unwrap_or("bearer");
    if !bearer.eq_ignore_ascii_case("bearer") {
        return Err(strange("has a token of an unknown type"));
    }
    let refresh = granted.refresh_token.filter(|token| !token.is_empty());
    let all = refresh.iter().chain([&granted.access_token]);
    let plain = |token: &String| {
        TOKEN_BYTES.contains(&token.len()) && token.bytes().all(|b| b.is_ascii_graphic())
    };
    if !all.into_iter().all(plain) {
        return Err(strange("has a token that cannot be one"));
    }
    Ok(Tokens {
        access: granted.access_token,
        refresh,
        seconds: granted.expires_in,
    })
}

fn denied(answer: &Answer) -> Failed {
    let said = serde_json::from_slice(&answer.body).map(|denied: Denied| denied.error);
    let known = said.ok().filter(|error| ERRORS.contains(&error.as_str()));
    let told = known.clone();
    let told = told.unwrap_or_else(|| format!("status {}", answer.status));
    let text = format!("the provider refused it ({told})");
    match (answer.status, known) {
        // Whoever stands before a provider says 403 for reasons of its own, which pass.
        (403, None) => Failed::Otherwise(text),
        _ => Failed::Refused(text),
    }
}

impl Tokens {
    /// To be kept; a provider that gives no other refresh token goes on with the one before.
    pub(super) fn held(&self, before: Option<String>) -> Held {
        Held::Oauth {
            access: self.access.clone(),
            refresh: self.refresh.clone().or(before),
        }
    }

    /// Until when they are good.
    pub(super) fn expires_at(&self, now: Timestamp) -> Option<Timestamp> {
        let seconds = self.seconds.filter(|seconds| *seconds < LONGEST)?;
        let life = std::time::Duration::try_from_secs_f64(seconds.max(0.0)).ok()?;
        let ms = i64::try_from(life.as_millis()).ok()?;
        Some(Timestamp(now.0.saturating_add(ms)))
    }
}

impl Providers {
    /// Ends tokens at the provider; `None`: there is no place for that, or nothing to end.
    pub(super) async fn revoke(&self, oauth: &Oauth, held: &Held) -> Option<bool> {
        let Held::Oauth { access, refresh } = held else {
            return None;
        };
        let place = oauth.revoke_url.as_ref()?;
        let mut all = true;
        let tokens = refresh.iter().map(|token| (token, "refresh_token"));
        for (token, hint) in tokens.chain([(access, "access_token")]) {
            let form = Form::default()
                .with("token", token)
                .with("token_type_hint", hint)
                .with("client_id", &oauth.client_id);
            let answer = self.outbound.post(place, &form).await;
            let ended = answer.as_ref().is_ok_and(|answer| answer.status == 200);
            if !ended {
                let why = match answer {
                    Ok(answer) => format!("it answered with the status {}", answer.status),
                    Err(why) => why.to_string(),
                };
                tracing::warn!(place, why, "a token was not ended at its provider");
            }
            all &= ended;
        }
        Some(all)
    }
}
