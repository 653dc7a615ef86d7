//! API keys, and the chain of the audit table with everything that may be done to it.
//!
//! Never a change that the check of the chain does not find.

use diesel::prelude::*;

use crate::domain::chain::{Head, Link, Place, Record, SealKey};
use crate::domain::{ApiKey, KeyId, Scope, Scopes, Timestamp, User, UserId};
use crate::store::Connection;
use crate::store::audit::{Filter, Verdict};
use crate::store::fixture::user;
use crate::store::schema::audit as rows;
use crate::store::*;

fn key_of(user: UserId, name: &str) -> ApiKey {
    ApiKey {
        id: KeyId::generate(),
        user,
        name: name.into(),
        prefix: "agor_sk_abcd".into(),
        scopes: Scopes::of(&[Scope::Write]),
        created_at: Timestamp(10),
        expires_at: Some(Timestamp(100)),
        last_used_at: None,
    }
}

async fn with_key(store: &Store) -> (User, ApiKey) {
    let ann = user("ann");
    let key = key_of(ann.id, "ci");
    let stored = (ann.clone(), key.clone());
    store
        .write(move |conn| {
            users::insert(conn, &stored.0)?;
            api_keys::insert(conn, &stored.1, &[7; 32])
        })
        .await
        .unwrap();
    (ann, key)
}

pub async fn a_key_is_found_with_its_person_until_it_is_forgotten(store: Store) {
    let (ann, key) = with_key(&store).await;
    let id = key.id;
    let find = || store.read(move |conn| api_keys::find(conn, id));
    let found = find().await.unwrap().unwrap();
    assert_eq!((&found.key, &found.user), (&key, &ann));
    assert_eq!((found.hash, found.revoked_at), ("07".repeat(32), None));
    store
        .write(move |conn| api_keys::used(conn, id, Timestamp(50)))
        .await
        .unwrap();
    let found = find().await.unwrap().unwrap();
    assert_eq!(found.key.last_used_at, Some(Timestamp(50)));
    let own = ann.id;
    let live = |at| store.read(move |conn| api_keys::live(conn, own, Timestamp(at)));
    assert_eq!((live(99).await, live(100).await), (Ok(1), Ok(0)));
    let sweep = |at| store.write(move |conn| api_keys::sweep(conn, Timestamp(at)));
    assert_eq!((sweep(100).await, sweep(101).await), (Ok(0), Ok(1)));
    assert_eq!(find().await.unwrap(), None);
}

pub async fn a_key_is_renamed_and_revoked_by_its_owner_alone(store: Store) {
    let (ann, key) = with_key(&store).await;
    let (own, other) = ((ann.id, key.id), (user("bob").id, key.id));
    let rename = |of, name: &'static str| {
        store.write(move |conn| {
            let renamed = api_keys::rename(conn, of, name)?;
            Ok(renamed.map(|key| key.name))
        })
    };
    assert_eq!(rename(other, "mine").await, Ok(None));
    assert_eq!(rename(own, "build").await, Ok(Some("build".into())));
    let revoke = |of| store.write(move |conn| api_keys::revoke(conn, of, Timestamp(60)));
    assert_eq!(revoke(other).await, Ok(false));
    assert_eq!(revoke(own).await, Ok(true));
    assert_eq!(revoke(own).await, Ok(false));
    assert_eq!(rename(own, "again").await, Ok(None));
    let id = ann.id;
    let list = store.read(move |conn| api_keys::of_user(conn, id));
    assert_eq!(list.await, Ok(vec![]));
    let id = key.id;
    let found = store.read(move |conn| api_keys::find(conn, id)).await;
    assert_eq!(found.unwrap().unwrap().revoked_at, Some(Timestamp(60)));
}

fn seal() -> SealKey {
    SealKey::derive(&[3; 32])
}

fn record(number: i64) -> Record {
    Record {
        at: Timestamp(number * 10),
        actor: format!("user-{}", number % 2),
        credential: "key:x".into(),
        address: "127.0.0.1".into(),
        request: format!("r{number}"),
        action: if number % 2 == 0 {
            "agent.created"
        } else {
            "login.failed"
        }
        .into(),
        object: format!("o{number}"),
        result: "done".into(),
    }
}

