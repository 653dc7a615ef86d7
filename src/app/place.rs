//! Where and with what an agent may run: its working directory, variables, name and scenario.
//!
//! Never lets a value through that the start of the process would have to guess about.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use tokio::io::AsyncReadExt;

use crate::config::Config;
use crate::domain::{Error, Result, SessionId};
use crate::drivers::script::ready::{self, Place};
use crate::drivers::script::scenario::{self, Scenario, ScenarioError};

/// Most bytes of all variables together.
const MAX_ENV_BYTES: usize = 64 * 1024;
/// Most characters of a name.
const MAX_NAME: usize = 128;
/// Longest path that the kernel takes (PATH_MAX).
const MAX_PATH: usize = 4_096;

/// Settles the working directory: absolute, existing, enterable, below the configured roots.
///
/// # Errors
/// `cwd_missing`, `cwd_not_a_directory`, `cwd_denied`, `bad_field`.
pub(super) async fn directory(config: &Config, asked: Option<&str>) -> Result<String> {
    let home = home(config);
    let path = match asked {
        None => home,
        Some(text) => absolute(&home, text)?,
    };
    // Asking for `DIR/.` needs the right to enter DIR, not only to see it.
    let found = tokio::fs::metadata(path.join(".")).await;
    match found {
        Ok(meta) if meta.is_dir() => {}
        Ok(_) => return Err(refuse("cwd_not_a_directory", "is not a directory")),
        Err(error) => return Err(refuse_io(&error)),
    }
    confine(config, &path).await?;
    path.to_str()
        .map(str::to_owned)
        .ok_or_else(|| refuse("bad_field", "has a name that is not UTF-8"))
}

pub(super) fn home(config: &Config) -> PathBuf {
    std::env::var_os("HOME")
        .map(PathBuf::from)
        .filter(|home| home.is_absolute())
        .unwrap_or_else(|| config.data_dir.clone())
}

fn absolute(home: &Path, text: &str) -> Result<PathBuf> {
    if text.is_empty() || text.len() > MAX_PATH || text.contains('\0') {
        return Err(Error::invalid(
            "bad_field",
            "cwd",
            "the working directory is empty, too long or has a NUL byte",
            "the path of an existing directory, absolute or below the home of the server's user",
        ));
    }
    let rest = match text {
        "~" => "",
        other => other.strip_prefix("~/").unwrap_or(other),
    };
    // Joining an absolute path replaces the home.
    let joined = home.join(rest);
    Ok(joined.components().collect())
}

/// Whether a resolved path is below one of the roots, resolved too: a link cannot lead out of one.
async fn within(roots: impl Iterator<Item = &Path>, real: &Path) -> bool {
    for root in roots {
        if let Ok(root) = tokio::fs::canonicalize(root).await
            && real.starts_with(root)
        {
            return true;
        }
    }
    false
}

async fn confine(config: &Config, path: &Path) -> Result<()> {
    let real = tokio::fs::canonicalize(path)
        .await
        .map_err(|error| refuse_io(&error))?;
    if within(config.agents.roots.iter().map(PathBuf::as_path), &real).await {
        return Ok(());
    }
    let roots = config.agents.roots.iter();
    let roots: Vec<String> = roots.map(|root| root.display().to_string()).collect();
    Err(Error::invalid(
        "cwd_denied",
        "cwd",
        "the working directory is outside of the allowed roots",
        format!("an existing directory below {}", roots.join(" or ")),
    ))
}

fn refuse_io(error: &std::io::Error) -> Error {
    if error.kind() == ErrorKind::PermissionDenied {
        refuse("cwd_denied", "may not be entered by the server's user")
    } else if error.kind() == ErrorKind::NotADirectory {
        refuse("cwd_not_a_directory", "is not a directory")
    } else {
        refuse("cwd_missing", "does not exist")
    }
}

fn refuse(code: &'static str, what: &str) -> Error {
    Error::invalid(
        code,
        "cwd",
        format!("the working directory {what}"),
        "an existing directory that the server's user may enter",
    )
}

/// Checks the variables of an agent's environment.
///
/// # Errors
/// `bad_env` with the name at fault.
pub(super) fn variables(env: &BTreeMap<String, String>) -> Result<()> {
    let bad = |name: &str, what: &str| {
        let shown: String = name.chars().take(64).collect();
        Error::invalid(
            "bad_env",
            format!("env.{shown}"),
            what,
            "names of letters, digits and _ that do not start with a digit; values without NUL; \
             at most 64 KiB in all",
        )
    };
    let mut bytes = 0usize;
    for (name, value) in env {
        let first = name.bytes().next();
        let starts = first.is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
        if !starts || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err(bad(name, "the name of the variable is not allowed"));
        }
        if value.contains('\0') {
            return Err(bad(name, "the value has a NUL byte"));
        }
        bytes = bytes.saturating_add(name.len()).saturating_add(value.len());
        if bytes > MAX_ENV_BYTES {
            return Err(bad(name, "the variables are too large"));
        }
    }
    Ok(())
}

/// Checks a name for an agent.
///
/// # Errors
/// `bad_name`.
pub(super) fn name(text: &str) -> Result<()> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let fits = (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(allowed);
    // An id names its own session on every door.
    let id = text.parse::<SessionId>().is_ok();
    if fits && text != "." && text != ".." && !id {
        return Ok(());
    }
    Err(Error::invalid(
        "bad_name",
        "name",
        "the name is not allowed",
        "1 to 128 of A-Z a-z 0-9 . _ - that are no UUID",
    ))
}

