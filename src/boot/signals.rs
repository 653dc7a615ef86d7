//! SIGTERM and SIGINT.
//!
//! Never acts by itself: it only tells.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that end a server.
pub struct Signals {
    term: Signal,
    int: Signal,
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
        })
    }

    /// Waits for the next one.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.term.recv() => "SIGTERM",
            _ = self.int.recv() => "SIGINT",
        }
    }
}
