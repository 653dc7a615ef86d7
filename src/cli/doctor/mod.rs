//! `doctor`: what of this machine and its server is as it should be, and how to mend the rest.
//!
//! Never changes anything, and never needs to be signed in.

mod agents;
mod machine;
mod programs;
mod server;

use std::path::PathBuf;

use serde_json::{Value, json};

use super::args::DoctorArgs;
use super::failure::{Exit, Failure};
use super::{credentials, out};

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// As it should be.
    Ok,
    /// It works, with less.
    Warning,
    /// It does not work.
    Trouble,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Trouble => "trouble",
        }
    }
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was looked at; a stable word.
    pub name: &'static str,
    /// How it came out.
    pub state: State,
    /// What was found.
    pub found: String,
    /// What to do about it.
    pub mend: Option<String>,
}

impl Check {
    /// All is well.
    pub fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self {
            name,
            state: State::Ok,
            found: found.into(),
            mend: None,
        }
    }

    /// It works, with less.
    pub fn warning(name: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            state: State::Warning,
            mend: Some(mend.into()),
            ..Self::ok(name, found)
        }
    }

    /// It does not work.
    pub fn trouble(name: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            state: State::Trouble,
            ..Self::warning(name, found, mend)
        }
    }
}

/// Runs every check.
pub fn run(url: Option<&str>, args: &DoctorArgs) -> Result<Exit, Failure> {
    let data_dir = credentials::data_dir(args.data.data_dir.as_deref());
    let checks = checks(url, data_dir);
    let troubles = checks
        .iter()
        .filter(|check| check.state == State::Trouble)
        .count();
    if args.json {
        out::json(&document(&checks))?;
    } else {
        for check in &checks {
            out::line(&line(check))?;
        }
        let verdict = match troubles {
            0 => String::from("nothing that is needed is missing"),
            1 => String::from("1 trouble"),
            many => format!("{many} troubles"),
        };
        out::note(&verdict);
    }
    Ok(if troubles == 0 {
        Exit::Completed
    } else {
        Exit::Failed
    })
}

fn checks(url: Option<&str>, data_dir: Option<PathBuf>) -> Vec<Check> {
    let mut checks = server::checks(url);
    checks.push(machine::keeper());
    checks.push(machine::bash());
    checks.extend(programs::checks());
    checks.push(machine::data_dir(data_dir.as_deref()));
    checks.push(machine::user_namespaces());
    checks.push(machine::cgroups());
    // A server of this version says it itself.
    if !checks.iter().any(|check| check.name == agents::NAME) {
        checks.push(agents::survival());
    }
    checks
}

fn line(check: &Check) -> String {
    let mut line = format!(
        "{:<8} {:<16} {}",
        check.state.name(),
        check.name,
        check.found
    );
    if let Some(mend) = &check.mend {
        line.push_str(&format!("\n{:26}{mend}", ""));
    }
    line
}

fn document(checks: &[Check]) -> Value {
    let checks: Vec<Value> = checks
        .iter()
        .map(|check| {
            json!({
                "name": check.name,
                "state": check.state.name(),
                "found": check.found,
                "mend": check.mend,
            })
        })
        .collect();
    json!({ "version": env!("CARGO_PKG_VERSION"), "checks": checks })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_that_is_not_ok_says_what_to_do() {
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let dir = tempfile::tempdir().unwrap();
        let url = format!("http://127.0.0.1:{port}");
        let checks = checks(Some(&url), Some(dir.path().join("none")));
        for check in &checks {
            assert_eq!(check.mend.is_none(), check.state == State::Ok, "{check:?}");
        }
        let server = checks.iter().find(|check| check.name == "server").unwrap();
        assert_eq!(server.state, State::Trouble);
        assert_eq!(
            document(&checks)["checks"].as_array().unwrap().len(),
            checks.len()
        );
    }
}
