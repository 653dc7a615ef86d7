//! What the server and its built-in programs ask of the machine's processes directly.
//!
//! Never the start or end of an agent process: that is the keeper's.

pub mod census;
pub mod disk;
pub mod heap;
pub mod machine;
pub mod own;
pub mod program;
pub mod terminal;
pub mod unit;

/// Whether this process, and so what it starts, runs as root.
#[must_use]
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}
