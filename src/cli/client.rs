//! Requests to the server: address, bearer, JSON in and out, refusals as [`Failure`].
//!
//! Never sends a token to another server than the one it was made for, and never follows a
//! redirect with it.

use std::time::Duration;

use reqwest::Method;
use reqwest::blocking::{Client as Http, RequestBuilder};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::clock;
use super::failure::{Exit, Failure};

/// How long a plain request may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a connection may take to stand.
const CONNECT: Duration = Duration::from_secs(5);
/// Longer than anybody watches.
const FOREVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// How long a keyed POST is repeated after its connection broke.
const REPEAT: Duration = Duration::from_secs(10);

/// One request.
#[derive(Debug, Clone)]
pub struct Request {
    method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    body: Option<Value>,
    key: Option<String>,
    wait: Duration,
}

impl Request {
    /// A GET.
    #[must_use]
    pub fn get(path: impl Into<String>) -> Self {
        Self::of(Method::GET, path)
    }

    /// A POST without a body.
    #[must_use]
    pub fn post(path: impl Into<String>) -> Self {
        Self::of(Method::POST, path)
    }

    /// Any other method.
    #[must_use]
    pub fn of(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            query: Vec::new(),
            body: None,
            key: None,
            wait: Duration::ZERO,
        }
    }

    /// With a query parameter.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    /// With a JSON body.
    #[must_use]
    pub fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// With an idempotency key: it is repeated for 10 s when its connection breaks.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// The server may take so long to answer (`wait` of its query).
    #[must_use]
    pub fn waits(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }
}

/// A reply with a good status.
#[derive(Debug)]
pub struct Reply {
    headers: reqwest::header::HeaderMap,
    /// The body as it came.
    pub bytes: Vec<u8>,
}

impl Reply {
    /// The body as this type.
    ///
    /// # Errors
    /// When it is not that: the server is no Callboard or of another age.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.bytes).map_err(|error| {
            Failure::new(Exit::Failed, "the server's answer cannot be read")
                .because(error.to_string())
                .mend("check that the address is a Callboard server of this version: `callboard doctor`")
        })
    }

    /// A header that is a number.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u64> {
        self.headers.get(name)?.to_str().ok()?.parse().ok()
    }
}

/// A server as this person sees it.
#[derive(Debug, Clone)]
pub struct Client {
    http: Http,
    base: String,
    local: bool,
    token: Option<String>,
}

impl Client {
    /// A client of the server at `base`, signed in with `token`.
    ///
    /// # Errors
    /// When `base` is no address that can be used.
    pub fn new(base: &str, token: Option<String>) -> Result<Self, Failure> {
        let base = base.trim().trim_end_matches('/');
        let url =
            reqwest::Url::parse(base).map_err(|error| bad_address(base, &error.to_string()))?;
        match url.scheme() {
            "http" => {}
            "https" => {
                return Err(bad_address(base, "this build speaks plain HTTP only")
                    .mend("reach the server over a tunnel (`ssh -L 3030:127.0.0.1:3030 HOST`)"));
            }
            other => {
                return Err(bad_address(
                    base,
                    &format!("the scheme {other} is not known"),
                ));
            }
        }
        let mut http = Http::builder()
            .connect_timeout(CONNECT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("callboard/", env!("CARGO_PKG_VERSION")));
        let local = is_loopback(&url);
        if local {
            http = http.no_proxy();
        }
        let http = http
            .build()
            .map_err(|error| bad_address(base, &error.to_string()))?;
        Ok(Self {
            http,
            base: base.to_owned(),
            local,
            token,
        })
    }

