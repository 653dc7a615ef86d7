//! People with an account.
//!
//! Never compares a password; it only keeps the hash.

use diesel::prelude::*;

use super::convert::{bound, parse, unsigned, word};
use super::schema::users;
use super::{Connection, StoreError, providers, workspaces};
use crate::domain::{Error, Role, Timestamp, UserId};

pub use crate::domain::User;

/// Columns of a user in the order of [`Row`].
pub(super) const COLUMNS: (
    users::id,
    users::username,
    users::email,
    users::role,
    users::password_hash,
    users::disabled,
    users::created_at,
) = (
    users::id,
    users::username,
    users::email,
    users::role,
    users::password_hash,
    users::disabled,
    users::created_at,
);

/// A user as the columns give it.
pub(super) type Row = (String, String, String, String, String, bool, i64);

/// Adds a person.
///
/// # Errors
/// [`StoreError::Conflict`] when the name or the address is taken; `bad_username` for a name with
/// `@`, which could not be told from an address.
pub fn insert(conn: &mut Connection, user: &User) -> Result<(), StoreError> {
    if user.username.is_empty() || user.username.contains('@') {
        let expected = "a name without @";
        let error = Error::invalid(
            "bad_username",
            "username",
            "the name is not usable",
            expected,
        );
        return Err(error.into());
    }
    diesel::insert_into(users::table)
        .values((
            users::id.eq(user.id.to_string()),
            users::username.eq(&user.username),
            users::username_key.eq(user.username.to_lowercase()),
            users::email.eq(&user.email),
            users::email_key.eq(user.email.to_lowercase()),
            users::role.eq(user.role.name()),
            users::password_hash.eq(&user.password_hash),
            users::disabled.eq(user.disabled),
            users::created_at.eq(user.created_at.0),
        ))
        .execute(conn)?;
    Ok(())
}

/// The person of this user name or, with an `@` in it, of this address; without regard to case.
///
/// # Errors
/// When the database fails.
pub fn by_login(conn: &mut Connection, login: &str) -> Result<Option<User>, StoreError> {
    let key = login.trim().to_lowercase();
    let query = users::table
        .filter(users::deleted_at.is_null())
        .select(COLUMNS);
    let row: Option<Row> = if key.contains('@') {
        query.filter(users::email_key.eq(key)).first(conn)
    } else {
        query.filter(users::username_key.eq(key)).first(conn)
    }
    .optional()?;
    row.map(user).transpose()
}

/// The person of this id.
///
/// # Errors
/// When the database fails.
pub fn by_id(conn: &mut Connection, id: UserId) -> Result<Option<User>, StoreError> {
    let query = users::table
        .find(id.to_string())
        .filter(users::deleted_at.is_null())
        .select(COLUMNS);
    query.first::<Row>(conn).optional()?.map(user).transpose()
}

/// The people with an account, oldest first, and how many they are.
///
/// # Errors
/// When the database fails.
pub fn list(
    conn: &mut Connection,
    (offset, limit): (usize, usize),
) -> Result<(Vec<User>, u64), StoreError> {
    let living = || users::table.filter(users::deleted_at.is_null());
    let total = unsigned(living().count().get_result(conn)?)?;
    let rows: Vec<Row> = living()
        .order((users::created_at.asc(), users::id.asc()))
        .offset(bound(offset))
        .limit(bound(limit))
        .select(COLUMNS)
        .load(conn)?;
    let people: Result<_, _> = rows.into_iter().map(user).collect();
    Ok((people?, total))
}

/// What of these two names somebody else goes by: `username` or `email`.
///
/// # Errors
/// When the database fails.
pub fn taken(conn: &mut Connection, user: &User) -> Result<Option<&'static str>, StoreError> {
    let others = || users::table.filter(users::id.ne(user.id.to_string()));
    let name = others().filter(users::username_key.eq(user.username.to_lowercase()));
    if name.count().get_result::<i64>(conn)? > 0 {
        return Ok(Some("username"));
    }
    let email = others().filter(users::email_key.eq(user.email.to_lowercase()));
    let found = email.count().get_result::<i64>(conn)? > 0;
    Ok(found.then_some("email"))
}

