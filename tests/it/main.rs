//! The one integration binary: real processes, real sockets.
//! Never skips a test silently.

mod demo;
mod keeper;
mod living;
mod script_player;
mod shell_rc;
