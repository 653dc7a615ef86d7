//! Callboard: a supervision runtime for agent processes.
//!
//! Rooms stand on floors; a room names only rooms below it (ARCHITECTURE.md).

pub mod api;
pub mod app;
pub mod boot;
pub mod config;
pub mod domain;
pub mod runtime;
pub mod store;
