//! Requests of the server to providers: forms over HTTP/1, with TLS beyond this machine.
//!
//! Never follows a redirect, and never waits or reads without a bound.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::sync::OnceCell;

/// From the first look for the address to the last byte of the answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most bytes of an answer.
const MOST: usize = 64 * 1024;

/// Where requests go out. What TLS needs of the machine is read with the first one.
#[derive(Default)]
pub(super) struct Outbound {
    secure: OnceCell<Client<HttpsConnector<HttpConnector>, Full<Bytes>>>,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

/// Why nothing did. The texts are for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unanswered {
    /// See [`PATIENCE`].
    #[error("the provider did not answer in time")]
    Late,
    /// No connection, or it broke.
    #[error("the provider cannot be reached")]
    Unreachable,
    /// See [`MOST`].
    #[error("the provider's answer is too large, or broke off")]
    Large,
    /// An address that is none, or no authorities for TLS on this machine.
    #[error("the provider's address cannot be used on this machine")]
    Unusable,
}

/// Pairs for the body of a request or the end of an address.
#[derive(Default)]
pub(super) struct Form(String);

impl Form {
    /// The same with one more.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        self.0.push_str(name);
        self.0.push('=');
        for byte in value.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    self.0.push(char::from(byte));
                }
                other => self.0.push_str(&format!("%{other:02X}")),
            }
        }
        self
    }

    /// All of them.
    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

impl Outbound {
    /// Sends a form and reads the answer.
    pub(super) async fn post(&self, url: &str, form: &Form) -> Result<Answer, Unanswered> {
        let answered = tokio::time::timeout(PATIENCE, self.exchange(url, form)).await;
        answered.unwrap_or(Err(Unanswered::Late))
    }

    async fn exchange(&self, url: &str, form: &Form) -> Result<Answer, Unanswered> {
        let uri: Uri = url.parse().map_err(|_no_address| Unanswered::Unusable)?;
        let plain = uri.scheme_str() == Some("http");
        let request = Request::post(uri)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json")
            .header(
                header::USER_AGENT,
                concat!("callboard/", env!("CARGO_PKG_VERSION")),
            )
            .body(Full::from(form.text().to_owned()))
            .map_err(|_no_request| Unanswered::Unusable)?;
        let sent = if plain {
            let client = Client::builder(TokioExecutor::new())
                .pool_max_idle_per_host(0)
                .build(HttpConnector::new());
            client.request(request).await
        } else {
            let client = self.secure.get_or_try_init(secure).await?;
            client.request(request).await
        };
        let answer = sent.map_err(|error| {
            tracing::debug!(%error, "a provider was not reached");
            Unanswered::Unreachable
        })?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), MOST).collect().await;
        let body = body.map_err(|_large_or_broken| Unanswered::Large)?;
        Ok(Answer {
            status,
            body: body.to_bytes().to_vec(),
        })
    }
}

/// With the certificate authorities of this machine, whose files are read for it.
async fn secure() -> Result<Client<HttpsConnector<HttpConnector>, Full<Bytes>>, Unanswered> {
    let connector = || {
        let with_roots = HttpsConnectorBuilder::new().with_native_roots()?;
        Ok::<_, std::io::Error>(with_roots.https_only().enable_http1().build())
    };
    let built = tokio::task::spawn_blocking(connector).await;
    let connector = built
        .map_err(|_ended| Unanswered::Unusable)?
        .map_err(|error| {
            tracing::warn!(%error, "no certificate authorities are found on this machine");
            Unanswered::Unusable
        })?;
    let client = Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(0)
        .build(connector);
    Ok(client)
}
