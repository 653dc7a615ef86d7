//! Accounts, tokens, tickets, kept replies and the small tables.
//!
//! Never a session or a task.

use crate::domain::prompt::IdempotencyKey;
use crate::domain::{Role, SessionId, Timestamp, User};
use crate::store::fixture::user;
use crate::store::idempotency::KeptReply;
use crate::store::supervisor_log::Row;
use crate::store::tickets::TicketRow;
use crate::store::tokens::TokenRow;
use crate::store::*;

pub async fn users_are_found_by_either_name(store: Store) {
    let ann = User {
        role: Role::Superadmin,
        ..user("Ann")
    };
    let stored = ann.clone();
    store
        .write(move |conn| users::insert(conn, &stored))
        .await
        .unwrap();
    let id = ann.id;
    let found = store.read(move |conn| {
        assert_eq!(users::count(conn)?, 1);
        for login in ["ann", " ANN ", "Ann@Example.org"] {
            assert_eq!(
                users::by_login(conn, login)?.as_ref(),
                Some(&ann),
                "{login}"
            );
        }
        assert_eq!(users::by_login(conn, "bob")?, None);
        assert_eq!(users::first_admin(conn)?.map(|user| user.id), Some(id));
        users::by_id(conn, id)
    });
    assert_eq!(found.await.unwrap().unwrap().role, Role::Superadmin);
    store
        .write(move |conn| users::set_hash(conn, id, "new"))
        .await
        .unwrap();
    let after = store
        .read(move |conn| users::by_id(conn, id))
        .await
        .unwrap();
    assert_eq!(after.unwrap().password_hash, "new");
    let nobody = user("x").id;
    let missing = store
        .write(move |conn| users::set_hash(conn, nobody, "new"))
        .await;
    assert_eq!(missing, Err(StoreError::NotFound));
}

pub async fn names_are_taken_without_regard_to_case(store: Store) {
    let insert = |user: User| store.write(move |conn| users::insert(conn, &user));
    insert(user("ann")).await.unwrap();
    let same_name = User {
        email: "other@example.org".into(),
        ..user("ANN")
    };
    assert!(matches!(
        insert(same_name).await,
        Err(StoreError::Conflict(_))
    ));
    let same_address = User {
        email: "ANN@example.org".into(),
        ..user("ann2")
    };
    assert!(matches!(
        insert(same_address).await,
        Err(StoreError::Conflict(_))
    ));
    let like_an_address = User {
        email: "b@example.org".into(),
        ..user("b@c")
    };
    assert_eq!(
        insert(like_an_address).await.unwrap_err().code(),
        "bad_username"
    );
}

pub async fn a_token_lives_until_it_ends_or_is_revoked(store: Store) {
    let ann = user("ann");
    let row = TokenRow {
        sid: "s1".into(),
        user: ann.id,
        created_at: Timestamp(0),
        expires_at: Timestamp(100),
    };
    let (stored, token) = (ann.clone(), row.clone());
    store
        .write(move |conn| {
            users::insert(conn, &stored)?;
            tokens::insert(conn, &token)
        })
        .await
        .unwrap();
    let live = |at| store.read(move |conn| tokens::live(conn, "s1", Timestamp(at)));
    assert_eq!(live(99).await.unwrap(), Some((row, ann)));
    assert_eq!(live(100).await.unwrap(), None);
    let revoke = || store.write(|conn| tokens::revoke(conn, "s1", Timestamp(50)));
    assert!(revoke().await.unwrap());
    assert!(!revoke().await.unwrap());
    assert_eq!(live(60).await.unwrap(), None);
    let swept = store.write(|conn| tokens::sweep(conn, Timestamp(100)));
    assert_eq!(swept.await.unwrap(), 1);
}

