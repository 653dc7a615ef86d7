//! What is wrong with the settings: which key, what was found and what was expected.
//!
//! Never shows the value of a key that may hold a secret (`database`, `kinds`), nor a line of the
//! file: with a quote too few it may hold one as well.

use std::fmt;

use figment::error::Actual;

/// A refused setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// Stable code: `bad_config`, `unknown_key`, `non_loopback_bind`, `unsupported_database` or
    /// `config_file`.
    pub code: &'static str,
    /// The key, dotted: `limits.max_live_agents`. Empty when the file as a whole is at fault.
    pub key: String,
    /// What is wrong, in words.
    pub message: String,
    /// What would have been accepted.
    pub expected: String,
    /// Where the value came from, when it is known: a file or a variable.
    pub source: Option<String>,
}

impl ConfigError {
    /// A value that breaks a rule.
    #[must_use]
    pub fn bad(
        key: impl Into<String>,
        message: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self {
            code: "bad_config",
            key: key.into(),
            message: message.into(),
            expected: expected.into(),
            source: None,
        }
    }

    /// The same error under another code.
    #[must_use]
    pub fn coded(mut self, code: &'static str) -> Self {
        self.code = code;
        self
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            write!(f, "settings: {}", self.message)?;
        } else {
            write!(f, "setting `{}`: {}", self.key, self.message)?;
        }
        if !self.expected.is_empty() {
            write!(f, "; expected {}", self.expected)?;
        }
        match &self.source {
            Some(source) => write!(f, " (from {source})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ConfigError {}

impl From<figment::Error> for ConfigError {
    fn from(error: figment::Error) -> Self {
        use figment::error::Kind;
        let source = error.metadata.as_ref().map(|from| match &from.source {
            Some(place) => format!("{} {place}", from.name),
            None => from.name.to_string(),
        });
        let mut key = error.path.join(".");
        let (code, message, expected) = match &error.kind {
            Kind::InvalidType(found, expected) | Kind::InvalidValue(found, expected) => {
                let found = match may_be_secret(&key) {
                    true => type_of(found).to_owned(),
                    false => found.to_string(),
                };
                ("bad_config", format!("found {found}"), plainly(expected))
            }
            Kind::UnknownField(field, known) => {
                if !key.ends_with(field.as_str()) {
                    key = if key.is_empty() {
                        field.clone()
                    } else {
                        format!("{key}.{field}")
                    };
                }
                let known = format!("one of: {}", known.join(", "));
                ("unknown_key", String::from("there is no such key"), known)
            }
            Kind::UnknownVariant(found, known) => {
                let known = format!("one of: {}", known.join(", "));
                let found = match may_be_secret(&key) {
                    true => String::from("found another word"),
                    false => format!("found `{found}`"),
                };
                ("bad_config", found, known)
            }
            Kind::MissingField(field) => (
                "bad_config",
                format!("`{field}` is missing"),
                String::from("a value"),
            ),
            Kind::Message(text) => ("bad_config", first_line(&key, text), String::new()),
            Kind::InvalidLength(..)
            | Kind::DuplicateField(_)
            | Kind::ISizeOutOfRange(_)
            | Kind::USizeOutOfRange(_)
            | Kind::Unsupported(_)
            | Kind::UnsupportedKey(..) => ("bad_config", error.kind.to_string(), String::new()),
        };
        Self {
            code,
            key,
            message,
            expected,
            source,
        }
    }
}

/// What was expected, without the names of types.
fn plainly(expected: &str) -> String {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a string" => "a text",
        other => other,
    }
    .to_owned()
}

fn may_be_secret(key: &str) -> bool {
    matches!(key.split('.').next(), Some("database" | "kinds"))
}

/// Behind its first line, which says where, a parser shows the line at fault.
fn first_line(key: &str, text: &str) -> String {
    if may_be_secret(key) {
        return String::from("the value cannot be read");
    }
    text.lines().next().unwrap_or_default().to_owned()
}

fn type_of(found: &Actual) -> &'static str {
    match found {
        Actual::Bool(_) => "true or false",
        Actual::Unsigned(_) | Actual::Signed(_) | Actual::Float(_) => "a number",
        Actual::Char(_) | Actual::Str(_) => "a text",
        Actual::Bytes(_) | Actual::Seq => "a list",
        Actual::Map => "a table",
        Actual::Unit
        | Actual::Option
        | Actual::NewtypeStruct
        | Actual::Enum
        | Actual::UnitVariant
        | Actual::NewtypeVariant
        | Actual::TupleVariant
        | Actual::StructVariant
        | Actual::Other(_) => "something else",
    }
}
