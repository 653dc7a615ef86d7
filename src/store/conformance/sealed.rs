//! Sealed values are found page by page and exchanged one by one.

use crate::domain::prompt::IdempotencyKey;
use crate::domain::{
    Change, Incarnation, Progress, Prompt, TaskId, TaskMove, TaskState, Timestamp, Words,
};
use crate::store::fixture::{self, life, only, owned, session};
use crate::store::idempotency::{self, KeptReply};
use crate::store::sealed::{PLACES, SealedRow};
use crate::store::{Store, journal, sessions, tasks};

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

/// The second of them becomes another, and then one is removed.
async fn exchanged(store: &Store, place: usize) {
    let row = all(store, place, 9).await.remove(1);
    let put = store
        .write(move |conn| PLACES[place].put(conn, &row, &[9]))
        .await;
    assert!(put.unwrap());
    assert_eq!(all(store, place, 9).await[1].blob, [9]);
    cleared(store, place).await;
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
    exchanged(&store, 1).await;
}

/// Accepts a prompt with these exact words.
async fn said(store: &Store, session: &crate::domain::Session, words: Option<Vec<u8>>) -> TaskId {
    let (id, session, owner) = (TaskId::generate(), session.id, session.owner);
    let write = move |conn: &mut crate::store::Connection| {
        let new = tasks::NewTask {
            id,
            session,
            owner,
            prompt: &Prompt::new("say ****")?,
            said: words.as_deref(),
            created_at: Timestamp(4_000),
            busy: true,
            offered: None,
            refused: None,
        };
        tasks::accept(conn, &new, 100, None)
    };
    store.write(write).await.unwrap();
    id
}

async fn words(store: &Store, id: TaskId) -> Words {
    let task = store.read(move |conn| tasks::by_id(conn, id)).await;
    task.unwrap().unwrap().said
}

pub async fn words_of_prompts_are_sealed_until_their_task_ends(store: Store) {
    let (_, session) = owned(&store).await;
    let plain = said(&store, &session, None).await;
    assert_eq!(words(&store, plain).await, Words::Shown);
    let mut ids = Vec::new();
    for n in 1..=3_u8 {
        ids.push(said(&store, &session, Some(vec![n, 7])).await);
    }
    assert_eq!(words(&store, ids[1]).await, Words::Sealed(vec![2, 7]));
    let rows = all(&store, 2, 2).await;
    let found: Vec<_> = rows.iter().map(|row| row.blob.clone()).collect();
    assert_eq!(found, [[1, 7], [2, 7], [3, 7]]);
    assert_eq!(rows[0].aad, format!("{}/said", ids[0]));

    // New words take the place of old ones, sealed or not; a withdrawn task keeps none.
    let (one, two, three) = (ids[0], ids[1], ids[2]);
    let write = move |conn: &mut crate::store::Connection| {
        let sealed = |blob: Option<Vec<u8>>| tasks::Exact {
            said: blob,
            covered: false,
        };
        tasks::edit(conn, one, "b", &sealed(None))?;
        tasks::edit(conn, plain, "c", &sealed(Some(vec![9])))?;
        tasks::cancel(conn, two, Timestamp(5_000))
    };
    store.write(write).await.unwrap();
    assert_eq!(words(&store, one).await, Words::Shown);
    assert_eq!(words(&store, plain).await, Words::Sealed(vec![9]));
    assert_eq!(words(&store, two).await, Words::Shown);

    // What is shown, said again, is no news; signs that stand for a secret never take its place.
    let write = move |conn: &mut crate::store::Connection| {
        let exact = tasks::Exact {
            said: None,
            covered: true,
        };
        let same = tasks::edit(conn, three, "say ****", &exact)?;
        let other = tasks::edit(conn, three, "shout ****", &exact).unwrap_err();
        Ok((same.said, other.code()))
    };
    let (same, other) = store.write(write).await.unwrap();
    assert_eq!((same, other), (Words::Sealed(vec![3, 7]), "covered_words"));

    // Given up, they are not there and not taken for what is shown.
    cleared(&store, 2).await;
    assert_eq!(words(&store, plain).await, Words::Sealed(Vec::new()));
    assert_eq!(words(&store, three).await, Words::Sealed(vec![3, 7]));

    // Nor does one that ran and ended.
    for (to, kept) in [
        (TaskState::Dispatching, true),
        (TaskState::Running, true),
        (TaskState::Completed, false),
    ] {
        let step = TaskMove::new(three, to, Timestamp(6_000));
        let batch = only(&session, vec![Change::Task(Box::new(step))]);
        let write = move |conn: &mut crate::store::Connection| journal::commit(conn, 1, &[batch]);
        store.write(write).await.unwrap();
        assert_eq!(words(&store, three).await != Words::Shown, kept, "{to:?}");
    }

    // Nor one of a session that is deleted.
    let open = said(&store, &session, Some(vec![4, 7])).await;
    let gone = only(&session, vec![Change::Archived(Timestamp(7_000))]);
    let write = move |conn: &mut crate::store::Connection| journal::commit(conn, 1, &[gone]);
    store.write(write).await.unwrap();
    assert_eq!(words(&store, open).await, Words::Shown);
    assert_eq!(all(&store, 2, 9).await, []);
}

pub async fn replies_that_made_a_key_are_found_among_others(store: Store) {
    let (owner, _) = owned(&store).await;
    for (key, reply) in [("a", "{}"), ("b", "AQID"), ("c", ""), ("d", "BAUG")] {
        let kept = KeptReply {
            owner: owner.id,
            key: IdempotencyKey {
                key: key.into(),
                digest: [1; 32],
            },
            reply: reply.into(),
            created_at: Timestamp(1),
        };
        let insert = move |conn: &mut crate::store::Connection| idempotency::insert(conn, &kept);
        store.write(insert).await.unwrap();
    }
    for limit in [1, 2, 100] {
        let rows = all(&store, 3, limit).await;
        let blobs: Vec<&[u8]> = rows.iter().map(|row| row.blob.as_slice()).collect();
        assert_eq!(blobs, [[1, 2, 3], [4, 5, 6]]);
        assert_eq!(rows[0].key, format!("{} b", owner.id));
        assert_eq!(rows[0].aad, format!("{}/api-key/b", owner.id));
    }
    exchanged(&store, 3).await;
}
