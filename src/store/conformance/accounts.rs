//! Changes of accounts, the end of their tokens, invitations, failed tries.
//!
//! Never a session or a task.

use crate::domain::attempts::FORGOTTEN_MS;
use crate::domain::{
    Attempts, Curve, Invite, InviteId, InviteState, Role, Timestamp, User, UserId,
};
use crate::store::fixture::user;
use crate::store::tokens::TokenRow;
use crate::store::*;

pub async fn people_are_listed_changed_and_counted(store: Store) {
    let people: Vec<User> = (0..3)
        .map(|n| User {
            created_at: Timestamp(n),
            role: Role::Superadmin,
            ..user(&format!("u{n}"))
        })
        .collect();
    let rows = people.clone();
    let insert = store.write(move |conn| rows.iter().try_for_each(|row| users::insert(conn, row)));
    insert.await.unwrap();
    let page = store.read(|conn| users::list(conn, (1, 1))).await.unwrap();
    assert_eq!(page, (vec![people[1].clone()], 3));
    assert_eq!(store.read(users::superadmins).await.unwrap(), 3);

    let changed = User {
        username: "Ann".into(),
        email: "Ann@Example.org".into(),
        role: Role::Viewer,
        password_hash: "other".into(),
        disabled: true,
        ..people[0].clone()
    };
    let write = |row: User| store.write(move |conn| users::update(conn, &row));
    write(changed.clone()).await.unwrap();
    let found = store.read(|conn| users::by_login(conn, "ann@example.org"));
    assert_eq!(found.await.unwrap(), Some(changed.clone()));
    assert_eq!(store.read(users::superadmins).await.unwrap(), 2);
    let first = store.read(users::first_admin).await.unwrap();
    assert_eq!(first.map(|user| user.id), Some(people[1].id));

    let taken = |row: User| store.read(move |conn| users::taken(conn, &row));
    assert_eq!(taken(changed.clone()).await.unwrap(), None);
    let clash = User {
        username: "ANN".into(),
        ..people[1].clone()
    };
    assert_eq!(taken(clash.clone()).await.unwrap(), Some("username"));
    assert!(matches!(write(clash).await, Err(StoreError::Conflict(_))));
    let clash = User {
        email: "ANN@example.org".into(),
        ..user("new")
    };
    assert_eq!(taken(clash.clone()).await.unwrap(), Some("email"));
    assert_eq!(write(clash).await, Err(StoreError::NotFound));
}

pub async fn a_deleted_person_leaves_the_names_and_keeps_the_row(store: Store) {
    let ann = user("ann");
    let (row, id) = (ann.clone(), ann.id);
    store
        .write(move |conn| users::insert(conn, &row))
        .await
        .unwrap();
    let delete = || store.write(move |conn| users::delete(conn, id, Timestamp(9)));
    delete().await.unwrap();
    assert_eq!(delete().await, Err(StoreError::NotFound));
    let after = store.read(move |conn| {
        assert_eq!(users::by_id(conn, id)?, None);
        assert_eq!(users::by_login(conn, "ann")?, None);
        assert_eq!(users::by_login(conn, &format!("!{id}"))?, None);
        assert_eq!(users::list(conn, (0, 10))?, (Vec::new(), 0));
        users::count(conn)
    });
    assert_eq!(after.await.unwrap(), 1);
    let again = user("ann");
    store
        .write(move |conn| users::insert(conn, &again))
        .await
        .unwrap();
    let late = store.write(move |conn| users::update(conn, &ann)).await;
    assert_eq!(late, Err(StoreError::NotFound));
}

