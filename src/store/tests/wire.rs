//! A line to PostgreSQL that breaks at a chosen moment: in front of its socket, in this process.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// When the next connection that commits breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Before the server hears of the commit.
    Before,
    /// After the server has committed, before the client hears of it.
    After,
}

/// The line.
pub struct Wire {
    dir: tempfile::TempDir,
    cut: Arc<AtomicU8>,
}

impl Wire {
    /// A line to the socket in this directory.
    pub fn to(server: &Path) -> Self {
        let dir = tempfile::tempdir_in("/tmp").unwrap();
        let listener = UnixListener::bind(dir.path().join(".s.PGSQL.5432")).unwrap();
        let cut = Arc::new(AtomicU8::new(0));
        let (server, planned) = (server.join(".s.PGSQL.5432"), Arc::clone(&cut));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(server) = UnixStream::connect(&server) else {
                    continue;
                };
                carry(client.unwrap(), server, &planned);
            }
        });
        Self { dir, cut }
    }

    /// The address of a database behind it.
    pub fn url(&self, database: &str) -> String {
        super::cluster::postmaster::at(self.dir.path(), database)
    }

    /// Breaks the next commit.
    pub fn cut(&self, when: Cut) {
        let when = match when {
            Cut::Before => 1,
            Cut::After => 2,
        };
        self.cut.store(when, Ordering::SeqCst);
    }
}

fn carry(client: UnixStream, server: UnixStream, cut: &Arc<AtomicU8>) {
    let quiet = Arc::new(AtomicU8::new(0));
    let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let (planned, silence) = (Arc::clone(cut), Arc::clone(&quiet));
    std::thread::spawn(move || {
        let mut bytes = vec![0; 65_536];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            let said = &bytes[..count];
            if said.windows(7).any(|words| words == b"COMMIT\0") {
                match planned.swap(0, Ordering::SeqCst) {
                    1 => break,
                    2 => silence.store(1, Ordering::SeqCst),
                    _ => {}
                }
            }
            if to.write_all(said).is_err() {
                break;
            }
        }
        let _closed = to.shutdown(std::net::Shutdown::Both);
        let _closed = from.shutdown(std::net::Shutdown::Both);
    });
    let (mut from, mut to) = (server, client);
    std::thread::spawn(move || {
        let mut bytes = vec![0; 65_536];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            // The server has answered the commit; the client never hears it.
            if quiet.load(Ordering::SeqCst) == 1 || to.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        let _closed = from.shutdown(std::net::Shutdown::Both);
        let _closed = to.shutdown(std::net::Shutdown::Both);
    });
}
