//! `callboard agent ...`: the built-in agent programs, which a keeper runs as child processes.
//!
//! Never part of the server: each runs in its own process, without its runtime.

pub mod script;
