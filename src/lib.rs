//! Callboard: a supervision runtime for agent processes.
//!
//! Rooms stand on floors; a room names only rooms below it (ARCHITECTURE.md).

pub mod api;
pub mod app;
pub mod auth;
pub mod boot;
pub mod cli;
pub mod config;
pub mod crash;
pub mod domain;
pub mod drivers;
pub mod fake_model;
pub mod keeper;
pub mod process;
pub mod providers;
pub mod runtime;
pub mod secrets;
pub mod store;
pub mod supervision;
pub mod workspace;
