//! Which of the values that a program is given are secrets.
//!
//! Never a path, a plain word or an address without credentials, unless its name says that it is
//! one: covering those would hide what agents do.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::forms::{self, SHORTEST};
use crate::domain::Confidential;

/// What in a name says so.
const TELLING: [&str; 6] = ["KEY", "TOKEN", "SECRET", "PASS", "CREDENTIAL", "COOKIE"];
/// The same as a whole word of the name.
const WORDS: [&str; 5] = ["AUTH", "AUTHORIZATION", "PIN", "PRIVATE", "PWD"];
/// Variables that are none whatever they hold.
const PLAIN: [&str; 18] = [
    "PATH",
    "HOME",
    "LANG",
    "LANGUAGE",
    "TERM",
    "COLORTERM",
    "TZ",
    "USER",
    "LOGNAME",
    "SHELL",
    "PWD",
    "OLDPWD",
    "TMPDIR",
    "EDITOR",
    "VISUAL",
    "PAGER",
    "HOSTNAME",
    "DISPLAY",
];
/// Words of names whose values tell where or on what an agent works.
const HARMLESS: [&str; 12] = [
    "BRANCH",
    "MODEL",
    "VERSION",
    "REGION",
    "ZONE",
    "EMAIL",
    "TAG",
    "REF",
    "TIMESTAMP",
    "DATE",
    "LOCALE",
    "MODE",
];
/// A value of such a name that is longer than this is looked at as any other.
const HARMLESS_BYTES: usize = 64;
/// Ends of names of files.
const PLACES: [&str; 4] = ["FILE", "PATH", "DIR", "SOCK"];
/// Words in front of a credential in a header.
const SCHEMES: [&str; 3] = ["Bearer ", "Basic ", "token "];

/// The secrets among variables.
#[must_use]
pub fn of_environment(env: &BTreeMap<String, String>) -> Vec<String> {
    let all = env.iter().filter(|(name, value)| is_secret(name, value));
    all.flat_map(|(_, value)| with_parts(value)).collect()
}

/// The secrets of a session: among its variables, and in its tool servers.
#[must_use]
pub fn of_confidential(own: &Confidential) -> Vec<String> {
    let mut values = of_environment(&own.env);
    own.mcp_servers
        .values()
        .for_each(|server| of_server(server, &mut values));
    values
}

/// Whether these values take more room than a session has for what it searches for.
#[must_use]
pub fn too_many(values: &[String]) -> bool {
    let forms = values.iter().flat_map(|value| forms::of(value));
    forms.map(|form| form.len()).sum::<usize>() > forms::MOST
}

/// The password in an address, and its other credentials.
#[must_use]
pub fn of_url(url: &str) -> Vec<String> {
    let rest = url.split_once("://").map(|(_, rest)| rest);
    let user = rest.and_then(|rest| rest.split(['/', '?']).next()?.rsplit_once('@'));
    let password = user.and_then(|(user, _host)| user.split_once(':'));
    let mut found: Vec<String> = password
        .map(|(_, word)| word.to_owned())
        .into_iter()
        .collect();
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let pairs = query
        .split(['&', '#'])
        .filter_map(|pair| pair.split_once('='));
    found.extend(
        pairs
            .filter(|(name, _)| telling(name))
            .map(|(_, value)| value.to_owned()),
    );
    found
}

fn of_server(server: &Value, values: &mut Vec<String>) {
    let texts = |map: &Map<String, Value>| -> BTreeMap<String, String> {
        let pairs = map.iter();
        pairs
            .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
            .collect()
    };
    for part in ["env", "headers"] {
        if let Some(map) = server.get(part).and_then(Value::as_object) {
            values.extend(of_environment(&texts(map)));
        }
    }
    if let Some(url) = server.get("url").and_then(Value::as_str) {
        values.extend(of_url(url));
    }
    let args = server.get("args").and_then(Value::as_array);
    let mut before = "";
    for arg in args.into_iter().flatten().filter_map(Value::as_str) {
        let (name, value) = arg.split_once('=').unwrap_or((before, arg));
        if telling(name) && name.starts_with('-') {
            values.push(value.to_owned());
        }
        before = arg;
    }
}

/// Any value of eight bytes and more, but for what is plainly none.
fn is_secret(name: &str, value: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    if value.len() < SHORTEST || PLAIN.contains(&upper.as_str()) || upper.starts_with("LC_") {
        return false;
    }
    if telling(name) {
        return !(is_path(value) && PLACES.iter().any(|end| upper.ends_with(end)));
    }
    let harmless = value.len() <= HARMLESS_BYTES && has_word(&upper, &HARMLESS);
    !(harmless || is_path(value) || is_word(value) || is_plain_address(value))
}

fn has_word(name: &str, words: &[&str]) -> bool {
    let mut parts = name.split(|c: char| !c.is_ascii_alphanumeric());
    parts.any(|part| words.contains(&part))
}

fn telling(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    TELLING.iter().any(|part| name.contains(part)) || has_word(&name, &WORDS)
}

/// Also a list of them, as `PATH` is.
fn is_path(value: &str) -> bool {
    let begins =
        |part: &str| part.starts_with(['/', '~', '.']) && !part.contains(char::is_whitespace);
    value.split(':').all(begins)
}

