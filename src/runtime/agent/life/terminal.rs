//! The terminal side of an incarnation: what it prints goes out at once, what people type goes in.
//!
//! Never waits for a commit, and never writes down what was typed.

use crate::domain::{Error, Result};

use super::super::super::feed::Printed;
use super::Life;

impl Life {
    /// Shows bytes to whoever sits at the terminal.
    pub(super) async fn show(&self, offset: u64, bytes: &[u8]) {
        if let Some(screen) = &self.screen {
            let printed = Printed {
                incarnation: self.incarnation,
                offset,
                bytes: bytes.to_vec(),
            };
            // Without a feed this actor is about to be replaced as well.
            let _shown = screen.send(printed).await;
        }
    }

    /// Types at the terminal.
    ///
    /// # Errors
    /// `no_terminal`, `no_process`.
    pub(in crate::runtime::agent) async fn type_in(&self, bytes: Vec<u8>) -> Result<()> {
        let writer = self.at_terminal()?;
        writer.input(&[], bytes).await.map_err(|_gone| no_process())
    }

    /// Gives the terminal a new size.
    ///
    /// # Errors
    /// `no_terminal`, `no_process`.
    pub(in crate::runtime::agent) async fn resize(&self, rows: u16, cols: u16) -> Result<()> {
        let writer = self.at_terminal()?;
        writer
            .resize(rows, cols)
            .await
            .map_err(|_gone| no_process())
    }

    fn at_terminal(&self) -> Result<&crate::keeper::Writer> {
        if self.screen.is_none() {
            return Err(Error::conflict("no_terminal", "this agent has no terminal"));
        }
        self.writer.as_ref().ok_or_else(no_process)
    }
}

/// There is nobody to type to.
pub(in crate::runtime::agent) fn no_process() -> Error {
    Error::conflict("no_process", "the agent has no process at the moment")
}
