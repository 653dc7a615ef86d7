//! The rules of changed accounts, inside the transaction of the change.
//!
//! Never believes what was read before it: the asker and the account are read again.

use super::too_high;
use crate::app::auth::{forgive, free};
use crate::auth;
use crate::domain::{Error, Role, Scope, Timestamp, User, UserId, account, principal};
use crate::store::sessions::{self, ALIVE, Filter};
use crate::store::{Connection, StoreError, api_keys, tokens, users};

/// Writes a changed account, if who asks may do that at this moment.
pub(super) fn rewrite(
    conn: &mut Connection,
    actor: UserId,
    (before, wanted): (User, User),
    now: Timestamp,
) -> Result<User, StoreError> {
    let id = wanted.id;
    let found = users::by_id(conn, id)?.ok_or_else(|| Error::not_found("user", id))?;
    // Only what this request changes; the rest is what others wrote meanwhile.
    let after = User {
        username: pick(&before.username, wanted.username, &found.username),
        email: pick(&before.email, wanted.email, &found.email),
        role: if wanted.role == before.role {
            found.role
        } else {
            wanted.role
        },
        disabled: if wanted.disabled == before.disabled {
            found.disabled
        } else {
            wanted.disabled
        },
        password_hash: pick(
            &before.password_hash,
            wanted.password_hash,
            &found.password_hash,
        ),
        ..found.clone()
    };
    let after = moved(after, &found);
    let profile = after.role == found.role
        && after.disabled == found.disabled
        && after.password_hash == found.password_hash;
    if !(actor == id && profile) {
        asker(conn, actor, found.role.max(after.role))?;
    }
    let counts = |user: &User| user.role == Role::Superadmin && !user.disabled;
    one_stays(conn, counts(&found) && !counts(&after))?;
    free(conn, &after)?;
    users::update(conn, &after)?;
    if after.disabled || after.password_hash != found.password_hash {
        tokens::revoke_user(conn, id, None, now)?;
        api_keys::revoke_user(conn, id, now)?;
    }
    if after.password_hash != found.password_hash {
        // With a new password nobody waits for what was guessed of the last one.
        forgive(conn, &found)?;
        forgive(conn, &after)?;
    }
    Ok(after)
}

/// Lets an address that was made up go with the name.
fn moved(mut after: User, found: &User) -> User {
    if after.email == account::no_email(&found.username) {
        after.email = account::no_email(&after.username);
    }
    after
}

fn pick(before: &str, wanted: String, found: &str) -> String {
    if wanted == before {
        found.to_owned()
    } else {
        wanted
    }
}

/// The account of somebody who acts; refuses one that was deleted or shut out meanwhile.
pub(in crate::app) fn stands(conn: &mut Connection, id: UserId) -> Result<User, StoreError> {
    let found = users::by_id(conn, id)?.filter(|user| !user.disabled);
    Ok(found.ok_or_else(auth::token_revoked)?)
}

/// Refuses who is no admin now, or stands below this role.
pub(super) fn asker(conn: &mut Connection, actor: UserId, role: Role) -> Result<(), StoreError> {
    let actor = stands(conn, actor)?;
    if actor.role < Role::Admin {
        return Err(principal::role_too_low(Scope::Admin).into());
    }
    if actor.role < role {
        return Err(too_high().into());
    }
    Ok(())
}

/// Refuses to take the last superadmin away.
pub(super) fn one_stays(conn: &mut Connection, loses_one: bool) -> Result<(), StoreError> {
    if loses_one && users::superadmins(conn)? <= 1 {
        let message = "this is the last superadmin who can sign in";
        return Err(Error::conflict("last_superadmin", message).into());
    }
    Ok(())
}