/// Words without a digit: `production`, `true,false`, `Jane Doe`.
fn is_word(value: &str) -> bool {
    let plain = |c: char| c.is_alphabetic() || "-_.,: ".contains(c);
    let one_case = |part: &str| {
        let mut behind = part.chars().skip(1);
        let upper = part.chars().all(char::is_uppercase);
        upper || !behind.any(char::is_uppercase)
    };
    let mut parts = value.split(|c: char| !c.is_alphabetic());
    value.chars().all(plain) && parts.all(one_case)
}

fn is_plain_address(value: &str) -> bool {
    let address = ["http://", "https://", "ws://", "wss://"];
    address.iter().any(|scheme| value.starts_with(scheme)) && !value.contains(['@', '?', '#'])
}

/// The value, and what in it is a credential by itself.
fn with_parts(value: &str) -> Vec<String> {
    let bare = SCHEMES.iter().find_map(|scheme| value.strip_prefix(scheme));
    let mut parts = vec![value.to_owned()];
    parts.extend(bare.map(str::to_owned));
    parts.extend(of_url(value));
    if value.contains('\n') {
        parts.retain(|part| part != value);
        parts.extend(lines(value));
    }
    parts
}

/// A text of several lines, as of a key, is printed line by line too. They stand for the whole: a
/// line that is too short to be searched for goes with the one before it.
fn lines(value: &str) -> Vec<String> {
    let long = |line: &str| line.trim().len() >= SHORTEST;
    let mut parts: Vec<String> = Vec::new();
    let mut before = String::new();
    for line in value.lines() {
        if long(line) {
            line.clone_into(&mut before);
            parts.push(line.to_owned());
            continue;
        }
        before = format!("{before}\n{line}");
        if !line.trim().is_empty() && long(&before) {
            parts.push(before.clone());
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_name_tells_or_what_looks_like_one_is_a_secret() {
        for (name, value) in [
            ("OPENAI_API_KEY", "abcdefgh"),
            ("DB_PASSWORD", "production"),
            ("X", "9f86d081884c7d65"),
            ("X", "hunter2-hunter2"),
            ("X", "S3cr3tV4lue"),
            ("DATABASE_URL", "postgres://u:pw-of-the-database@h/db"),
            ("MODEL_TOKEN", "claude-sonnet-4-5"),
            ("AUTH_MODE", "secret-0123456789"),
            ("MODELS", "model-0123456789"),
        ] {
            assert!(is_secret(name, value), "{name}={value}");
        }
        for (name, value) in [
            ("PYTHONPATH", "/usr/lib/python:/home/x"),
            ("MODE", "production"),
            ("LANG", "en_US.UTF-8"),
            ("BASE_URL", "https://gateway.example.org/v1"),
            ("API_KEY", "short"),
            ("GIT_AUTHOR_NAME", "Jane Doe"),
            ("SSH_KEY_FILE", "/home/x/.ssh/id"),
            ("HOSTNAME", "build-0123456789"),
            ("BRANCH", "feature/issue-1234"),
            ("ANTHROPIC_MODEL", "claude-sonnet-4-5"),
            ("GIT_AUTHOR_EMAIL", "jane2@example.org"),
        ] {
            assert!(!is_secret(name, value), "{name}={value}");
        }
    }

    #[test]
    fn a_text_of_lines_is_kept_back_line_by_line_and_within_its_room() {
        let key = "-----BEGIN KEY-----\nc29tZSBrZXkgb2Yg\nZm9v\n-----END KEY-----\n";
        let env = BTreeMap::from([("TLS_KEY".to_owned(), key.to_owned())]);
        let values = of_environment(&env);
        assert_eq!(
            values,
            [
                "-----BEGIN KEY-----",
                "c29tZSBrZXkgb2Yg",
                "c29tZSBrZXkgb2Yg\nZm9v",
                "-----END KEY-----"
            ]
        );
        assert!(!too_many(&values));
        let redactor = super::super::Redactor::bare().with(&values).unwrap();
        assert!(!redactor.text(key).contains("Zm9v"));
        let quoted = serde_json::json!({ "key": key }).to_string();
        assert!(!redactor.text(&quoted).contains("Zm9v"));
        assert!(!too_many(&["\u{e4}/".repeat(1_000)]));
        assert!(too_many(&["a+b/".repeat(16 * 1024)]));
    }

    #[test]
    fn credentials_are_found_in_addresses_headers_and_arguments() {
        assert_eq!(of_url("postgres://u:pw@h:5/db"), ["pw"]);
        assert_eq!(of_url("https://h/a?token=t1&x=y"), ["t1"]);
        assert_eq!(of_url("https://h/a@b:c"), [""; 0]);
        let own: Confidential = serde_json::from_value(serde_json::json!({
            "env": {},
            "mcpServers": {"one": {
                "command": "x", "args": ["--api-key", "in-the-args", "--token=in-one-arg"],
                "env": {"T": "in-the-env-1"},
                "headers": {"Authorization": "Bearer in-the-header"},
                "url": "https://h/?api_key=in-the-url"
            }}
        }))
        .unwrap();
        let values = of_confidential(&own);
        for value in [
            "in-the-args",
            "in-one-arg",
            "in-the-env-1",
            "in-the-header",
            "in-the-url",
        ] {
            assert!(values.iter().any(|one| one == value), "{value}: {values:?}");
        }
    }
}
