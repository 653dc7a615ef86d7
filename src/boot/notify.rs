//! What the service manager is told (sd_notify(3)): ready, stopping, alive.
//!
//! Never an error: without a manager, or with one that does not listen, the server goes on.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

/// It serves.
pub const READY: &str = "READY=1";
/// It drains.
pub const STOPPING: &str = "STOPPING=1";
/// It lives (`WatchdogSec=` of the unit).
pub const ALIVE: &str = "WATCHDOG=1";

/// It starts still: for so long it is not to be given up.
const MORE_TIME: &str = "EXTEND_TIMEOUT_USEC=60000000";
/// How often that is said.
const EVERY: Duration = Duration::from_secs(15);

/// The manager of this process, if there is one.
#[derive(Debug, Clone, Default)]
pub struct Manager {
    socket: Option<Arc<UnixDatagram>>,
    watchdog: Option<Duration>,
}

impl Manager {
    /// By `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`.
    #[must_use]
    pub fn from_environment() -> Self {
        let text = |name: &str| std::env::var(name).ok();
        let ours = text("WATCHDOG_PID").is_none_or(|pid| pid == std::process::id().to_string());
        let watchdog = text("WATCHDOG_USEC").filter(|_| ours);
        Self::new(text("NOTIFY_SOCKET").as_deref(), watchdog.as_deref())
    }

    fn new(address: Option<&str>, watchdog: Option<&str>) -> Self {
        let socket = address.and_then(|address| match connect(address) {
            Ok(socket) => Some(Arc::new(socket)),
            Err(error) => {
                tracing::warn!(%error, "the service manager is not told");
                None
            }
        });
        let every = watchdog.and_then(|us| us.parse().ok()).filter(|us| *us > 0);
        Self {
            socket,
            // Twice in the time that it waits.
            watchdog: every.map(|us| Duration::from_micros(us) / 2),
        }
    }

    /// How often it wants to hear that the server lives.
    #[must_use]
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// Asks for more time again and again, while a database is waited for, migrated or recovered.
    pub async fn ask_for_time(self) {
        let mut asks = tokio::time::interval(EVERY);
        loop {
            asks.tick().await;
            self.say(MORE_TIME);
        }
    }

    /// Tells it.
    pub fn say(&self, word: &str) {
        if let Some(socket) = &self.socket
            && let Err(error) = socket.send(word.as_bytes())
        {
            tracing::debug!(%error, word, "the service manager did not hear");
        }
    }
}

/// A path, or a name without one behind `@`.
fn connect(address: &str) -> std::io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    match address.strip_prefix('@') {
        Some(name) => socket.connect_addr(&SocketAddr::from_abstract_name(name)?)?,
        None => socket.connect(address)?,
    }
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manager_is_told_by_path_and_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let by_path = UnixDatagram::bind(&path).unwrap();
        let name = format!("callboard-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let by_name = UnixDatagram::bind_addr(&address).unwrap();
        for (listener, address) in [
            (by_path, path.to_str().unwrap().to_owned()),
            (by_name, format!("@{name}")),
        ] {
            let manager = Manager::new(Some(&address), Some("30000000"));
            assert_eq!(manager.watchdog(), Some(Duration::from_secs(15)));
            manager.say(READY);
            let mut heard = [0; 32];
            let length = listener.recv(&mut heard).unwrap();
            assert_eq!(&heard[..length], READY.as_bytes());
        }
    }

    #[tokio::test]
    async fn a_start_that_takes_long_asks_for_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let listener = UnixDatagram::bind(&path).unwrap();
        let manager = Manager::new(path.to_str(), None);
        let asking = tokio::spawn(manager.ask_for_time());
        let heard = tokio::task::spawn_blocking(move || {
            let mut heard = [0; 64];
            let length = listener.recv(&mut heard).unwrap();
            String::from_utf8_lossy(&heard[..length]).into_owned()
        });
        assert_eq!(heard.await.unwrap(), MORE_TIME);
        asking.abort();
    }

    #[test]
    fn without_a_manager_nothing_happens() {
        let nobody = Manager::new(Some("/nowhere/at/all"), Some("0"));
        nobody.say(READY);
        assert_eq!(nobody.watchdog(), None);
        Manager::default().say(STOPPING);
    }
}
