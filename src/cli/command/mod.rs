//! One file a command, or a family of small ones.
//!
//! Never parses the command line, and never ends the process: a command returns its exit.

pub mod answer;
mod asked;
pub mod audit;
pub mod completions;
pub mod document;
pub mod export;
pub mod key;
pub mod list;
pub mod log;
pub mod login;
pub mod migrate;
pub mod mission;
pub mod provider;
pub mod queue;
pub mod run;
pub mod secrets;
pub mod send;
pub mod stats;
pub mod steer;
pub mod user;
pub mod watch;
pub mod workspace;
