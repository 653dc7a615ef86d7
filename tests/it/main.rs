//! The one integration binary: real processes, real sockets.
//! Never skips a test silently.

mod keeper;
