//! A model server that plays scripted answers, so that agent programs work without a vendor: for
//! tests, and for the demo where nobody has a key.
//!
//! Never listens beyond loopback, and never asks another machine for anything.
//!
//! A prompt chooses what happens by a mark (`mark.rs` reads it, `conversation.rs` finds it).
//! `scenario.rs` and `reply.rs` know no API; `messages.rs` is one, and another one stands beside it.

mod arguments;
mod conversation;
mod ledger;
mod mark;
mod messages;
mod playback;
mod reply;
mod scenario;
mod server;
#[cfg(test)]
mod tests;

pub use server::{FakeModel, FakeModelError};
