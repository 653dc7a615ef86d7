//! The first admin, made once.
//!
//! Never shows the password: the log names the file.

use crate::auth::{Passwords, first_admin};
use crate::config::Config;
use crate::domain::{Role, User, UserId};
use crate::store::{Store, users};

use super::error::{BootError, source_text};

/// Environment variable that sets the first admin's password.
const GIVEN: &str = "CALLBOARD_ADMIN_PASSWORD";

/// Makes an admin if there is no user at all.
///
/// # Errors
/// [`BootError::Admin`].
pub async fn first(store: &Store, passwords: &Passwords, config: &Config) -> Result<(), BootError> {
    let refused = |error: crate::domain::Error| BootError::Admin(source_text(&error));
    let count = store
        .read(users::count)
        .await
        .map_err(|e| refused(e.into()))?;
    if count > 0 {
        return Ok(());
    }
    let given = std::env::var(GIVEN).ok().filter(|text| !text.is_empty());
    let admin = first_admin(&config.data_dir, given).map_err(refused)?;
    let password_hash = passwords
        .hash(admin.password.to_string())
        .await
        .map_err(refused)?;
    let user = User {
        id: UserId::generate(),
        username: admin.username.clone(),
        email: admin.email.clone(),
        role: Role::Superadmin,
        password_hash,
        disabled: false,
        created_at: crate::runtime::now(),
    };
    store
        .write(move |conn| users::insert(conn, &user))
        .await
        .map_err(|error| refused(error.into()))?;
    tracing::info!(
        username = admin.username,
        file = %admin.file.display(),
        "the first admin was made; its credentials are in the file"
    );
    Ok(())
}
