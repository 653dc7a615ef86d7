//! Callboard: a supervision runtime for agent processes.
//!
//! Rooms stand on floors; a room names only rooms below it (ARCHITECTURE.md).

pub mod cli;
pub mod domain;
pub mod drivers;
pub mod process;
pub mod runtime;