    /// The server's address.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Whether the server is on this machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.local
    }

    /// The bearer, when there is one.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// The same server with another token.
    #[must_use]
    pub fn signed_in(&self, token: String) -> Self {
        Self {
            token: Some(token),
            ..self.clone()
        }
    }

    /// Sends it and reads the reply.
    ///
    /// # Errors
    /// `Unreachable` when there is no connection, else what the server refused.
    pub fn send(&self, request: &Request) -> Result<Reply, Failure> {
        let until = clock::now() + REPEAT;
        let mut reached = false;
        loop {
            match self.once(request) {
                Ok(reply) => return Ok(reply),
                Err(Trouble::Refused(failure)) => return Err(*failure),
                Err(Trouble::Lost { failure, refused }) => {
                    reached |= !refused;
                    let repeat = request.key.is_some() && reached;
                    if !repeat || clock::now() >= until {
                        return Err(*failure);
                    }
                    clock::pause(Duration::from_millis(250));
                }
            }
        }
    }

    /// Sends it and reads the reply as JSON.
    ///
    /// # Errors
    /// As [`Client::send`], and when the reply is not that JSON.
    pub fn json<T: DeserializeOwned>(&self, request: &Request) -> Result<T, Failure> {
        self.send(request)?.json()
    }

    /// Opens an answer that goes on, behind the last id that is known; it may take any time.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub fn open(
        &self,
        request: &Request,
        last: Option<&str>,
    ) -> Result<reqwest::blocking::Response, Failure> {
        let mut building = self.build(request).timeout(FOREVER);
        if let Some(id) = last {
            building = building.header("Last-Event-ID", id);
        }
        let reply = building.send().map_err(|error| match self.lost(&error) {
            Trouble::Refused(failure) | Trouble::Lost { failure, .. } => *failure,
        })?;
        let status = reply.status();
        if status.is_success() {
            return Ok(reply);
        }
        let bytes = reply.bytes().unwrap_or_default();
        Err(match status.as_u16() == 401 && self.token.is_none() {
            true => signed_out(&self.base),
            false => Failure::refused(status, &bytes),
        })
    }

    fn once(&self, request: &Request) -> Result<Reply, Trouble> {
        let reply = self
            .build(request)
            .send()
            .map_err(|error| self.lost(&error))?;
        let status = reply.status();
        let headers = reply.headers().clone();
        let bytes = reply.bytes().map_err(|error| self.lost(&error))?.to_vec();
        if status.is_success() {
            return Ok(Reply { headers, bytes });
        }
        let failure = if status.as_u16() == 401 && self.token.is_none() {
            signed_out(&self.base)
        } else {
            Failure::refused(status, &bytes)
        };
        Err(Trouble::Refused(Box::new(failure)))
    }

    fn build(&self, request: &Request) -> RequestBuilder {
        let url = self.address(request);
        let mut building = self
            .http
            .request(request.method.clone(), url)
            .timeout(PATIENCE.saturating_add(request.wait));
        if let Some(token) = &self.token {
            building = building.bearer_auth(token);
        }
        if let Some(key) = &request.key {
            building = building.header("Idempotency-Key", key);
        }
        match &request.body {
            Some(body) => building.json(body),
            None => building,
        }
    }

    /// The address as text; one that cannot be read fails when it is sent.
    #[must_use]
    pub fn address(&self, request: &Request) -> String {
        let text = format!("{}{}", self.base, request.path);
        match reqwest::Url::parse(&text) {
            Ok(mut url) if !request.query.is_empty() => {
                url.query_pairs_mut().extend_pairs(&request.query);
                url.into()
            }
            Ok(_) | Err(_) => text,
        }
    }

    fn lost(&self, error: &reqwest::Error) -> Trouble {
        let refused = error.is_connect();
        let what = if refused {
            format!("no server answers at {}", self.base)
        } else if error.is_timeout() {
            format!("the server at {} did not answer in time", self.base)
        } else {
            format!("the connection to {} broke", self.base)
        };
        let failure = Failure::new(Exit::Unreachable, what)
            .because(innermost(error))
            .mend("start it with `callboard daemon start`, or name another with --url or CALLBOARD_URL");
        Trouble::Lost {
            failure: Box::new(failure),
            refused,
        }
    }
}

enum Trouble {
    /// The server said no.
    Refused(Box<Failure>),
    /// It said nothing; `refused`: nothing listens there, so it got nothing either.
    Lost {
        failure: Box<Failure>,
        refused: bool,
    },
}

/// The failure of a command that needs a token and has none.
#[must_use]
pub fn signed_out(base: &str) -> Failure {
    Failure::new(Exit::SignedOut, format!("not signed in to {base}"))
        .mend("run `callboard login` (on the server's machine it needs no arguments), or set CALLBOARD_API_KEY")
}

fn bad_address(base: &str, why: &str) -> Failure {
    Failure::new(Exit::Usage, format!("`{base}` is no address of a server"))
        .because(why)
        .mend("give it as http://HOST:PORT")
}

fn is_loopback(url: &reqwest::Url) -> bool {
    url.host_str().is_some_and(|host| {
        let host = host.trim_matches(['[', ']']);
        host == "localhost"
            || host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|ip| ip.is_loopback())
    })
}

fn innermost(error: &reqwest::Error) -> String {
    let mut at: &dyn std::error::Error = error;
    while let Some(source) = at.source() {
        at = source;
    }
    at.to_string()
}

#[cfg(test)]
mod tests;