/// Settles a scenario: the name of a ready one, or the path of its file, which is read and checked.
/// A file outside of the roots is as unknown as one that is not there.
///
/// # Errors
/// `unknown_scenario`, `bad_scenario` with the rule that it breaks.
pub(super) async fn scenario(config: &Config, word: &str) -> Result<String> {
    let unknown = || refuse_scenario("unknown_scenario", &ready::unknown(word));
    if word.len() > MAX_PATH || word.contains('\0') {
        return Err(unknown());
    }
    let dirs: Vec<&Path> = config.agents.scenarios_dir.as_deref().into_iter().collect();
    let roots = config.agents.roots.iter().map(PathBuf::as_path);
    let roots: Vec<&Path> = roots.chain(dirs.iter().copied()).collect();
    let files = match ready::place(word, &dirs) {
        Ok(Place::Ready(_)) => return Ok(word.to_owned()),
        Ok(Place::Files(files)) => files,
        Err(error) => return Err(refuse_scenario("unknown_scenario", &error)),
    };
    for file in files {
        if let Some(path) = file.to_str()
            && let Ok(real) = tokio::fs::canonicalize(&file).await
            && within(roots.iter().copied(), &real).await
            && tokio::fs::metadata(&real).await.is_ok_and(|m| m.is_file())
        {
            let text = read_start(&real).await.map_err(|_unreadable| unknown())?;
            Scenario::parse(path, &text)
                .map_err(|error| refuse_scenario("bad_scenario", &error))?;
            return Ok(path.to_owned());
        }
    }
    Err(unknown())
}

/// A scenario is refused above this size by its own rules; what is longer need not be read.
async fn read_start(file: &Path) -> std::io::Result<String> {
    let most = u64::try_from(scenario::MAX_FILE_BYTES).unwrap_or(u64::MAX);
    let mut text = String::new();
    let file = tokio::fs::File::open(file).await?;
    let mut start = file.take(most.saturating_add(1));
    start.read_to_string(&mut text).await?;
    Ok(text)
}

fn refuse_scenario(code: &'static str, error: &ScenarioError) -> Error {
    Error::invalid(code, "scenario", error.to_string(), error.expected.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        for good in ["a", "build-1", "A_b.c", &"x".repeat(64)] {
            assert!(name(good).is_ok(), "{good}");
        }
        let id = SessionId::generate().to_string();
        for bad in [
            "",
            ".",
            "..",
            "a b",
            "a/b",
            "ä",
            "a\n",
            &"x".repeat(129),
            &id,
        ] {
            assert_eq!(name(bad).unwrap_err().code(), "bad_name", "{bad}");
        }
    }

    #[test]
    fn variables_are_checked_by_name_value_and_sum() {
        let env = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
        assert!(variables(&env("_A1", "any\nthing=ü")).is_ok());
        for (name, value) in [
            ("1A", ""),
            ("A=B", ""),
            ("", ""),
            ("A-B", ""),
            ("A", "a\0b"),
        ] {
            let error = variables(&env(name, value)).unwrap_err();
            assert_eq!(error.code(), "bad_env", "{name}");
        }
        assert!(variables(&env("A", &"x".repeat(MAX_ENV_BYTES))).is_err());
        assert!(variables(&env("A", &"x".repeat(MAX_ENV_BYTES - 1))).is_ok());
    }

    #[tokio::test]
    async fn a_scenario_outside_of_the_roots_is_as_unknown_as_none() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for made in ["in", "ready", "out"] {
            std::fs::create_dir(at(made)).unwrap();
        }
        let mut config = Config::load(crate::config::Overrides::default()).unwrap();
        config.agents.roots = vec![at("in")];
        config.agents.scenarios_dir = Some(at("ready"));
        let good = ready_text();
        for file in ["in/good.json", "ready/own.json", "out/good.json"] {
            std::fs::write(at(file), good).unwrap();
        }
        std::fs::write(at("out/bad.json"), "no scenario").unwrap();
        std::fs::write(at("in/bad.json"), "no scenario").unwrap();
        std::os::unix::fs::symlink(at("out/good.json"), at("in/link.json")).unwrap();
        let config = &config;
        let settled = async |file: &str| {
            let path = at(file).display().to_string();
            scenario(config, &path).await.map_err(|error| error.code())
        };
        assert!(settled("in/good.json").await.is_ok());
        assert!(settled("ready/own.json").await.is_ok());
        assert!(scenario(config, "own").await.is_ok());
        assert!(scenario(config, "hello").await.is_ok());
        assert_eq!(settled("in/bad.json").await, Err("bad_scenario"));
        for file in [
            "out/good.json",
            "out/bad.json",
            "out/none.json",
            "in/link.json",
            "in/none.json",
            "in/../out/bad.json",
        ] {
            assert_eq!(settled(file).await, Err("unknown_scenario"), "{file}");
        }
    }

    fn ready_text() -> &'static str {
        ready::text("hello").unwrap()
    }

    #[test]
    fn paths_start_at_the_home_and_lose_their_dots() {
        let home = Path::new("/home/ada");
        let at = |text| absolute(home, text).unwrap();
        assert_eq!(at("~"), home);
        assert_eq!(at("~/src"), Path::new("/home/ada/src"));
        assert_eq!(at("src/./x/"), Path::new("/home/ada/src/x"));
        assert_eq!(at("/srv"), Path::new("/srv"));
        assert!(absolute(home, "").is_err());
        assert!(absolute(home, "/a\0b").is_err());
    }
}
