//! Signing in and out.
//!
//! Never says whether a name exists.

mod login;

pub use login::{Credentials, SignIn, Ticket};
