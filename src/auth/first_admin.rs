//! The first admin: made once, with a random password that stands in one private file.
//!
//! Never a default password, and never a given password in a file.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::TryRng;
use rand::rngs::SysRng;
use zeroize::Zeroizing;

use super::password::acceptable;
use crate::domain::{Error, Result};

const FILE: &str = "admin-credentials";
const USERNAME: &str = "admin";
const EMAIL: &str = "admin@localhost";

/// What the first admin signs in with. The caller stores the user with the password's hash.
pub struct FirstAdmin {
    /// User name.
    pub username: String,
    /// Address.
    pub email: String,
    /// The password; wiped when this is dropped.
    pub password: Zeroizing<String>,
    /// The file that holds it, or says who the admin is when the password was given.
    pub file: PathBuf,
}

/// Makes the first admin's credentials and writes `DATA_DIR/admin-credentials` (0600): lines
/// `username:`, `email:`, `password:`; without the last one when the password is `given`
/// (`CALLBOARD_ADMIN_PASSWORD`). For an empty table of users only: a file that is there is from a
/// start that did not get further, and is replaced.
///
/// # Errors
/// `bad_password` for a given one of a wrong length; otherwise the file cannot be written.
pub fn first_admin(data_dir: &Path, given: Option<String>) -> Result<FirstAdmin> {
    let mut lines = Zeroizing::new(format!("username: {USERNAME}\nemail: {EMAIL}\n"));
    let password = match given.map(Zeroizing::new) {
        Some(password) => {
            acceptable(&password)?;
            password
        }
        None => {
            let password = random_password()?;
            lines.push_str("password: ");
            lines.push_str(&password);
            lines.push('\n');
            password
        }
    };
    let file = data_dir.join(FILE);
    write(data_dir, &file, lines.as_bytes())
        .map_err(|error| Error::Internal(format!("{}: {error}", file.display())))?;
    Ok(FirstAdmin {
        username: USERNAME.to_owned(),
        email: EMAIL.to_owned(),
        password,
        file,
    })
}

/// 144 random bits as 24 characters.
fn random_password() -> Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new([0_u8; 18]);
    SysRng
        .try_fill_bytes(bytes.as_mut_slice())
        .map_err(Error::internal)?;
    Ok(Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice())))
}

/// Whole or not at all: written beside its place, then renamed.
fn write(dir: &Path, file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)?;
    let fresh = dir.join(format!(".{FILE}.{}", uuid::Uuid::new_v4().simple()));
    let mut out = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&fresh)?;
    let written = out.write_all(bytes).and_then(|()| out.sync_all());
    let placed = written.and_then(|()| std::fs::rename(&fresh, file));
    if placed.is_err() {
        let _gone = std::fs::remove_file(&fresh);
    }
    placed?;
    std::fs::File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_random_password_stands_in_a_private_file() {
        let dir = tempfile::tempdir().unwrap();
        let admin = first_admin(dir.path(), None).unwrap();
        let text = std::fs::read_to_string(&admin.file).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let password = format!("password: {}", *admin.password);
        assert_eq!(
            lines,
            [
                "username: admin",
                "email: admin@localhost",
                password.as_str()
            ]
        );
        assert_eq!(admin.password.len(), 24);
        let mode = std::fs::metadata(&admin.file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let again = first_admin(dir.path(), None).unwrap();
        assert_ne!(*again.password, *admin.password);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_given_password_is_written_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        let admin = first_admin(dir.path(), Some("opensesame1".into())).unwrap();
        assert_eq!(admin.password.as_str(), "opensesame1");
        let text = std::fs::read_to_string(&admin.file).unwrap();
        assert!(
            !text.contains("opensesame1") && !text.contains("password"),
            "{text}"
        );
        assert!(first_admin(dir.path(), Some("short".into())).is_err());
    }
}
