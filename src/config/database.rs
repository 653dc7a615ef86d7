//! Where rows are kept: the setting `database.url`, read and checked.
//!
//! Never prints a password: `Debug` and `Display` leave it out.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;

/// `sqlite:PATH`, or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct DatabaseUrl(String);

impl<T: Into<String>> From<T> for DatabaseUrl {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

/// What an address of PostgreSQL consists of, as it is written.
struct Parts<'a> {
    user: Option<&'a str>,
    hosts: &'a str,
    database: &'a str,
    options: &'a str,
}

impl DatabaseUrl {
    /// The whole text, with its password: for the one who connects.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether it names a PostgreSQL server.
    #[must_use]
    pub fn is_server(&self) -> bool {
        matches!(self.0.split(':').next(), Some("postgres" | "postgresql")) && self.0.contains(':')
    }

    /// The file of the embedded database, when it names one.
    #[must_use]
    pub fn file(&self) -> Option<PathBuf> {
        let path = self.0.strip_prefix("sqlite:")?;
        let path = path.strip_prefix("//").unwrap_or(path);
        (!path.is_empty()).then(|| PathBuf::from(path))
    }

    /// Checks an address of PostgreSQL so far that the client library understands every part of it
    /// as we do, and never has a reason to print one.
    ///
    /// # Errors
    /// What is wrong with it, without its text.
    pub fn check(&self) -> Result<(), &'static str> {
        let odd = |c: char| c.is_whitespace() || c.is_control() || !c.is_ascii();
        if self.0.contains(odd) {
            return Err("it has a blank or another character that must be written as %XX");
        }
        let parts = self.parts().ok_or("it has no // behind its scheme")?;
        let escapes = self.0.split('%').skip(1);
        for escape in escapes {
            let digits = escape.get(..2).unwrap_or_default();
            let hex = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            if !hex || digits == "00" {
                return Err("a % is not followed by two hexadecimal digits; write % as %25");
            }
        }
        let user = parts.user.unwrap_or_default();
        let strange = |text: &str| text.contains(['@', '#']);
        if strange(user) || strange(parts.hosts) || strange(parts.database) {
            return Err("it has more than one @; in a name or a password write @ as %40, / as %2F");
        }
        if user.matches(':').count() > 1 {
            return Err("in a name or a password write : as %3A");
        }
        if !parts.hosts.split(',').all(host) {
            return Err("a host or its port cannot be read");
        }
        if parts.database.is_empty() || parts.database.contains('/') {
            return Err("it does not name one database");
        }
        options(parts.options)
    }

    fn parts(&self) -> Option<Parts<'_>> {
        let (_scheme, rest) = self.0.split_once("://")?;
        let (rest, options) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => (Some(user), hosts),
            None => (None, authority),
        };
        Some(Parts {
            user,
            hosts,
            database,
            options,
        })
    }

    /// `text` without the password, should it stand there.
    #[must_use]
    pub fn without_password(&self, text: &str) -> String {
        let user = self.parts().and_then(|parts| parts.user);
        let Some((_, written)) = user.and_then(|user| user.split_once(':')) else {
            return text.to_owned();
        };
        let mut text = text.to_owned();
        for secret in [written, &unescaped(written)] {
            if !secret.is_empty() {
                text = text.replace(secret, "***");
            }
        }
        text
    }
}

fn host(text: &str) -> bool {
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((name, port)) => (name, port.strip_prefix(':')),
            None => return false,
        },
        None => match text.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (text, None),
        },
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
    name.chars().all(plain) && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