pub async fn every_token_of_a_person_ends_but_the_kept_one(store: Store) {
    let (ann, bob) = (user("ann"), user("bob"));
    let rows = [("a1", ann.id), ("a2", ann.id), ("b1", bob.id)].map(|(sid, user)| TokenRow {
        sid: sid.into(),
        user,
        created_at: Timestamp(0),
        expires_at: Timestamp(100),
    });
    let id = ann.id;
    store
        .write(move |conn| {
            users::insert(conn, &ann)?;
            users::insert(conn, &bob)?;
            rows.iter().try_for_each(|row| tokens::insert(conn, row))
        })
        .await
        .unwrap();
    let revoke = |kept: Option<&'static str>| {
        store.write(move |conn| tokens::revoke_user(conn, id, kept, Timestamp(5)))
    };
    let live = |sid| store.read(move |conn| Ok(tokens::live(conn, sid, Timestamp(6))?.is_some()));
    assert_eq!(revoke(Some("a2")).await.unwrap(), 1);
    assert!(!live("a1").await.unwrap() && live("a2").await.unwrap());
    assert_eq!(revoke(None).await.unwrap(), 1);
    assert!(!live("a2").await.unwrap() && live("b1").await.unwrap());
    assert_eq!(revoke(None).await.unwrap(), 0);
}

fn invite(by: UserId, expires_at: i64) -> Invite {
    Invite {
        id: InviteId::generate(),
        role: Role::Member,
        created_by: by,
        created_at: Timestamp(1),
        expires_at: Timestamp(expires_at),
        used_by: None,
        used_at: None,
    }
}

pub async fn an_invite_is_good_once_and_in_time(store: Store) {
    let ann = user("ann");
    let by = ann.id;
    let (one, two) = (invite(by, 100), invite(by, 50));
    let rows = (one.clone(), two.clone());
    store
        .write(move |conn| {
            users::insert(conn, &ann)?;
            invites::insert(conn, &rows.0, &[1; 32])?;
            invites::insert(conn, &rows.1, &[2; 32])
        })
        .await
        .unwrap();
    let find = |code| store.read(move |conn| invites::by_code(conn, &[code; 32]));
    assert_eq!(find(1).await.unwrap(), Some(one.clone()));
    assert_eq!(find(3).await.unwrap(), None);
    assert_eq!(one.state(Timestamp(99)), InviteState::Open);
    assert_eq!(one.state(Timestamp(100)), InviteState::Expired);
    let id = one.id;
    let use_up = || store.write(move |conn| invites::use_up(conn, id, by, Timestamp(7)));
    assert!(use_up().await.unwrap());
    assert!(!use_up().await.unwrap());
    let used = find(1).await.unwrap().unwrap();
    assert_eq!((used.used_by, used.used_at), (Some(by), Some(Timestamp(7))));
    assert_eq!(used.state(Timestamp(8)), InviteState::Used);
    let page = store
        .read(|conn| invites::list(conn, (0, 10)))
        .await
        .unwrap();
    assert_eq!(page.1, 2);
    assert_eq!(page.0[0].id, two.id);
    let remove = |id| store.write(move |conn| invites::remove(conn, id));
    assert!(!remove(one.id).await.unwrap(), "what was used stays");
    assert!(remove(two.id).await.unwrap());
    assert!(!remove(two.id).await.unwrap());
    let swept = store.write(|conn| invites::sweep(conn, Timestamp(100)));
    assert_eq!(swept.await.unwrap(), 1);
    assert_eq!(
        store
            .read(move |conn| invites::by_id(conn, id))
            .await
            .unwrap(),
        None
    );
}

pub async fn failed_tries_are_kept_and_forgotten(store: Store) {
    let of = |key: &'static str| store.read(move |conn| attempts::of(conn, key));
    assert_eq!(of("k").await.unwrap(), Attempts::none("k"));
    let mut now = Attempts::none("k");
    for at in 1..=6 {
        now = now.counted(Curve::Account, Timestamp(at));
        let row = now.clone();
        store
            .write(move |conn| attempts::put(conn, &row))
            .await
            .unwrap();
        assert_eq!(of("k").await.unwrap(), now);
    }
    assert_eq!((now.failures, now.wait_ms), (6, 2_000));
    let sweep = |at| store.write(move |conn| attempts::sweep(conn, Timestamp(at)));
    assert_eq!(sweep(FORGOTTEN_MS).await.unwrap(), 0);
    assert_eq!(sweep(FORGOTTEN_MS + 6).await.unwrap(), 1);
    store
        .write(move |conn| attempts::put(conn, &now))
        .await
        .unwrap();
    store
        .write(|conn| attempts::forget(conn, "k"))
        .await
        .unwrap();
    assert_eq!(of("k").await.unwrap(), Attempts::none("k"));
}
