//! The real-time client of the feathers door: Engine.IO 4 and Socket.IO 5 over the one socket actor
//! and its bounded outbox.
//!
//! Never a word of a service: a call goes to the table that REST asks as well.

mod audience;
mod cursor;
mod doc;
mod engine;
mod link;
mod links;
mod packet;
mod polling;
mod requests;
mod routes;
mod websocket;
mod words;

pub use links::Links;
pub use routes::{Document, routes};