/// Refuses while an agent of this person lives.
pub(super) fn idle(conn: &mut Connection, owner: UserId) -> Result<(), StoreError> {
    let filter = Filter {
        owner: Some(owner),
        statuses: ALIVE.to_vec(),
        ..Filter::default()
    };
    let (_, alive) = sessions::list(conn, &filter, 0, 1)?;
    if alive > 0 {
        let message = format!("{alive} of their agents live; stop or delete them first");
        return Err(Error::conflict("agents_alive", message).into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ApiKey, KeyId, Scopes};
    use crate::store::{Store, fixture};

    const ROLES: [Role; 4] = [Role::Viewer, Role::Member, Role::Admin, Role::Superadmin];

    async fn kept(store: &Store, role: Role, name: &str) -> User {
        let user = User {
            role,
            ..fixture::user(name)
        };
        let row = user.clone();
        store
            .write(move |conn| users::insert(conn, &row))
            .await
            .unwrap();
        user
    }

    async fn changed(store: &Store, actor: UserId, change: (User, User)) -> User {
        let written = store.write(move |conn| rewrite(conn, actor, change, Timestamp(9)));
        written.await.unwrap()
    }

    #[tokio::test]
    async fn admins_change_who_is_not_above_them() {
        let (_dir, store) = fixture::sqlite();
        for (n, own) in ROLES.into_iter().enumerate() {
            let actor = kept(&store, own, &format!("user{n}")).await.id;
            for other in ROLES {
                let asked = store.read(move |conn| asker(conn, actor, other)).await;
                let told = asked.err().map(|error| Error::from(error).code());
                let expected = if own < Role::Admin {
                    Some("forbidden")
                } else {
                    (other > own).then_some("role_too_high")
                };
                assert_eq!(told, expected, "{own:?} {other:?}");
            }
        }
    }

    #[tokio::test]
    async fn who_was_deleted_or_shut_out_acts_no_more() {
        let (_dir, store) = fixture::sqlite();
        let ann = kept(&store, Role::Member, "ann").await;
        let id = ann.id;
        let stands = || store.read(move |conn| stands(conn, id).map(|user| user.id));
        assert_eq!(stands().await, Ok(id));
        let mut shut = ann.clone();
        shut.disabled = true;
        store
            .write(move |conn| users::update(conn, &shut))
            .await
            .unwrap();
        assert!(stands().await.is_err());
        store
            .write(move |conn| users::delete(conn, id, Timestamp(5)))
            .await
            .unwrap();
        assert!(stands().await.is_err());
    }

    #[tokio::test]
    async fn keys_end_with_the_password_or_the_account() {
        let (_dir, store) = fixture::sqlite();
        let admin = kept(&store, Role::Admin, "admin").await.id;
        type Change = fn(&mut User);
        let changes: [(Change, bool); 3] = [
            (|user| user.role = Role::Viewer, false),
            (|user| user.disabled = true, true),
            (|user| user.password_hash.push('y'), true),
        ];
        for (n, (change, ends)) in changes.into_iter().enumerate() {
            let ann = kept(&store, Role::Member, &format!("ann{n}")).await;
            let key = ApiKey {
                id: KeyId::generate(),
                user: ann.id,
                name: "ci".into(),
                prefix: "agor_sk_abcd".into(),
                scopes: Scopes::usual(Role::Member),
                created_at: Timestamp(1),
                expires_at: None,
                last_used_at: None,
            };
            let id = key.id;
            store
                .write(move |conn| api_keys::insert(conn, &key, &[1; 32]))
                .await
                .unwrap();
            let mut wanted = ann.clone();
            change(&mut wanted);
            changed(&store, admin, (ann, wanted)).await;
            let found = store.read(move |conn| api_keys::find(conn, id)).await;
            let revoked = found.unwrap().unwrap().revoked_at.is_some();
            assert_eq!(revoked, ends, "change {n}");
        }
    }

    #[tokio::test]
    async fn an_address_that_was_made_up_goes_with_the_name() {
        let (_dir, store) = fixture::sqlite();
        for (email, after) in [
            ("ada@localhost", "ada2@localhost"),
            ("a@example.org", "a@example.org"),
        ] {
            let mut ada = kept(&store, Role::Member, "ada").await;
            let id = ada.id;
            let mut wanted = ada.clone();
            wanted.email = email.into();
            let moved_in = changed(&store, id, (ada, wanted)).await;
            ada = moved_in.clone();
            ada.username = "ada2".into();
            let renamed = changed(&store, id, (moved_in, ada)).await;
            assert_eq!(renamed.email, after);
            store
                .write(move |conn| users::delete(conn, id, Timestamp(5)))
                .await
                .unwrap();
        }
    }
}
