//! `callboard agent ...`: the built-in agent programs, which a keeper runs as child processes, and
//! the model server that agent programs of others talk to where there is no real one.
//!
//! Never part of the server: each runs in its own process, without its runtime.

pub mod model;
pub mod script;
