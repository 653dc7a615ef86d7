//! How a session's program is driven, changed by a person.
//!
//! Never asks whether its kind of program can do that: whoever calls has.

use crate::domain::{Result, SessionId, Tuning};

use super::super::session::Tune;
use super::Runtime;

impl Runtime {
    /// Whether agents run as root.
    #[must_use]
    pub fn as_root(&self) -> bool {
        crate::process::is_root()
    }

    /// Changes how the program is driven: durable, and on its way to the program, when this
    /// returns.
    ///
    /// # Errors
    /// `unavailable` when the process ends meanwhile.
    pub async fn tune(&self, id: SessionId, tuning: Tuning, by: &str) -> Result<()> {
        let tune = || Tune {
            tuning: tuning.clone(),
            by: by.to_owned(),
        };
        self.ask_session(id, tune).await
    }
}
