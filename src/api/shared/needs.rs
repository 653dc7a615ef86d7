//! What each route takes of an API key, in one table.
//!
//! Never open to a key by oversight: a route that is in no row takes `read` for GET and HEAD and
//! `write` for everything else.

use actix_web::http::Method;

use crate::app::Needs;
use crate::domain::Scope;

/// What a row asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// `read`, also where something is posted: nothing is changed.
    Read,
    /// `admin` besides the scope of the method.
    Admin,
    /// `metrics` alone.
    Metrics,
    /// A sign-in for what changes something; looking as elsewhere.
    SignInToChange,
    /// A sign-in.
    SignIn,
}

/// Paths that differ from the rule, with all that is below them; the first that fits counts.
const TABLE: [(&str, Takes); 14] = [
    ("/metrics", Takes::Metrics),
    ("/api/auth/ws-ticket", Takes::Read),
    ("/api/auth/verify", Takes::Read),
    ("/api/auth/logout", Takes::SignIn),
    ("/api/auth/password", Takes::SignIn),
    ("/api/auth/me", Takes::SignInToChange),
    ("/api/v1/user", Takes::SignInToChange),
    ("/api/users", Takes::SignInToChange),
    ("/api/v1/invites", Takes::SignInToChange),
    ("/users", Takes::SignInToChange),
    ("/authentication", Takes::SignIn),
    ("/api/providers", Takes::SignInToChange),
    ("/api/supervisor", Takes::Admin),
    ("/api/audit", Takes::Admin),
];

/// What a request takes.
#[must_use]
pub fn needs(method: &Method, path: &str) -> Needs {
    let looks = *method == Method::GET || *method == Method::HEAD;
    let row = TABLE.iter().find(|(start, _)| below(start, path));
    match (row.map(|(_, takes)| *takes), looks) {
        (Some(Takes::Metrics), _) => Needs::Scopes(&[Scope::Metrics]),
        (Some(Takes::SignIn), _) | (Some(Takes::SignInToChange), false) => Needs::SignIn,
        (Some(Takes::Admin), true) => Needs::Scopes(&[Scope::Read, Scope::Admin]),
        (Some(Takes::Admin), false) => Needs::Scopes(&[Scope::Write, Scope::Admin]),
        (Some(Takes::Read), _) | (Some(Takes::SignInToChange) | None, true) => {
            Needs::Scopes(&[Scope::Read])
        }
        (None, false) => Needs::Scopes(&[Scope::Write]),
    }
}

fn below(start: &str, path: &str) -> bool {
    let rest = path.strip_prefix(start);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_without_a_row_goes_by_its_method() {
        for method in [Method::GET, Method::HEAD] {
            assert_eq!(needs(&method, "/x"), Needs::Scopes(&[Scope::Read]));
        }
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            assert_eq!(needs(&method, "/x"), Needs::Scopes(&[Scope::Write]));
        }
        let odd = Method::from_bytes(b"PURGE").unwrap();
        assert_eq!(needs(&odd, "/x"), Needs::Scopes(&[Scope::Write]));
    }

    #[test]
    fn rows_hold_for_their_path_and_what_is_below() {
        let keys = "/api/v1/user/api-keys";
        assert_eq!(needs(&Method::POST, keys), Needs::SignIn);
        let one = format!("{keys}/x");
        assert_eq!(needs(&Method::DELETE, &one), Needs::SignIn);
        assert_eq!(needs(&Method::GET, keys), Needs::Scopes(&[Scope::Read]));
        assert_eq!(
            needs(&Method::GET, "/metrics"),
            Needs::Scopes(&[Scope::Metrics])
        );
        assert_eq!(
            needs(&Method::GET, "/metricsx"),
            Needs::Scopes(&[Scope::Read])
        );
        assert_eq!(
            needs(&Method::GET, "/api/supervisor/tree"),
            Needs::Scopes(&[Scope::Read, Scope::Admin])
        );
        assert_eq!(
            needs(&Method::POST, "/api/auth/ws-ticket"),
            Needs::Scopes(&[Scope::Read])
        );
        assert_eq!(needs(&Method::POST, "/api/auth/logout"), Needs::SignIn);
        assert_eq!(needs(&Method::PATCH, "/api/auth/me"), Needs::SignIn);
        assert_eq!(
            needs(&Method::GET, "/api/auth/me"),
            Needs::Scopes(&[Scope::Read])
        );
    }
}
