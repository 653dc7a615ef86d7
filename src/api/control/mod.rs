//! The control door.
//!
//! Never names a sibling door.

mod health;

pub use health::routes;
