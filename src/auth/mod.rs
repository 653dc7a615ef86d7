//! Who somebody is: password hashes, signed tokens, API keys, tickets, and the first admin.
//!
//! Never reads a row and never decides what a person may do.

pub mod api_key;
mod first_admin;
mod password;
mod ticket;
mod token;

use crate::domain::Error;

pub use first_admin::{FirstAdmin, first_admin};
pub use password::{Passwords, acceptable, needs_rehash};
pub use ticket::Ticket;
pub use token::{Claims, Issued, Tokens, kid, new_sid};

/// No token came with the request.
#[must_use]
pub fn missing_token() -> Error {
    refused(
        "missing_token",
        "sign in first: the request carries no token",
    )
}

/// The token was ended by a sign-out, or its person is shut out.
#[must_use]
pub fn token_revoked() -> Error {
    refused(
        "token_revoked",
        "the token is no longer good; sign in again",
    )
}

/// The name or the password is wrong; which of them is not told.
#[must_use]
pub fn bad_credentials() -> Error {
    refused("bad_credentials", "the name or the password is wrong")
}

fn refused(code: &'static str, message: &str) -> Error {
    Error::Unauthenticated {
        code,
        message: message.to_owned(),
    }
}
