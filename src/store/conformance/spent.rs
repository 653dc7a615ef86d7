//! What sessions cost together is in columns that follow the facts.

use diesel::prelude::*;

use crate::domain::{Change, Facts};
use crate::store::fixture::{only, owned, session, user};
use crate::store::schema::sessions as rows;
use crate::store::sessions::spent;
use crate::store::*;

fn cost(spent_micro_usd: u64, tokens: u64) -> Facts {
    Facts {
        spent_micro_usd,
        tokens,
        ..Facts::default()
    }
}

async fn sums(store: &Store, owner: Option<crate::domain::UserId>) -> (u64, u64) {
    let read = store.read(move |conn| spent::spent(conn, owner));
    read.await.unwrap()
}

pub async fn costs_are_summed_by_owner_and_follow_the_facts(store: Store) {
    let (ann, one) = owned(&store).await;
    assert_eq!(sums(&store, None).await, (0, 0));
    let bob = user("bob");
    let mut other = session(bob.id);
    other.facts = cost(5, 50);
    let write = store.write(move |conn| {
        users::insert(conn, &bob)?;
        let row = sessions::NewSessionRow {
            session: &other,
            env_blob: None,
        };
        sessions::insert(conn, &row)?;
        Ok(bob.id)
    });
    let bob = write.await.unwrap();
    for spent in [1_000, 7_000_000] {
        let facts = Change::Facts(Box::new(cost(spent, 10)));
        let batch = only(&one, vec![facts]);
        let write = store.write(move |conn| journal::commit(conn, 1, &[batch]).map(drop));
        write.await.unwrap();
        assert_eq!(sums(&store, Some(ann.id)).await, (spent, 10));
    }
    assert_eq!(sums(&store, Some(bob)).await, (5, 50));
    assert_eq!(sums(&store, None).await, (7_000_005, 60));
}

pub async fn costs_of_earlier_versions_are_reckoned(store: Store) {
    let (ann, _) = owned(&store).await;
    let mut old = session(ann.id);
    old.facts = cost(9, 3);
    let write = store.write(move |conn| {
        let row = sessions::NewSessionRow {
            session: &old,
            env_blob: None,
        };
        sessions::insert(conn, &row)?;
        diesel::update(rows::table.find(old.id.to_string()))
            .set((rows::spent_micro_usd.eq(0), rows::mission.eq("")))
            .execute(conn)?;
        Ok(())
    });
    write.await.unwrap();
    assert_eq!(sums(&store, None).await.0, 0);
    assert_eq!(store.write(sessions::missions::reckon).await.unwrap(), 1);
    assert_eq!(sums(&store, None).await, (9, 3));
}
