//! A person's record.
//!
//! Never a password or a hash of one.

use serde_json::{Value, json};

use crate::domain::User;

/// Words a person.
#[must_use]
pub fn user(user: &User) -> Value {
    json!({
        "user_id": user.id,
        "email": user.email,
        "name": user.username,
        "role": user.role.name(),
        "disabled": user.disabled,
        "onboarding_completed": true,
        "must_change_password": false,
        "created_at": user.created_at.rfc3339(),
    })
}
