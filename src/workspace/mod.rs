//! Places to run: where they are, and commands in them, which hang on whoever asked for them.
//!
//! Never a command that outlives its asker or the server, and never its output in the log.

mod capture;
pub mod place;
mod run;
mod seats;
#[cfg(test)]
mod tests;
mod yard;

pub use capture::{Captured, unfinished};
pub use run::{Channel, Finish, Outcome, Over, Run, Step};
pub use seats::{Full, Seat, Seats};
pub use yard::{Command, ExecError, Yard};
