//! SIGTERM and SIGINT, and SIGUSR2, which also ends the agents.
//!
//! Never acts by itself: it only tells.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Ends the server as SIGTERM does, and its agents with it (`callboard daemon stop --stop-agents`).
pub const WITH_AGENTS: &str = "SIGUSR2";

/// The signals that end a server.
pub struct Signals {
    term: Signal,
    int: Signal,
    usr2: Signal,
}

impl Signals {
    /// Takes them over from the default, which would end the process at once.
    ///
    /// # Errors
    /// When the handlers cannot be set.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
            usr2: signal(SignalKind::user_defined2())?,
        })
    }

    /// Waits for the next one.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.term.recv() => "SIGTERM",
            _ = self.int.recv() => "SIGINT",
            _ = self.usr2.recv() => WITH_AGENTS,
        }
    }
}