async fn append(store: &Store, numbers: std::ops::RangeInclusive<i64>) {
    let first = *numbers.start() == 1;
    let records: Vec<Record> = numbers.map(record).collect();
    let write = move |conn: &mut Connection| {
        if first {
            audit::begin(conn, &seal())?;
        }
        audit::append(conn, &records, &seal())
    };
    store.write(write).await.unwrap();
}

async fn verdict(store: &Store) -> Verdict {
    let look = store.read(|conn| audit::verify(conn, &seal()));
    look.await.unwrap()
}

/// The number of the first row that does not fit; 0 when all do.
async fn broken(store: &Store) -> u64 {
    verdict(store).await.broken.map_or(0, |broken| broken.n)
}

/// Does something to the rows, looks, and undoes it.
async fn tried(
    store: &Store,
    deed: impl FnOnce(&mut Connection) -> Result<(), StoreError> + Send + 'static,
) -> u64 {
    let looked = std::sync::Arc::new(std::sync::Mutex::new(None));
    let seen = std::sync::Arc::clone(&looked);
    let undone = store.write(move |conn| {
        deed(conn)?;
        let broken = audit::verify(conn, &seal())?.broken;
        *seen.lock().unwrap() = Some(broken.map_or(0, |broken| broken.n));
        Err::<(), _>(StoreError::Busy)
    });
    assert_eq!(undone.await, Err(StoreError::Busy));
    looked.lock().unwrap().unwrap()
}

pub async fn audit_rows_are_a_chain_that_is_shown_by_pages(store: Store) {
    assert_eq!(broken(&store).await, 0);
    assert!(!store.read(audit::begun).await.unwrap());
    append(&store, 1..=2).await;
    assert!(store.read(audit::begun).await.unwrap());
    append(&store, 3..=5).await;
    let look = verdict(&store).await;
    assert_eq!((look.rows, look.broken), (5, None));
    assert_eq!(look.head.unwrap().n, 5);
    let page = |after, filter: Filter, limit| {
        let read = store.read(move |conn| audit::page(conn, after, &filter, limit));
        async move {
            let rows: Vec<Link> = read.await.unwrap();
            rows.iter().map(|row| row.n).collect::<Vec<_>>()
        }
    };
    assert_eq!(page(0, Filter::default(), 2).await, [1, 2]);
    assert_eq!(page(2, Filter::default(), 9).await, [3, 4, 5]);
    let of = |actor: Option<&str>, action: Option<&str>| Filter {
        actor: actor.map(str::to_owned),
        action: action.map(str::to_owned),
    };
    assert_eq!(page(0, of(Some("user-0"), None), 9).await, [2, 4]);
    assert_eq!(page(0, of(None, Some("login.failed")), 9).await, [1, 3, 5]);
    assert_eq!(page(0, of(None, Some("agent.")), 9).await, [2, 4]);
    for nothing in ["agent", "Agent.", "agen_.", "%.", "logi."] {
        assert_eq!(page(0, of(None, Some(nothing)), 9).await, [0; 0]);
    }
}

pub async fn every_changed_column_of_an_audit_row_is_found(store: Store) {
    append(&store, 1..=5).await;
    macro_rules! changed {
        ($($column:ident = $value:expr),+ $(,)?) => {
            $(assert_eq!(
                tried(&store, |conn| {
                    diesel::update(rows::table.filter(rows::n.eq(3)))
                        .set(rows::$column.eq($value))
                        .execute(conn)?;
                    Ok(())
                })
                .await,
                3,
                stringify!($column)
            );)+
        };
    }
    changed!(
        n = 9,
        at = 31,
        actor = "user-0",
        credential = "key:y",
        address = "127.0.0.2",
        request = "r4",
        action = "login.succeeded",
        object = "",
        result = "denied",
        prev = "0".repeat(64),
        hash = "0".repeat(64),
    );
    assert_eq!(broken(&store).await, 0);
}

