//! Whom a request was meant for, and which page sent it: the guard against DNS rebinding and
//! against foreign pages.
//!
//! Never trusts a name only because it resolves to this machine.

use std::net::SocketAddr;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header;
use actix_web::middleware::Next;
use actix_web::{Error, ResponseError, web};

use super::{Fault, cors};
use crate::app::App;
use crate::domain;

/// The names under which this server may be asked.
#[derive(Debug, Clone)]
pub struct Doorkeeper {
    port: u16,
    names: Vec<String>,
    hosts: Vec<String>,
    origins: Vec<String>,
}

impl Doorkeeper {
    /// For a server that is bound to `bound`.
    #[must_use]
    pub fn new(app: &App, bound: SocketAddr) -> Self {
        let config = app.config();
        let mut names: Vec<String> = ["localhost", "127.0.0.1", "[::1]"]
            .map(str::to_owned)
            .into();
        if !bound.ip().is_unspecified() {
            names.push(match bound {
                SocketAddr::V4(at) => at.ip().to_string(),
                SocketAddr::V6(at) => format!("[{}]", at.ip()),
            });
        }
        Self {
            port: bound.port(),
            names,
            hosts: lower(&config.allowed_hosts),
            origins: lower(&config.allowed_origins),
        }
    }

    /// Whether a Host names this server.
    fn host(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let (name, port) = split(&host);
        let ours = self.names.iter().any(|own| own == name);
        let port_fits = port.is_none_or(|port| port == self.port.to_string());
        // Behind a proxy the port of the public name is the proxy's; it has to be configured.
        self.hosts.contains(&host)
            || (ours && port_fits)
            || (port_fits && self.hosts.iter().any(|own| own == name))
    }

    /// Whether a page of this origin may call.
    fn origin(&self, origin: &str, host: &str) -> bool {
        let origin = origin.to_ascii_lowercase();
        if self.origins.contains(&origin) {
            return true;
        }
        let Some((scheme, authority)) = origin.split_once("://") else {
            return false;
        };
        if scheme != "http" && scheme != "https" {
            return false;
        }
        let (name, port) = split(authority);
        let ours = self.names.iter().any(|own| own == name);
        authority.eq_ignore_ascii_case(host)
            || (ours && port == Some(self.port.to_string().as_str()))
    }

    fn judge(&self, host: Option<&str>, origin: Option<&str>) -> domain::Result<()> {
        let Some(host) = host.filter(|host| self.host(host)) else {
            return Err(domain::Error::invalid(
                "bad_host",
                "",
                "this server does not answer under that name",
                "localhost, the bound address, or a name of `allowed_hosts`, with the server's port",
            ));
        };
        if origin.is_some_and(|origin| !self.origin(origin, host)) {
            return Err(domain::Error::Forbidden {
                code: "bad_origin",
                message: "pages of that origin may not call this server".into(),
            });
        }
        Ok(())
    }
}

/// Refuses a foreign Host (421) or Origin (403); tells browsers of those that may call.
///
/// # Errors
/// What the layers below return.
pub async fn check(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let verdict = match request.app_data::<web::Data<Doorkeeper>>() {
        Some(doorkeeper) => {
            // HTTP/2 has no Host but an authority; actix-web puts that into the URI.
            let host = header_text(&request, &header::HOST)
                .or_else(|| request.uri().authority().map(|a| a.as_str()));
            doorkeeper.judge(host, header_text(&request, &header::ORIGIN))
        }
        None => Err(domain::Error::internal("the doorkeeper is missing")),
    };
    if let Err(error) = verdict {
        return Ok(request.into_response(Fault(error).error_response()));
    }
    let origin = request.headers().get(header::ORIGIN).cloned();
    let mut answer = match cors::asks_first(&request) {
        true => request.into_response(cors::told_first()),
        false => next.call(request).await?.map_into_boxed_body(),
    };
    if let Some(origin) = origin {
        cors::let_read(answer.headers_mut(), &origin);
    }
    Ok(answer)
}

/// A header that is no text counts as foreign, not as absent.
fn header_text<'a>(request: &'a ServiceRequest, name: &header::HeaderName) -> Option<&'a str> {
    let value = request.headers().get(name)?;
    Some(value.to_str().unwrap_or("?"))
}

fn split(authority: &str) -> (&str, Option<&str>) {
    let name_end = authority.rfind(']').map_or(0, |at| at.saturating_add(1));
    match authority.get(name_end..).and_then(|rest| rest.rfind(':')) {
        Some(colon) => {
            let at = name_end.saturating_add(colon);
            let (name, port) = authority.split_at(at);
            (name, port.strip_prefix(':'))
        }
        None => (authority, None),
    }
}

fn lower(texts: &[String]) -> Vec<String> {
    texts
        .iter()
        .map(|text| text.trim_end_matches('/').to_ascii_lowercase())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doorkeeper() -> Doorkeeper {
        Doorkeeper {
            port: 3030,
            names: vec!["localhost".into(), "127.0.0.1".into(), "[::1]".into()],
            hosts: vec!["board.example.org".into(), "proxy.example.org:8443".into()],
            origins: vec!["https://dash.example.org".into()],
        }
    }

    #[test]
    fn hosts() {
        for (host, good) in [
            ("localhost", true),
            ("LOCALHOST:3030", true),
            ("127.0.0.1:3030", true),
            ("[::1]:3030", true),
            ("[::1]", true),
            ("board.example.org", true),
            ("board.example.org:3030", true),
            ("proxy.example.org:8443", true),
            ("proxy.example.org", false),
            ("localhost:3031", false),
            ("localhost:", false),
            ("127.0.0.1.evil.example", false),
            ("evil.example:3030", false),
            ("localhost@evil.example", false),
            ("0.0.0.0:3030", false),
            ("[::1]:3031", false),
            ("", false),
        ] {
            assert_eq!(doorkeeper().host(host), good, "{host}");
        }
    }

    #[test]
    fn origins() {
        for (origin, good) in [
            ("http://localhost:3030", true),
            ("http://127.0.0.1:3030", true),
            ("https://dash.example.org", true),
            ("https://dash.example.org:444", false),
            ("http://localhost", false),
            ("http://localhost:5173", false),
            ("https://evil.example", false),
            ("null", false),
            ("", false),
            ("file://", false),
            ("ftp://localhost:3030", false),
        ] {
            let got = doorkeeper().origin(origin, "localhost:3030");
            assert_eq!(got, good, "{origin}");
        }
        assert!(doorkeeper().origin("https://board.example.org", "board.example.org"));
    }

    #[test]
    fn a_missing_host_is_refused() {
        assert_eq!(
            doorkeeper().judge(None, None).unwrap_err().code(),
            "bad_host"
        );
        let foreign = doorkeeper().judge(Some("localhost:3030"), Some("http://x.example"));
        assert_eq!(foreign.unwrap_err().code(), "bad_origin");
    }
}
