//! Which agent programs this machine has, and whether they are signed in.
//!
//! Never reads a secret: it looks whether a variable is set, and whether a file is there.

use std::path::Path;
use std::time::Duration;

use super::super::child;
use super::{Check, machine};
use crate::domain::Kind;
use crate::domain::program::{Found, SignedIn, version_in};

/// How long a program may take to say its version.
const ANSWER: Duration = Duration::from_secs(5);

/// One check for each program that talks to a model.
pub fn checks() -> Vec<Check> {
    let kinds = Kind::ALL.into_iter().filter(|kind| kind.has_model());
    kinds.filter_map(look).map(|found| check(&found)).collect()
}

fn look(kind: Kind) -> Option<Found> {
    let program = kind.program()?;
    let path = machine::in_path(program.command);
    let version = path
        .as_deref()
        .and_then(|path| child::version(path, program.quiet, ANSWER).ok())
        .as_deref()
        .and_then(version_in);
    let signed_in = program.sign_in.map_or(SignedIn::NotNeeded, |sign_in| {
        sign_in.found(|name| std::env::var(name).ok(), filled)
    });
    Some(Found {
        kind,
        path: path.map(|path| path.display().to_string()),
        version,
        signed_in,
        command: None,
    })
}

fn filled(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() > 0)
}

/// Agents of other kinds work without it, so none of it is a trouble.
fn check(found: &Found) -> Check {
    let name = found.kind.name();
    let path = found.path.as_deref().unwrap_or_default();
    let version = found.version.as_deref().unwrap_or("of no known version");
    let here = format!("{path}: {version}");
    match (found.missing(), found.signed_in) {
        (Some(missing), _) if found.path.is_none() => {
            Check::warning(name, missing.what, missing.mend)
        }
        (Some(missing), _) => Check::warning(name, format!("{here}, not signed in"), missing.mend),
        (None, SignedIn::By(by)) => Check::ok(name, format!("{here}, signed in by {by}")),
        (None, SignedIn::NotNeeded | SignedIn::No) => Check::ok(name, here),
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn a_program_is_missing_signed_out_or_ready_and_never_a_trouble() {
        let mut found = Found {
            kind: Kind::Claude,
            path: None,
            version: None,
            signed_in: SignedIn::No,
            command: None,
        };
        let missing = check(&found);
        assert_eq!(missing.state, State::Warning);
        assert!(missing.mend.unwrap().contains("npm install -g"));
        found.path = Some("/bin/claude".into());
        found.version = Some("2.1.330".into());
        let signed_out = check(&found);
        assert_eq!(signed_out.state, State::Warning);
        assert!(signed_out.found.contains("2.1.330, not signed in"));
        found.signed_in = SignedIn::By("ANTHROPIC_API_KEY");
        assert_eq!(check(&found).state, State::Ok);
    }
}
