//! The one integration binary: real processes, real sockets.
//! Never skips a test silently.

mod app;
mod demo;
mod doors_auth;
mod doors_drain;
mod doors_events;
mod doors_input;
mod doors_owner;
mod doors_tasks;
mod doors_ws;
mod doors_ws_slow;
mod keeper;
mod living;
mod script_player;
mod shell_rc;
mod survive;
