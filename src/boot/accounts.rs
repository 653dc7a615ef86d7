//! The first admin, made once.
//!
//! Never shows the password: the log names the file.

use crate::auth::{Passwords, first_admin};
use crate::config::Config;
use crate::domain::{Error, Role, User, UserId};
use crate::store::{Store, users};

use super::error::{BootError, source_text};

/// Environment variable that sets the first admin's password.
const GIVEN: &str = "CALLBOARD_ADMIN_PASSWORD";

/// Why there are no credentials: a given password is named as the setting that it is.
fn unfit(error: &Error) -> BootError {
    let Error::Invalid {
        message, expected, ..
    } = error
    else {
        return BootError::Admin(source_text(error));
    };
    let expected = expected.as_deref().unwrap_or("another");
    BootError::Admin(format!("{GIVEN}: {message}; expected {expected}"))
}

/// Makes an admin if there is no user at all.
///
/// # Errors
/// [`BootError::Admin`].
pub async fn first(store: &Store, passwords: &Passwords, config: &Config) -> Result<(), BootError> {
    let refused = |error: Error| BootError::Admin(source_text(&error));
    let count = store
        .read(users::count)
        .await
        .map_err(|e| refused(e.into()))?;
    if count > 0 {
        return Ok(());
    }
    let given = std::env::var(GIVEN).ok().filter(|text| !text.is_empty());
    let admin = first_admin(&config.data_dir, given).map_err(|error| unfit(&error))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_of_a_wrong_length_is_told_with_its_variable_and_its_bounds() {
        let dir = tempfile::tempdir().unwrap();
        let error = first_admin(dir.path(), Some("x".into())).err().unwrap();
        let told = unfit(&error).to_string();
        assert!(told.contains(GIVEN) && told.contains("8 to 128"), "{told}");
    }
}