/// Writes a person anew: names, role, password hash, and whether they are shut out.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::Conflict`] when a name is taken.
pub fn update(conn: &mut Connection, user: &User) -> Result<(), StoreError> {
    let living = users::table
        .find(user.id.to_string())
        .filter(users::deleted_at.is_null());
    let changed = diesel::update(living)
        .set((
            users::username.eq(&user.username),
            users::username_key.eq(user.username.to_lowercase()),
            users::email.eq(&user.email),
            users::email_key.eq(user.email.to_lowercase()),
            users::role.eq(user.role.name()),
            users::password_hash.eq(&user.password_hash),
            users::disabled.eq(user.disabled),
        ))
        .execute(conn)?;
    if changed == 0 {
        return Err(StoreError::NotFound);
    }
    Ok(())
}

/// Deletes a person: nobody signs in with the row any more, and its names are free. It stays for
/// what names its id.
///
/// # Errors
/// [`StoreError::NotFound`].
pub fn delete(conn: &mut Connection, id: UserId, at: Timestamp) -> Result<(), StoreError> {
    // No name has this character.
    let nobody = format!("!{id}");
    let living = users::table
        .find(id.to_string())
        .filter(users::deleted_at.is_null());
    let changed = diesel::update(living)
        .set((
            users::username_key.eq(&nobody),
            users::email_key.eq(&nobody),
            users::email.eq(""),
            users::password_hash.eq(""),
            users::disabled.eq(true),
            users::deleted_at.eq(at.0),
        ))
        .execute(conn)?;
    if changed == 0 {
        return Err(StoreError::NotFound);
    }
    workspaces::forget_owner(conn, id)?;
    providers::forget_owner(conn, id)
}

/// How many superadmins can sign in.
///
/// # Errors
/// When the database fails.
pub fn superadmins(conn: &mut Connection) -> Result<u64, StoreError> {
    let active = users::table
        .filter(users::role.eq(Role::Superadmin.name()))
        .filter(users::disabled.eq(false));
    unsigned(active.count().get_result(conn)?)
}

/// The first admin that was made and is not shut out, for sign-in with a password alone.
///
/// # Errors
/// When the database fails.
pub fn first_admin(conn: &mut Connection) -> Result<Option<User>, StoreError> {
    let roles = [Role::Admin.name(), Role::Superadmin.name()];
    let query = users::table
        .filter(users::role.eq_any(roles))
        .filter(users::disabled.eq(false))
        .order((users::created_at.asc(), users::id.asc()))
        .select(COLUMNS);
    query.first::<Row>(conn).optional()?.map(user).transpose()
}

/// Exchanges a person's password hash.
///
/// # Errors
/// [`StoreError::NotFound`].
pub fn set_hash(conn: &mut Connection, id: UserId, hash: &str) -> Result<(), StoreError> {
    let changed = diesel::update(users::table.find(id.to_string()))
        .set(users::password_hash.eq(hash))
        .execute(conn)?;
    if changed == 0 {
        return Err(StoreError::NotFound);
    }
    Ok(())
}

/// How many people have or had an account.
///
/// # Errors
/// When the database fails.
pub fn count(conn: &mut Connection) -> Result<u64, StoreError> {
    unsigned(users::table.count().get_result(conn)?)
}

pub(super) fn user(row: Row) -> Result<User, StoreError> {
    let (id, username, email, role, password_hash, disabled, created_at) = row;
    Ok(User {
        id: parse("user id", &id)?,
        username,
        email,
        role: word("role", &role, Role::parse)?,
        password_hash,
        disabled,
        created_at: Timestamp(created_at),
    })
}