fn options(text: &str) -> Result<(), &'static str> {
    for option in text.split('&').filter(|option| !option.is_empty()) {
        let Some((name, value)) = option.split_once('=') else {
            return Err("an option behind the ? is not NAME=VALUE");
        };
        if matches!(
            name,
            "password" | "sslpassword" | "passfile" | "user" | "dbname"
        ) {
            return Err("user, password and database stand before the ?");
        }
        if !name.chars().all(|c| c.is_ascii_lowercase() || c == '_') {
            return Err("an option behind the ? is not NAME=VALUE");
        }
        let tls = matches!(value, "require" | "verify-ca" | "verify-full");
        if name == "sslmode" && tls && !cfg!(feature = "pg-tls") {
            return Err("this build has no TLS for PostgreSQL; build it with --features pg-tls");
        }
    }
    Ok(())
}

/// The text that an escaped one stands for.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next(), rest.next()].map(|digit| char::from(digit.unwrap_or(b'0')));
        let value = digits.map(|digit| u8::try_from(digit.to_digit(16).unwrap_or(0)).unwrap_or(0));
        let [high, low] = value;
        bytes.push((high << 4) | low);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_server() {
            return f.write_str(&self.0);
        }
        let Some(parts) = self.parts() else {
            return f.write_str("postgres:?");
        };
        f.write_str("postgres://")?;
        if let Some(user) = parts.user {
            write!(f, "{}@", user.split(':').next().unwrap_or_default())?;
        }
        write!(f, "{}/{}", parts.hosts, parts.database)
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_libpq_would_read_otherwise_is_refused_and_nothing_is_shown() {
        for good in [
            "postgres://localhost/board",
            "postgresql://ann:s%40c%2Fret@db.example.org:5433/board?application_name=x",
            "postgres://ann@[::1]:5432,two.example.org/board",
            "postgres:///board?host=%2Frun%2Fpostgresql",
        ] {
            assert_eq!(DatabaseUrl::from(good).check(), Ok(()), "{good}");
        }
        for bad in [
            "postgres:board",
            "postgres://ann:se/cret@host/board",
            "postgres://ann:se@cret@host/board",
            "postgres://ann:se:cret@host/board",
            "postgres://ann:se%cret@host/board",
            "postgres://ann:se%00cret@host/board",
            "postgres://ann:se cret@host/board",
            "postgres://ann:secret@host:port/board",
            "postgres://ann:secret@host",
            "postgres://ann:secret@host/",
            "postgres://host/board?password=secret",
            "postgres://host/board?sslmode",
        ] {
            let url = DatabaseUrl::from(bad);
            let wrong = url.check().unwrap_err();
            assert!(!wrong.contains("cret"), "{bad}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let url = DatabaseUrl::from("postgres://ann:s%40cret@host:5433/board?sslmode=disable");
        assert_eq!(url.to_string(), "postgres://ann@host:5433/board");
        assert_eq!(
            format!("{url:?}"),
            "DatabaseUrl(postgres://ann@host:5433/board)"
        );
        let said = url.without_password("no s%40cret and no s@cret here");
        assert_eq!(said, "no *** and no *** here");
        let wrong = DatabaseUrl::from("postgres://ann:one@two:three@host/board");
        assert!(!wrong.to_string().contains("one"), "{wrong}");
    }

    #[test]
    fn encryption_that_this_build_has_not_is_refused_before_the_first_byte() {
        let wanted = DatabaseUrl::from("postgres://host/board?sslmode=require");
        assert_eq!(wanted.check().is_ok(), cfg!(feature = "pg-tls"));
    }

    #[test]
    fn files_are_told_from_servers() {
        let file = |text: &str| DatabaseUrl::from(text).file();
        assert_eq!(file("sqlite:/a/b.db"), Some(PathBuf::from("/a/b.db")));
        assert_eq!(file("sqlite:///a/b.db"), Some(PathBuf::from("/a/b.db")));
        for none in ["sqlite:", "postgres://host/board", "mysql://host/board"] {
            assert_eq!(file(none), None, "{none}");
        }
        assert!(DatabaseUrl::from("postgresql://host/board").is_server());
        assert!(!DatabaseUrl::from("postgres").is_server());
    }
}
