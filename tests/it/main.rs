//! The one integration binary: real processes, real sockets.
//! Never skips a test silently.

#![expect(
    clippy::disallowed_methods,
    reason = "real programs take real time: no clock here can be paused"
)]

#[cfg(test)]
mod app;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod doors_auth;
#[cfg(test)]
mod doors_drain;
#[cfg(test)]
mod doors_events;
#[cfg(test)]
mod doors_input;
#[cfg(test)]
mod doors_owner;
#[cfg(test)]
mod doors_tasks;
#[cfg(test)]
mod doors_ws;
#[cfg(test)]
mod doors_ws_slow;
#[cfg(test)]
mod keeper;
#[cfg(test)]
mod living;
#[cfg(test)]
mod script_player;
#[cfg(test)]
mod shell_rc;
#[cfg(test)]
mod survive;
