//! The operator's door: the supervisor tree and its decisions.
//!
//! Never open to anyone but admins.

mod supervisor;

pub use supervisor::routes;