pub async fn audit_rows_that_are_gone_moved_or_put_in_are_found(store: Store) {
    append(&store, 1..=5).await;
    let remove = |from, to| {
        tried(&store, move |conn| {
            diesel::delete(rows::table.filter(rows::n.between(from, to))).execute(conn)?;
            Ok(())
        })
    };
    assert_eq!(remove(3, 3).await, 3);
    assert_eq!(remove(1, 1).await, 1);
    assert_eq!(remove(5, 5).await, 5);
    assert_eq!(remove(3, 5).await, 3);
    assert_eq!(remove(1, 5).await, 1);
    let swapped = tried(&store, |conn| {
        renumber(conn, 2, 99)?;
        renumber(conn, 4, 2)?;
        renumber(conn, 99, 4)?;
        Ok(())
    });
    assert_eq!(swapped.await, 2);
    let put_behind = tried(&store, |conn| {
        let own = audit::page(conn, 4, &Filter::default(), 1)?;
        put(conn, &Link::behind(&own[0].head(), record(6)))
    });
    assert_eq!(put_behind.await, 6);
}

pub async fn an_audit_chain_that_is_computed_anew_does_not_fit_its_seal(store: Store) {
    append(&store, 1..=5).await;
    let rewritten = tried(&store, |conn| forge(conn).map(drop));
    assert_eq!(rewritten.await, 5);
    // Also when the forger seals it with a key of their own, or takes the seal away.
    let sealed = tried(&store, |conn| {
        let head = forge(conn)?;
        let other = SealKey::derive(&[4; 32]);
        meta::set(conn, "audit.last", &other.seal(Place::Last, &head))
    });
    assert_eq!(sealed.await, 5);
    let unsealed = tried(&store, |conn| {
        let key = crate::store::schema::meta::table.find("audit.last");
        diesel::delete(key).execute(conn)?;
        Ok(())
    });
    assert_eq!(unsealed.await, 5);
}

pub async fn what_was_cut_off_an_audit_chain_stays_found_when_it_goes_on(store: Store) {
    append(&store, 1..=5).await;
    let cut = store.write(|conn| {
        diesel::delete(rows::table.filter(rows::n.gt(3))).execute(conn)?;
        Ok(())
    });
    cut.await.unwrap();
    append(&store, 6..=7).await;
    let look = verdict(&store).await;
    assert_eq!((look.rows, look.head.unwrap().n), (5, 7));
    assert_eq!(broken(&store).await, 4);
}

pub async fn an_audit_chain_without_its_seal_says_so_for_ever(store: Store) {
    append(&store, 1..=3).await;
    store
        .write(|conn| meta::set(conn, "audit.last", "nonsense"))
        .await
        .unwrap();
    append(&store, 4..=5).await;
    // The row that says it stands before the two.
    let look = verdict(&store).await;
    assert_eq!((look.rows, look.head.unwrap().n), (6, 6));
    assert_eq!(broken(&store).await, 4);
}

pub async fn an_audit_table_that_is_emptied_with_its_seal_says_so(store: Store) {
    append(&store, 1..=3).await;
    let emptied = store.write(|conn| {
        diesel::delete(rows::table).execute(conn)?;
        let key = crate::store::schema::meta::table.find("audit.last");
        diesel::delete(key).execute(conn)?;
        Ok(())
    });
    emptied.await.unwrap();
    append(&store, 4..=5).await;
    assert_eq!((verdict(&store).await.rows, broken(&store).await), (3, 1));
    // A chain that is there is not begun again.
    let head = verdict(&store).await.head;
    let again = store.write(|conn| audit::begin(conn, &seal()));
    again.await.unwrap();
    assert_eq!(verdict(&store).await.head, head);
}

