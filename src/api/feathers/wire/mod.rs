//! The records of the services as the clients read them (contract/agor.md 4).
//!
//! Never a secret, and never a value that is not known.

pub mod session;
pub mod task;
pub mod user;
