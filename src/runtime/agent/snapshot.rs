//! The stored form of a decoder's state: sealed, since it holds what was printed and what is still
//! to be written.
//!
//! Never stored plainly; plain ones of earlier versions are read.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::domain::SessionId;
use crate::secrets::{Secrets, SecretsError, snapshot_aad};

/// Begins a sealed one; a plain one is a JSON object. `store::sealed` knows it too.
const SEALED: &str = "sealed:";

/// As it is stored.
pub(super) fn seal(
    secrets: &Secrets,
    session: SessionId,
    plain: &str,
) -> Result<String, SecretsError> {
    let blob = secrets.seal(&snapshot_aad(session), plain.as_bytes())?;
    Ok(format!("{SEALED}{}", STANDARD.encode(blob)))
}

/// As it was; `None` when it cannot be opened here.
pub(super) fn open(secrets: &Secrets, session: SessionId, stored: &str) -> Option<String> {
    let Some(text) = stored.strip_prefix(SEALED) else {
        return Some(stored.to_owned());
    };
    let blob = STANDARD.decode(text).ok()?;
    match secrets.open_sealed(&snapshot_aad(session), &blob) {
        Ok(plain) => String::from_utf8(plain).ok(),
        Err(error) => {
            tracing::error!(session.id = %session, %error, "a decoder's state cannot be opened");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_back_in_its_own_session_only_and_plain_ones_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let secrets = Secrets::open(dir.path()).unwrap();
        let (one, other) = (SessionId::generate(), SessionId::generate());
        let stored = seal(&secrets, one, "{\"codec\":\"printed\"}").unwrap();
        assert!(!stored.contains("printed"));
        let plain = open(&secrets, one, &stored).unwrap();
        assert_eq!(plain, "{\"codec\":\"printed\"}");
        assert_eq!(open(&secrets, other, &stored), None);
        assert_eq!(open(&secrets, one, "{}").unwrap(), "{}");
        assert_eq!(open(&secrets, one, "sealed:?"), None);
    }
}