pub async fn old_audit_rows_go_and_leave_a_whole_chain(store: Store) {
    append(&store, 1..=5).await;
    let prune = |before| {
        store.write(move |conn| {
            let upto = audit::old(conn, Timestamp(before), Timestamp(2_000))?;
            audit::prune(conn, upto, 500, &seal())
        })
    };
    assert_eq!(prune(10).await, Ok(0));
    assert_eq!(prune(30).await, Ok(2));
    assert_eq!(prune(30).await, Ok(0));
    let look = verdict(&store).await;
    assert_eq!((look.rows, look.broken), (3, None));
    append(&store, 6..=6).await;
    assert_eq!(broken(&store).await, 0);
    // The first that is kept cannot go unnoticed.
    let cut = tried(&store, |conn| {
        diesel::delete(rows::table.filter(rows::n.eq(3))).execute(conn)?;
        Ok(())
    });
    assert_eq!(cut.await, 3);
    assert_eq!(prune(1_000).await, Ok(3));
    assert_eq!((verdict(&store).await.rows, broken(&store).await), (1, 0));
}

pub async fn old_audit_rows_go_in_steps_and_past_those_of_a_time_to_come(store: Store) {
    append(&store, 1..=4).await;
    // The clock went wrong for two rows, and was set right again.
    append(&store, 900..=901).await;
    append(&store, 5..=9).await;
    let old = |before| store.read(move |conn| audit::old(conn, Timestamp(before), Timestamp(100)));
    assert_eq!(old(10).await, Ok(0));
    assert_eq!(old(50).await, Ok(4));
    assert_eq!(old(70).await, Ok(8));
    assert_eq!(old(1_000).await, Ok(10), "the last row stays");
    let prune = |most| store.write(move |conn| audit::prune(conn, 8, most, &seal()));
    for (most, gone) in [(3, 3), (3, 3), (3, 2), (3, 0)] {
        assert_eq!(prune(most).await, Ok(gone));
        assert_eq!(broken(&store).await, 0);
    }
    assert_eq!(verdict(&store).await.rows, 3);
}

pub async fn every_key_of_a_person_is_revoked_and_nobody_elses(store: Store) {
    let (ann, key) = with_key(&store).await;
    let revoke = |id| store.write(move |conn| api_keys::revoke_user(conn, id, Timestamp(70)));
    assert_eq!(revoke(user("bob").id).await, Ok(0));
    assert_eq!(revoke(ann.id).await, Ok(1));
    assert_eq!(revoke(ann.id).await, Ok(0));
    let id = key.id;
    let found = store.read(move |conn| api_keys::find(conn, id)).await;
    assert_eq!(found.unwrap().unwrap().revoked_at, Some(Timestamp(70)));
}

fn put(conn: &mut Connection, link: &Link) -> Result<(), StoreError> {
    let record = &link.record;
    diesel::insert_into(rows::table)
        .values((
            rows::n.eq(i64::try_from(link.n).unwrap()),
            rows::at.eq(record.at.0),
            rows::actor.eq(&record.actor),
            rows::credential.eq(&record.credential),
            rows::address.eq(&record.address),
            rows::request.eq(&record.request),
            rows::action.eq(&record.action),
            rows::object.eq(&record.object),
            rows::result.eq(&record.result),
            rows::prev.eq(&link.prev),
            rows::hash.eq(&link.hash),
        ))
        .execute(conn)?;
    Ok(())
}

fn renumber(conn: &mut Connection, from: i64, to: i64) -> Result<(), StoreError> {
    diesel::update(rows::table.filter(rows::n.eq(from)))
        .set(rows::n.eq(to))
        .execute(conn)?;
    Ok(())
}

/// Changes the third row and computes the rest anew, as somebody without the key of the seal can.
fn forge(conn: &mut Connection) -> Result<Head, StoreError> {
    let links = audit::page(conn, 0, &Filter::default(), 9)?;
    diesel::delete(rows::table).execute(conn)?;
    let mut head = Head::default();
    for mut link in links {
        if link.n == 3 {
            link.record.object = "another".into();
        }
        let forged = Link::behind(&head, link.record);
        head = forged.head();
        put(conn, &forged)?;
    }
    Ok(head)
}
