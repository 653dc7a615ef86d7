//! What a kind of agent needs of a machine: its program, who brings it, and how it is signed in.
//!
//! Never looks at the machine: who asks brings what was seen there.

use std::path::{Path, PathBuf};

use super::agent::Kind;

/// The program behind a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Program {
    /// Its name in `PATH`.
    pub command: &'static str,
    /// What it is called.
    pub title: &'static str,
    /// The command that installs it.
    pub install: &'static str,
    /// How it is signed in to its provider; `None`: it has none.
    pub sign_in: Option<SignIn>,
    /// Variables under which it answers `--version` and does nothing besides.
    pub quiet: &'static [(&'static str, &'static str)],
    /// Patterns of the models that it talks to.
    pub models: &'static [&'static str],
}

/// How a program is signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignIn {
    /// Variables of its environment, any of which does.
    pub variables: &'static [&'static str],
    /// The variable that names the directory of its settings.
    pub dir_variable: &'static str,
    /// That directory below HOME, when the variable is not set.
    pub dir: &'static str,
    /// The file in it that a sign-in leaves.
    pub file: &'static str,
    /// What a person does about it.
    pub mend: &'static str,
}

const CLAUDE: Program = Program {
    command: "claude",
    title: "Claude Code",
    install: "npm install -g @anthropic-ai/claude-code",
    sign_in: Some(SignIn {
        variables: &[
            "ANTHROPIC_API_KEY",
            "ANTHROPIC_AUTH_TOKEN",
            "CLAUDE_CODE_OAUTH_TOKEN",
            "CLAUDE_CODE_USE_BEDROCK",
            "CLAUDE_CODE_USE_VERTEX",
        ],
        dir_variable: "CLAUDE_CONFIG_DIR",
        dir: ".claude",
        file: ".credentials.json",
        mend: "run `claude` once as the server's user and sign in, or give it a key: env_from = \
               [\"ANTHROPIC_API_KEY\"] below [kinds.claude] in the server's settings, or \
               `callboard run --env ANTHROPIC_API_KEY`",
    }),
    quiet: &[
        ("DISABLE_AUTOUPDATER", "1"),
        ("DISABLE_TELEMETRY", "1"),
        ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
    ],
    models: &["claude-*", "opus", "sonnet", "haiku"],
};

const BASH: Program = Program {
    command: "bash",
    title: "bash",
    install: "apt-get install -y bash",
    sign_in: None,
    quiet: &[],
    models: &[],
};

impl Kind {
    /// The program of this kind; `None` when it is built in.
    #[must_use]
    pub fn program(self) -> Option<&'static Program> {
        match self {
            Self::Claude => Some(&CLAUDE),
            Self::Shell => Some(&BASH),
            Self::Script => None,
        }
    }

    /// Whether it may tell what a turn cost.
    #[must_use]
    pub fn tells_cost(self) -> bool {
        match self {
            Self::Claude | Self::Script => true,
            Self::Shell => false,
        }
    }

    /// Whether it talks to a model, so that it knows a model's name, how hard that thinks, tool
    /// servers, and conversations that can branch off.
    #[must_use]
    pub fn has_model(self) -> bool {
        match self {
            Self::Claude => true,
            Self::Shell | Self::Script => false,
        }
    }
}

/// By what a program is signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedIn {
    /// It needs nobody.
    NotNeeded,
    /// By the variable of this name, or by the file of this name.
    By(&'static str),
    /// It is not.
    No,
}

impl SignIn {
    /// By what a program with these variables is signed in: one of them that is not empty, or the
    /// file. `filled` says whether a file is there with something in it.
    #[must_use]
    pub fn found(
        &self,
        variable: impl Fn(&str) -> Option<String>,
        filled: impl Fn(&Path) -> bool,
    ) -> SignedIn {
        let set = |name: &&&str| variable(name).is_some_and(|value| !value.is_empty());
        if let Some(name) = self.variables.iter().find(set) {
            return SignedIn::By(name);
        }
        let home = || variable("HOME").map(|home| Path::new(&home).join(self.dir));
        let dir = variable(self.dir_variable).map(PathBuf::from).or_else(home);
        if dir.is_some_and(|dir| filled(&dir.join(self.file))) {
            return SignedIn::By(self.file);
        }
        SignedIn::No
    }
}

