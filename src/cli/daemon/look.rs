//! Whether a server uses a data directory, by the lock that it holds there.
//!
//! Never trusts the noted pid: that process must have the lock open. Never takes the lock while a
//! server may be starting.

use std::fs::{self, File, TryLockError};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::cli::failure::{Exit, Failure};
use crate::domain::{SERVER_LOCK, ServerNote};

/// Who uses a data directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Nobody; the last one ended in order, or there was none.
    Nobody,
    /// This server.
    Server(ServerNote),
    /// Nobody; the server with this pid did not end in order.
    Stale(u32),
    /// Somebody who cannot be seen from here: in a container, or of another user.
    Hidden,
}

/// Looks.
///
/// # Errors
/// When the lock cannot be read.
pub fn look(dir: &Path) -> Result<Found, Failure> {
    let path = dir.join(SERVER_LOCK);
    let trouble = |error: io::Error| {
        Failure::new(Exit::Failed, format!("{} cannot be read", path.display()))
            .because(error.to_string())
    };
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nobody),
        Err(error) => return Err(trouble(error)),
    };
    let note = ServerNote::parse(&text);
    // Before this process opens it: the noted pid may be its own by now.
    if let Some(note) = note.filter(|note| has_open(note.pid, &path)) {
        return Ok(Found::Server(note));
    }
    let file = File::open(&path).map_err(trouble)?;
    match (file.try_lock_shared(), note) {
        (Err(TryLockError::WouldBlock), _) => Ok(Found::Hidden),
        (Err(TryLockError::Error(error)), _) => Err(trouble(error)),
        (Ok(()), Some(note)) => Ok(Found::Stale(note.pid)),
        (Ok(()), None) => Ok(Found::Nobody),
    }
}

/// The note of a process, once it holds the lock.
#[must_use]
pub fn note_of(dir: &Path, pid: u32) -> Option<ServerNote> {
    let text = fs::read_to_string(dir.join(SERVER_LOCK)).ok()?;
    ServerNote::parse(&text).filter(|note| note.pid == pid)
}

/// Whether this process still has the lock.
#[must_use]
pub fn still_has(dir: &Path, pid: u32) -> bool {
    has_open(pid, &dir.join(SERVER_LOCK))
}

fn has_open(pid: u32, path: &Path) -> bool {
    let Ok(ours) = fs::metadata(path) else {
        return false;
    };
    let Ok(fds) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    fds.filter_map(Result::ok)
        .filter_map(|fd| fs::metadata(fd.path()).ok())
        .any(|theirs| theirs.ino() == ours.ino() && theirs.dev() == ours.dev())
}

/// How clients on this machine reach a server that listens there.
#[must_use]
pub fn url(bound: SocketAddr) -> String {
    let ip = match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    format!("http://{}", SocketAddr::new(ip, bound.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_believed_only_when_its_process_has_it_open() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(look(dir.path()).unwrap(), Found::Nobody);
        let path = dir.path().join(SERVER_LOCK);
        let me = std::process::id();
        fs::write(&path, format!("{me}\n127.0.0.1:7\n")).unwrap();
        assert_eq!(look(dir.path()).unwrap(), Found::Stale(me));
        assert!(!still_has(dir.path(), 1));

        let held = File::options().write(true).open(&path).unwrap();
        held.try_lock().unwrap();
        let Found::Server(note) = look(dir.path()).unwrap() else {
            panic!("not seen");
        };
        assert_eq!(
            (note.pid, note.address),
            (me, Some("127.0.0.1:7".parse().unwrap()))
        );

        // The pid of somebody who does not have it: a container's, or one that was used again.
        fs::write(&path, "1\n").unwrap();
        assert_eq!(look(dir.path()).unwrap(), Found::Hidden);
        fs::write(&path, "").unwrap();
        assert_eq!(look(dir.path()).unwrap(), Found::Hidden);
        drop(held);
        assert_eq!(look(dir.path()).unwrap(), Found::Nobody);
    }

    #[test]
    fn a_server_on_all_addresses_is_reached_over_loopback() {
        for (bound, reached) in [
            ("127.0.0.1:3030", "http://127.0.0.1:3030"),
            ("0.0.0.0:80", "http://127.0.0.1:80"),
            ("[::]:80", "http://[::1]:80"),
            ("10.0.0.7:80", "http://10.0.0.7:80"),
        ] {
            assert_eq!(url(bound.parse().unwrap()), reached);
        }
    }
}
