//! One file a command, or a family of small ones.
//!
//! Never parses the command line, and never ends the process: a command returns its exit.

pub mod answer;
mod asked;
pub mod completions;
pub mod export;
pub mod list;
pub mod log;
pub mod login;
pub mod queue;
pub mod run;
pub mod send;
pub mod steer;
pub mod watch;