/// What was seen of one kind on a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The kind.
    pub kind: Kind,
    /// Where its program is; `None` when it is not there. Built-in ones name Callboard's own.
    pub path: Option<String>,
    /// What it says its version is.
    pub version: Option<String>,
    /// By what it is signed in.
    pub signed_in: SignedIn,
    /// The program's name or path in the settings, when it is not the usual one.
    pub command: Option<String>,
}

/// What is missing, and the command that mends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// What.
    pub what: String,
    /// How to mend it.
    pub mend: String,
}

impl Found {
    /// Whether an agent of this kind could work now.
    #[must_use]
    pub fn ready(&self) -> bool {
        self.path.is_some() && self.signed_in != SignedIn::No
    }

    /// The same for a session that brings variables of these names.
    #[must_use]
    pub fn with(mut self, names: &[String]) -> Self {
        let sign_in = self.kind.program().and_then(|program| program.sign_in);
        if let (SignedIn::No, Some(sign_in)) = (self.signed_in, sign_in) {
            let brought = |name: &&&str| names.iter().any(|own| own == *name);
            let found = sign_in.variables.iter().find(brought);
            self.signed_in = found.map_or(SignedIn::No, |name| SignedIn::By(name));
        }
        self
    }

    /// What keeps it from working.
    #[must_use]
    pub fn missing(&self) -> Option<Missing> {
        let program = self.kind.program()?;
        if self.path.is_none() {
            return Some(not_installed(self.kind, self.command.as_deref()));
        }
        match (self.signed_in, program.sign_in) {
            (SignedIn::No, Some(sign_in)) => Some(Missing {
                what: format!("{} is not signed in", program.command),
                mend: sign_in.mend.to_owned(),
            }),
            (SignedIn::No | SignedIn::NotNeeded | SignedIn::By(_), _) => None,
        }
    }

    /// It in few words: `claude 2.1.330 (signed in)`.
    #[must_use]
    pub fn words(&self) -> String {
        let name = self.kind.name();
        if self.path.is_none() {
            return format!("{name} is not installed");
        }
        let version = self.version.as_deref();
        let version = version.map_or_else(String::new, |version| format!(" {version}"));
        let sign_in = match self.signed_in {
            SignedIn::NotNeeded => "",
            SignedIn::By(_) => " (signed in)",
            SignedIn::No => " (not signed in)",
        };
        format!("{name}{version}{sign_in}")
    }
}

/// What to say of a program that is not there; `command` is what the settings name in its place.
#[must_use]
pub fn not_installed(kind: Kind, command: Option<&str>) -> Missing {
    let name = kind.name();
    match (command, kind.program()) {
        (Some(command), _) => Missing {
            what: format!("there is no program `{command}`"),
            mend: format!("name another one as `command` below [kinds.{name}] in the settings"),
        },
        (None, Some(program)) => Missing {
            what: format!("{} is not installed", program.title),
            mend: format!("`{}` brings {}", program.install, program.title),
        },
        (None, None) => Missing {
            what: format!("{name} is not installed"),
            mend: String::from("install Callboard again: it is a part of it"),
        },
    }
}

/// Which kind a prompt goes to when nobody names one, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The kind.
    pub kind: Kind,
    /// One line for people: which, and how to get the others.
    pub says: String,
}

/// Takes the first agent program that could work now, else the shell.
#[must_use]
pub fn choose(found: &[Found]) -> Choice {
    let agents = || found.iter().filter(|one| one.kind.has_model());
    if let Some(ready) = agents().find(|one| one.ready()) {
        return Choice {
            kind: ready.kind,
            says: ready.words(),
        };
    }
    let installed = agents().find(|one| one.path.is_some());
    let trouble = installed.map_or_else(
        || String::from("no agent program is installed"),
        Found::words,
    );
    let missing = installed
        .or_else(|| agents().next())
        .and_then(Found::missing);
    let mend = missing.map_or_else(String::new, |missing| format!("; {}", missing.mend));
    Choice {
        kind: Kind::Shell,
        says: format!("{trouble}: using shell{mend}"),
    }
}

