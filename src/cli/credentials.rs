//! Where the client's server and token come from: flags, environment, and `~/.callboard/cli-token`
//! (0600, JSON `{url, token, username, expiresAt}`).
//!
//! Never uses the stored token for another address than the one it was given for.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::client::Client;
use super::failure::{Exit, Failure};

/// Where a server is when nobody says otherwise.
pub const DEFAULT_URL: &str = "http://127.0.0.1:3030";

/// What `login` stores.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// The server.
    pub url: String,
    /// The bearer for it.
    pub token: String,
    /// Whose it is.
    #[serde(default)]
    pub username: String,
    /// Until when, RFC 3339.
    #[serde(default, rename = "expiresAt")]
    pub expires_at: String,
}

/// The first admin's credentials as the server leaves them on its machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// `username:`.
    pub username: String,
    /// `password:`.
    pub password: String,
}

/// The client that a command uses: server from `--url`, `CALLBOARD_URL` (both in `url`), the
/// stored one, the default; token from `CALLBOARD_API_KEY`, `AGOR_API_KEY`, the stored one.
///
/// # Errors
/// When the address is none.
pub fn client(url: Option<&str>) -> Result<Client, Failure> {
    with_token(url, key_of_environment())
}

/// The same with the stored token alone: what `logout` ends.
///
/// # Errors
/// When the address is none.
pub fn client_of_login(url: Option<&str>) -> Result<Client, Failure> {
    with_token(url, None)
}

fn with_token(url: Option<&str>, key: Option<String>) -> Result<Client, Failure> {
    let stored = stored()?;
    let base = match (url, &stored) {
        (Some(url), _) => url.trim().trim_end_matches('/').to_owned(),
        (None, Some(stored)) => stored.url.clone(),
        (None, None) => DEFAULT_URL.to_owned(),
    };
    let token = key.or_else(|| {
        stored
            .filter(|stored| stored.url == base)
            .map(|stored| stored.token)
    });
    Client::new(&base, token)
}

/// A client that is signed in, for commands that need it.
///
/// # Errors
/// `SignedOut` when there is no token.
pub fn signed_in(url: Option<&str>) -> Result<Client, Failure> {
    let client = client(url)?;
    if client.token().is_none() {
        return Err(super::client::signed_out(client.base()));
    }
    Ok(client)
}

/// The API key of the environment.
#[must_use]
pub fn key_of_environment() -> Option<String> {
    ["CALLBOARD_API_KEY", "AGOR_API_KEY"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|key| !key.is_empty()))
}

/// What the last `login` stored.
///
/// # Errors
/// When the file exists and cannot be read as that, or others may read it.
pub fn stored() -> Result<Option<Stored>, Failure> {
    match token_file() {
        Some(path) => read_stored(&path),
        None => Ok(None),
    }
}

fn read_stored(path: &Path) -> Result<Option<Stored>, Failure> {
    let trouble = |why: String| {
        Failure::new(Exit::Failed, format!("{} cannot be used", path.display()))
            .because(why)
            .mend("run `callboard login` again, or remove the file")
    };
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(trouble(error.to_string())),
    };
    let mode = fs::metadata(path)
        .map_err(|error| trouble(error.to_string()))?
        .permissions()
        .mode();
    if mode & 0o077 != 0 {
        return Err(trouble(format!(
            "others may read it (mode {:03o})",
            mode & 0o777
        )));
    }
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|error| trouble(error.to_string()))
}

/// Stores a token, readable by its owner alone from the first byte on.
///
/// # Errors
/// When the file cannot be written.
pub fn store(stored: &Stored) -> Result<PathBuf, Failure> {
    let Some(path) = token_file() else {
        return Err(
            Failure::new(Exit::Failed, "there is no place for the token")
                .because("HOME is not set")
                .mend("set HOME, or use CALLBOARD_API_KEY"),
        );
    };
    write_stored(&path, stored).map_err(|error| {
        Failure::new(
            Exit::Failed,
            format!("{} cannot be written", path.display()),
        )
        .because(error.to_string())
    })?;
    Ok(path)
}

fn write_stored(path: &Path, stored: &Stored) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)?;
    }
    let text = serde_json::to_string_pretty(stored)?;
    write_private(path, text.as_bytes())
}

/// Writes a file of mode 0600, whole or not at all.
///
/// # Errors
/// Those of the file system.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", std::process::id()));
    let beside = path.with_file_name(name);
    let written = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        drop(fs::remove_file(&beside));
    }
    written
}

/// Removes the stored token. Nothing stored is no error.
///
/// # Errors
/// When it cannot be removed.
pub fn forget() -> Result<(), Failure> {
    let Some(path) = token_file() else {
        return Ok(());
    };
    match fs::remove_file(&path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::new(
            Exit::Failed,
            format!("{} cannot be removed", path.display()),
        )
        .because(error.to_string())),
    }
}

fn token_file() -> Option<PathBuf> {
    Some(home()?.join(".callboard/cli-token"))
}

fn home() -> Option<PathBuf> {
    std::env::var_os("HOME")
        .filter(|home| !home.is_empty())
        .map(PathBuf::from)
}

/// The server's data directory on this machine: the flag, `CALLBOARD_DATA_DIR`, `~/.callboard`.
#[must_use]
pub fn data_dir(flag: Option<&Path>) -> Option<PathBuf> {
    flag.map(Path::to_path_buf)
        .or_else(|| std::env::var_os("CALLBOARD_DATA_DIR").map(PathBuf::from))
        .or_else(|| home().map(|home| home.join(".callboard")))
}

/// Reads `DATA_DIR/admin-credentials`: lines `username:`, `email:` and `password:`.
///
/// # Errors
/// When it cannot be read, or has no password line.
pub fn admin(data_dir: &Path) -> io::Result<Admin> {
    parse_admin(&fs::read_to_string(data_dir.join("admin-credentials"))?)
        .ok_or_else(|| io::Error::other("it has no `username:` and `password:` lines"))
}

fn parse_admin(text: &str) -> Option<Admin> {
    let field = |name: &str| {
        text.lines().find_map(|line| {
            let value = line.strip_prefix(name)?.strip_prefix(':')?;
            Some(value.strip_prefix(' ').unwrap_or(value).to_owned())
        })
    };
    Some(Admin {
        username: field("username")?,
        password: field("password")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_back_from_a_private_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/cli-token");
        let stored = Stored {
            url: "http://127.0.0.1:1".into(),
            token: "t".into(),
            username: "ann".into(),
            expires_at: String::new(),
        };
        write_stored(&path, &stored).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(read_stored(&path).unwrap(), Some(stored));
        assert_eq!(fs::read_dir(dir.path().join("deep")).unwrap().count(), 1);
    }

    #[test]
    fn a_token_that_others_can_read_is_refused_with_a_way_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cli-token");
        fs::write(&path, "{}").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let failure = read_stored(&path).unwrap_err();
        assert!(failure.why.unwrap().contains("644"));
        assert!(failure.mend.unwrap().contains("callboard login"));
    }

    #[test]
    fn the_credentials_file_is_read_by_its_lines() {
        let text = "# first admin\nusername: admin\nemail: a@b\npassword: pa: ss \n";
        assert_eq!(
            parse_admin(text),
            Some(Admin {
                username: "admin".into(),
                password: "pa: ss ".into()
            })
        );
        assert_eq!(parse_admin("username: x\n"), None);
    }
}
