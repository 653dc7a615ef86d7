//! The one integration binary: real processes, real sockets.
//! Never skips a test silently.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by a panic, starts processes and waits for them"
)]

mod app;
mod approvals;
mod attach;
mod browser;
mod canary;
mod claude;
mod completions;
mod daemon;
mod demo;
mod doors_auth;
mod doors_drain;
mod doors_events;
mod doors_input;
mod doors_limits;
mod doors_options;
mod doors_owner;
mod doors_programs;
mod doors_tasks;
mod doors_terminals;
mod doors_ws;
mod doors_ws_slow;
mod export;
mod fake_model;
mod faults;
mod feathers;
mod keep;
mod keeper;
mod keys;
mod living;
mod matrix;
mod missions;
mod people;
mod postgres;
mod providers;
mod script_player;
mod services;
mod shell_rc;
mod survive;
mod system;
mod words;
mod workspaces;