/// The version in what a program prints: its first word that starts with a digit and has a dot.
#[must_use]
pub fn version_in(text: &str) -> Option<String> {
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+');
    text.split_whitespace()
        .map(|word| word.trim_start_matches('v'))
        .filter(|word| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.'))
        .map(|word| word.chars().take_while(|c| part(*c)).take(32).collect())
        .next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claude(path: Option<&str>, signed_in: SignedIn) -> Found {
        Found {
            kind: Kind::Claude,
            path: path.map(str::to_owned),
            version: path.map(|_| String::from("2.1.330")),
            signed_in,
            command: None,
        }
    }

    #[test]
    fn an_installed_and_signed_in_program_is_taken() {
        let found = [claude(Some("/bin/claude"), SignedIn::By("x"))];
        let choice = choose(&found);
        assert_eq!(choice.kind, Kind::Claude);
        assert_eq!(choice.says, "claude 2.1.330 (signed in)");
        assert_eq!(found[0].missing(), None);
    }

    #[test]
    fn otherwise_it_is_the_shell_and_says_what_is_missing() {
        let none = choose(&[claude(None, SignedIn::No)]);
        assert_eq!(none.kind, Kind::Shell);
        assert_eq!(
            none.says,
            "no agent program is installed: using shell; `npm install -g \
             @anthropic-ai/claude-code` brings Claude Code"
        );
        let signed_out = choose(&[claude(Some("/bin/claude"), SignedIn::No)]);
        assert_eq!(signed_out.kind, Kind::Shell);
        let start = "claude 2.1.330 (not signed in): using shell; run `claude`";
        assert!(signed_out.says.starts_with(start), "{}", signed_out.says);
        assert_eq!(choose(&[]).kind, Kind::Shell);
    }

    #[test]
    fn a_program_of_the_settings_is_mended_there() {
        let found = Found {
            command: Some("/opt/claude".into()),
            ..claude(None, SignedIn::No)
        };
        let missing = found.missing().unwrap();
        assert!(missing.what.contains("/opt/claude"));
        assert!(missing.mend.contains("[kinds.claude]"));
    }

    #[test]
    fn a_key_or_the_file_of_a_sign_in_does() {
        let sign_in = Kind::Claude.program().unwrap().sign_in.unwrap();
        let at = |env: &[(&str, &str)], file: &str| {
            let value = |name: &str| {
                let found = env.iter().find(|(own, _)| *own == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            sign_in.found(value, |path| path == Path::new(file))
        };
        let home = ("HOME", "/h");
        let file = "/h/.claude/.credentials.json";
        assert_eq!(at(&[home], file), SignedIn::By(".credentials.json"));
        assert_eq!(at(&[home, ("CLAUDE_CONFIG_DIR", "/c")], file), SignedIn::No);
        assert_eq!(at(&[home, ("ANTHROPIC_API_KEY", "")], "/x"), SignedIn::No);
        let key = [home, ("ANTHROPIC_API_KEY", "k")];
        assert_eq!(at(&key, "/x"), SignedIn::By("ANTHROPIC_API_KEY"));
        let brought = claude(Some("/bin/claude"), SignedIn::No);
        let brought = brought.with(&["X".into(), "ANTHROPIC_API_KEY".into()]);
        assert!(brought.ready());
    }

    #[test]
    fn versions_are_found_in_what_programs_print() {
        for (text, version) in [
            ("2.1.330 (Claude Code)\n", Some("2.1.330")),
            (
                "GNU bash, version 5.2.15(1)-release (x86_64)\n",
                Some("5.2.15"),
            ),
            ("tool v1.0.0-rc.1+x", Some("1.0.0-rc.1+x")),
            ("usage: tool", None),
            ("", None),
        ] {
            assert_eq!(version_in(text).as_deref(), version, "{text}");
        }
    }
}
