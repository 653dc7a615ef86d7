//! The id of a database, and what it knows of the sessions of a data directory.
//!
//! Never a word of one database's own.

use crate::domain::*;
use crate::store::fixture::*;
use crate::store::*;

pub async fn a_database_has_an_id_and_knows_its_sessions(store: Store) {
    let look = |ids: Vec<SessionId>| {
        let read = store.read(move |conn| {
            Ok((
                identity::get(conn)?,
                identity::has_sessions(conn)?,
                identity::knows_one_of(conn, &ids)?,
            ))
        });
        async move { read.await.unwrap() }
    };
    assert_eq!(look(vec![]).await, (None, false, false));
    let (_, one) = owned(&store).await;
    store.write(|conn| identity::set(conn, "x")).await.unwrap();
    let mut ids: Vec<SessionId> = (0..600).map(|_| SessionId::generate()).collect();
    let id = Some("x".to_owned());
    assert_eq!(look(ids.clone()).await, (id.clone(), true, false));
    ids.push(one.id);
    assert_eq!(look(ids).await, (id, true, true));
}
