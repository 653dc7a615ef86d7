//! Sealed values are found page by page and exchanged one by one.

use crate::domain::{Change, Incarnation, Progress};
use crate::store::fixture::{self, life, only, owned, session};
use crate::store::sealed::{PLACES, SealedRow};
use crate::store::{Store, journal, sessions};

async fn all(store: &Store, place: usize, limit: usize) -> Vec<SealedRow> {
    let (mut rows, mut after) = (Vec::new(), String::new());
    loop {
        let from = after.clone();
        let page = store
            .read(move |conn| PLACES[place].page(conn, &from, limit))
            .await
            .unwrap();
        assert!(page.rows.len() <= limit);
        rows.extend(page.rows);
        match page.next {
            Some(next) => after = next,
            None => return rows,
        }
    }
}

pub async fn sealed_values_are_paged_and_exchanged(store: Store) {
    let (owner, _plain) = owned(&store).await;
    let mut expected = Vec::new();
    for n in 0..5_u8 {
        let session = session(owner.id);
        expected.push((session.id.to_string(), vec![n, 7]));
        let write = move |conn: &mut crate::store::Connection| {
            let row = sessions::NewSessionRow {
                session: &session,
                env_blob: Some(vec![n, 7]),
            };
            sessions::insert(conn, &row)
        };
        store.write(write).await.unwrap();
    }
    expected.sort();
    for limit in [1, 2, 5, 100] {
        let rows = all(&store, 0, limit).await;
        let found: Vec<_> = rows
            .iter()
            .map(|r| (r.key.clone(), r.blob.clone()))
            .collect();
        assert_eq!(found, expected);
        assert!(rows.iter().all(|row| row.aad == format!("{}/env", row.key)));
    }
    let row = all(&store, 0, 1).await.remove(0);
    let (one, other) = (row.clone(), row.clone());
    let put = store
        .write(move |conn| PLACES[0].put(conn, &one, b"new"))
        .await;
    assert!(put.unwrap());
    // It is another one by now.
    let put = store
        .write(move |conn| PLACES[0].put(conn, &other, b"late"))
        .await;
    assert!(!put.unwrap());
    assert_eq!(all(&store, 0, 9).await[0].blob, b"new");
    cleared(&store, 0).await;
}

/// One that was read is removed once, and the others stay.
async fn cleared(store: &Store, place: usize) {
    let mut rows = all(store, place, 9).await;
    let row = rows.remove(0);
    for wanted in [true, false] {
        let row = row.clone();
        let gone = store.write(move |conn| PLACES[place].clear(conn, &row));
        assert_eq!(gone.await.unwrap(), wanted);
    }
    assert_eq!(all(store, place, 9).await, rows);
}

pub async fn sealed_states_of_lives_are_found_among_plain_ones(store: Store) {
    let (_, session) = owned(&store).await;
    for (number, snapshot) in [(1, "{}"), (2, "sealed:AQID"), (3, ""), (4, "sealed:BAUG")] {
        let started = only(&session, vec![Change::Started(Box::new(life(number)))]);
        let mut moved = fixture::only(&session, Vec::new());
        moved.progress = Some(Progress {
            incarnation: Incarnation(number),
            offset: 1,
            snapshot: snapshot.into(),
        });
        let write = move |conn: &mut crate::store::Connection| {
            journal::commit(conn, 1, &[started])?;
            journal::commit(conn, 1, &[moved]).map(drop)
        };
        store.write(write).await.unwrap();
    }
    for limit in [1, 2, 100] {
        let rows = all(&store, 1, limit).await;
        let blobs: Vec<&[u8]> = rows.iter().map(|row| row.blob.as_slice()).collect();
        assert_eq!(blobs, [[1, 2, 3], [4, 5, 6]]);
        assert_eq!(rows[0].key, format!("{} 2", session.id));
        assert_eq!(rows[0].aad, format!("{}/snapshot", session.id));
    }
    let row = all(&store, 1, 9).await.remove(1);
    let put = store
        .write(move |conn| PLACES[1].put(conn, &row, &[9]))
        .await;
    assert!(put.unwrap());
    assert_eq!(all(&store, 1, 9).await[1].blob, [9]);
    cleared(&store, 1).await;
}