pub async fn a_ticket_is_good_once(store: Store) {
    let ann = user("ann");
    let insert = move |conn: &mut Connection| {
        users::insert(conn, &ann)?;
        let token = TokenRow {
            sid: "s1".into(),
            user: ann.id,
            created_at: Timestamp(0),
            expires_at: Timestamp(1_000),
        };
        tokens::insert(conn, &token)?;
        for (mark, expires_at) in [(1, 60), (2, 60), (3, 60)] {
            let ticket = TicketRow {
                hash: [mark; 32],
                sid: "s1".into(),
                expires_at: Timestamp(expires_at),
            };
            tickets::insert(conn, &ticket)?;
        }
        Ok(())
    };
    store.write(insert).await.unwrap();
    let take = |mark, at| store.write(move |conn| tickets::take(conn, &[mark; 32], Timestamp(at)));
    assert_eq!(take(1, 59).await.unwrap().as_deref(), Some("s1"));
    assert_eq!(take(1, 59).await.unwrap(), None);
    assert_eq!(take(2, 60).await.unwrap(), None);
    assert_eq!(take(9, 0).await.unwrap(), None);
    let swept = store.write(|conn| tickets::sweep(conn, Timestamp(60)));
    assert_eq!(swept.await.unwrap(), 1);
}

pub async fn a_reply_is_kept_for_its_key_and_digest(store: Store) {
    let ann = user("ann");
    let key = |digest| IdempotencyKey {
        key: "k".into(),
        digest: [digest; 32],
    };
    let kept = KeptReply {
        owner: ann.id,
        key: key(1),
        reply: "{\"a\":1}".into(),
        created_at: Timestamp(0),
    };
    let id = ann.id;
    let again = kept.clone();
    store
        .write(move |conn| {
            users::insert(conn, &ann)?;
            idempotency::insert(conn, &kept)
        })
        .await
        .unwrap();
    let find = |digest, at| {
        store.read(move |conn| idempotency::find(conn, id, &key(digest), Timestamp(at)))
    };
    assert_eq!(find(1, 10).await.unwrap().as_deref(), Some("{\"a\":1}"));
    assert_eq!(
        find(2, 10).await.unwrap_err().code(),
        "idempotency_key_reused"
    );
    assert_eq!(find(2, idempotency::KEPT_MS).await.unwrap(), None);
    let twice = again.clone();
    let clash = store
        .write(move |conn| idempotency::insert(conn, &twice))
        .await;
    assert!(matches!(clash, Err(StoreError::Conflict(_))));
    let later = KeptReply {
        created_at: Timestamp(idempotency::KEPT_MS),
        ..again
    };
    store
        .write(move |conn| idempotency::insert(conn, &later))
        .await
        .unwrap();
    let end = Timestamp(2 * idempotency::KEPT_MS);
    let swept = store.write(move |conn| idempotency::sweep(conn, end));
    assert_eq!(swept.await.unwrap(), 1);
}

pub async fn meta_keeps_values_and_one_epoch(store: Store) {
    let epoch = store.read(meta::epoch).await.unwrap();
    assert_eq!(epoch.len(), 16);
    assert_eq!(store.write(meta::epoch).await.unwrap(), epoch);
    for value in ["1", "2"] {
        store
            .write(move |conn| meta::set(conn, "k", value))
            .await
            .unwrap();
        let got = store.read(|conn| meta::get(conn, "k")).await.unwrap();
        assert_eq!(got.as_deref(), Some(value));
    }
    assert_eq!(
        store.read(|conn| meta::get(conn, "none")).await.unwrap(),
        None
    );
}

pub async fn repeated_supervisor_lines_become_a_counter(store: Store) {
    let line = |path: &str, generation, at| Row {
        at: Timestamp(at),
        path: path.into(),
        generation,
        event: "down".into(),
        reason: "panic".into(),
        decision: "restart".into(),
        next_at: Some(Timestamp(at + 5)),
        session: Some(SessionId(uuid::Uuid::from_u128(7))),
        ..Row::default()
    };
    let lines = vec![
        line("a", 1, 1),
        line("b", 1, 2),
        line("a", 1, 3),
        line("a", 2, 4),
        line("a", 1, 5),
    ];
    store
        .write(move |conn| supervisor_log::append(conn, &lines))
        .await
        .unwrap();
    let page = store
        .read(|conn| supervisor_log::page(conn, 0, 10))
        .await
        .unwrap();
    let shown: Vec<_> = page
        .iter()
        .map(|row| (row.path.as_str(), row.at.0, row.count))
        .collect();
    assert_eq!(shown, [("a", 3, 2), ("b", 2, 1), ("a", 4, 1), ("a", 5, 1)]);
    assert_eq!(page[0].session, Some(SessionId(uuid::Uuid::from_u128(7))));
    let after = store
        .read(|conn| supervisor_log::page(conn, 2, 1))
        .await
        .unwrap();
    assert_eq!((after.len(), after[0].id), (1, 3));
}
