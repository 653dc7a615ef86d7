//! What the server and its built-in programs ask of the machine's processes directly.
//!
//! Never the start or end of an agent process: that is the keeper's.

pub mod heap;
pub mod own;
pub mod terminal;
pub mod unit;
