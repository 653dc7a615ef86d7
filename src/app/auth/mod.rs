//! Signing in and out, API keys that come with requests, registration, and the brake on guessing.
//!
//! Never says whether a name exists.

mod login;
mod presented;
mod register;
mod renewal;
mod throttle;

pub use login::{Credentials, SignIn, Ticket};
pub(super) use presented::Keys;
pub use register::RegisterRequest;
pub(super) use register::{add, free};
pub use renewal::Renewed;
pub use throttle::forgive;
pub(super) use throttle::{Key, Tries};
