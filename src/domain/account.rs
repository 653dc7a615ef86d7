//! What an account may be called: names, addresses, and the names that are not for people.
//!
//! Never lets a name through that could be taken for a word of the machine's own.

use super::error::{Error, Result};

/// Characters of a name: at least, at most (contract/octipus.md 1).
const LENGTH: (usize, usize) = (3, 50);
/// Most characters of an address.
const MAX_EMAIL: usize = 254;

/// From so many hexadecimal digits on a name could be taken for the beginning of an id.
const ID_DIGITS: usize = 7;

/// What the server writes where a person's name can stand: in `by` of an end, a stop or an answer,
/// and as the actor of a record.
const RESERVED: [&str; 36] = [
    "agent",
    "anonymous",
    "callboard",
    "clock",
    "daemon",
    "deadline",
    "everyone",
    "exit",
    "expired",
    "interrupt",
    "keeper",
    "limit",
    "lost_prompt",
    "nobody",
    "none",
    "null",
    "operator",
    "orphan_ttl",
    "override",
    "person",
    "rate_limit",
    "recovery",
    "reset",
    "server",
    "server_shutdown",
    "signal",
    "stall",
    "stalled",
    "start_timeout",
    "stray",
    "supervisor",
    "system",
    "timeout",
    "turn_ended",
    "undefined",
    "withdrawn",
];

/// Whether a name is one of the machine's own, however it is written.
#[must_use]
pub fn reserved(name: &str) -> bool {
    let plain = name.trim().to_lowercase().replace(['-', '.'], "_");
    RESERVED.contains(&plain.as_str())
}

/// Whether a text has the shape of an id or of the beginning of one, as lists show it.
#[must_use]
pub fn like_id(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_hexdigit).count();
    let shaped = text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    shaped && digits >= ID_DIGITS
}

/// Checks the name of a new account.
///
/// # Errors
/// `bad_username`, `reserved_username`.
pub fn username(text: &str) -> Result<String> {
    let (least, most) = LENGTH;
    let name = text.trim();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !begins || !name.chars().all(plain) || !(least..=most).contains(&name.len()) {
        return Err(Error::invalid(
            "bad_username",
            "username",
            "the name is not usable",
            format!("{least} to {most} of A-Z a-z 0-9 . _ - with a letter or digit in front"),
        ));
    }
    if like_id(name) {
        return Err(Error::invalid(
            "bad_username",
            "username",
            "the name looks like the beginning of an id",
            "a name with another letter than a to f, or of less than 7 digits",
        ));
    }
    if reserved(name) {
        return Err(Error::invalid(
            "reserved_username",
            "username",
            "the server itself goes by that name",
            "another name",
        ));
    }
    Ok(name.to_owned())
}

/// Checks the address of an account.
///
/// # Errors
/// `bad_email`.
pub fn email(text: &str) -> Result<String> {
    let address = text.trim();
    let parts = address.rsplit_once('@');
    let fits = address.chars().count() <= MAX_EMAIL
        && !address
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | ',' | ';'));
    let whole = parts
        .is_some_and(|(name, host)| !name.is_empty() && !name.contains('@') && !host.is_empty());
    if fits && whole {
        return Ok(address.to_owned());
    }
    Err(Error::invalid(
        "bad_email",
        "email",
        "the address is not usable",
        "name@host",
    ))
}

/// Checks the address that somebody gives to the account of this name. What is made up for those
/// without one is nobody else's.
///
/// # Errors
/// `bad_email`.
pub fn email_of(username: &str, text: &str) -> Result<String> {
    let address = email(text)?;
    let plain = address.to_lowercase();
    if plain.ends_with("@localhost") && plain != no_email(username).to_lowercase() {
        return Err(Error::invalid(
            "bad_email",
            "email",
            "addresses at localhost are those of accounts without one",
            "name@host",
        ));
    }
    Ok(address)
}

/// The address of an account that has none.
#[must_use]
pub fn no_email(username: &str) -> String {
    format!("{username}@localhost")
}

#[cfg(test)]
mod tests {
    use super::super::status::Cut;
    use super::*;

    #[test]
    fn names_are_short_and_plain() {
        for good in ["ada", " ada ", "a.b-c_d", "007", &"x".repeat(50)] {
            assert!(username(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "ab",
            ".ada",
            "-rf",
            "a b",
            "a@b",
            "ad\u{e4}",
            "a\nb",
            "a/b",
            &"x".repeat(51),
        ] {
            assert_eq!(username(bad).unwrap_err().code(), "bad_username", "{bad}");
        }
    }

    #[test]
    fn nobody_is_called_like_the_id_of_another() {
        let id = crate::domain::UserId::generate().to_string();
        for length in [8, 13, 18, 36] {
            let name = id.get(..length).unwrap();
            assert_eq!(username(name).unwrap_err().code(), "bad_username", "{name}");
        }
        for bad in [
            "0544980",
            "0544980E",
            "DEADBEEF",
            "1234567",
            "1-2-3-4-5-6-7",
        ] {
            assert_eq!(username(bad).unwrap_err().code(), "bad_username", "{bad}");
        }
        for good in [
            "decade",
            "123456",
            "ada-1234567x",
            "0544980g",
            "bea_1234567",
        ] {
            assert!(username(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn the_machines_own_words_are_not_for_people() {
        let cuts = [Cut::Deadline, Cut::Limit, Cut::Stalled].map(Cut::name);
        for name in cuts
            .into_iter()
            .chain(["Server", "orphan-ttl", "SYSTEM", "signal"])
        {
            let error = username(name).unwrap_err();
            assert_eq!(error.code(), "reserved_username", "{name}");
        }
        assert!(!reserved("admin") && !reserved("signals"));
    }

    #[test]
    fn an_address_that_is_made_up_is_nobody_elses() {
        assert!(email_of("ada", "Ada@LocalHost").is_ok());
        assert!(email_of("ada", "ada@example.org").is_ok());
        let taken = email_of("ada", "bob@localhost").unwrap_err();
        assert_eq!(taken.code(), "bad_email");
    }

    #[test]
    fn addresses_have_a_name_and_a_host() {
        for good in ["a@b", "ada.l@example.org", " ada@example.org "] {
            assert!(email(good).is_ok(), "{good}");
        }
        for bad in ["", "ada", "@b", "a@", "a@b@c", "a b@c", "<a@b>,c@d"] {
            assert_eq!(email(bad).unwrap_err().code(), "bad_email", "{bad}");
        }
    }
}
