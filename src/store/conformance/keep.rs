//! What is forgotten in time, the figures of what is kept, and rows carried to another database.
//!
//! Never a hole: what goes of a history goes from its front.

use crate::domain::change::TaskMove;
use crate::domain::*;
use crate::store::archive::{Source, Target};
use crate::store::fixture::*;
use crate::store::retention::{History, Keep, Old};
use crate::store::supervisor_log::Row;
use crate::store::*;

async fn commit(store: &Store, batches: Vec<Batch>) {
    store
        .write(move |conn| {
            let first = events::max_pos(conn)?.saturating_add(1);
            journal::commit(conn, first, &batches)
        })
        .await
        .unwrap();
}

async fn history(store: &Store, owner: UserId) -> History {
    let found = store.read(move |conn| {
        let mut found = retention::histories(conn, None, Some(owner), 10)?;
        retention::before_turn(conn, &mut found[0])?;
        Ok(found[0])
    });
    found.await.unwrap()
}

async fn bounds(store: &Store, id: SessionId) -> (u64, u64) {
    store
        .read(move |conn| events::bounds(conn, id))
        .await
        .unwrap()
}

fn newest(count: u64) -> Keep {
    Keep {
        since: None,
        newest: Some(count),
    }
}

fn since(at: i64) -> Keep {
    Keep {
        since: Some(Timestamp(at)),
        newest: None,
    }
}

pub async fn a_history_is_trimmed_from_its_front_and_keeps_its_end(store: Store) {
    let (ann, one) = owned(&store).await;
    let (bob, two) = owned(&store).await;
    commit(&store, vec![batch(&one, 1, 20), batch(&two, 1, 5)]).await;
    let found = history(&store, ann.id).await;
    assert_eq!((found.oldest, found.latest), ((1, Timestamp(3_001)), 20));
    assert_eq!((found.rows(), found.free), (20, 19));
    assert!(!found.exceeds(Keep::default()) && !found.exceeds(newest(20)));
    assert!(found.exceeds(newest(19)) && found.exceeds(since(3_002)));
    assert!(!found.exceeds(since(3_001)));
    let trim = |found: History, keep, most| {
        store.write(move |conn| retention::trim(conn, &found, keep, most))
    };
    assert_eq!(trim(found, Keep::default(), 100).await.unwrap(), 0);
    // Two steps: the first is bounded.
    assert_eq!(trim(found, newest(12), 5).await.unwrap(), 5);
    assert_eq!(bounds(&store, one.id).await, (6, 20));
    assert_eq!(trim(found, newest(12), 5).await.unwrap(), 3);
    assert_eq!(bounds(&store, one.id).await, (9, 20));
    let of_ann = Some(ann.id);
    let removed = |pos, owner| store.read(move |conn| retention::removed_after(conn, pos, owner));
    assert_eq!(removed(0, None).await.unwrap(), Some(8));
    assert_eq!(removed(7, of_ann).await.unwrap(), Some(8));
    assert_eq!(removed(8, of_ann).await.unwrap(), None);
    assert_eq!(removed(0, Some(bob.id)).await.unwrap(), None);
    // Everything is old: the last event stays, and its number goes on.
    let found = history(&store, ann.id).await;
    assert_eq!(trim(found, since(i64::MAX), 100).await.unwrap(), 11);
    assert_eq!(bounds(&store, one.id).await, (20, 20));
    assert!(!history(&store, ann.id).await.exceeds(since(i64::MAX)));
    commit(&store, vec![batch(&one, 21, 1)]).await;
    assert_eq!(bounds(&store, one.id).await, (20, 21));
    assert_eq!(bounds(&store, two.id).await, (1, 5));
}

pub async fn events_of_a_running_turn_stay(store: Store) {
    let (ann, one) = owned(&store).await;
    let mut ended = batch(&one, 1, 4);
    ended.events[2].kind = EventKind::TurnEnded;
    commit(&store, vec![ended, batch(&one, 5, 6)]).await;
    let work = one.clone();
    let task = store
        .write(move |conn| accept(conn, &work, "x"))
        .await
        .unwrap()
        .placement
        .task;
    assert_eq!(history(&store, ann.id).await.free, 9, "it only waits");
    let step = |state, first_seq| Batch {
        first_seq,
        ..only(
            &one,
            vec![Change::Task(
                TaskMove::new(task, state, Timestamp(9)).into(),
            )],
        )
    };
    commit(&store, vec![step(TaskState::Dispatching, 11)]).await;
    let found = history(&store, ann.id).await;
    assert_eq!(found.free, 3);
    let all = store.write(move |conn| retention::trim(conn, &found, since(i64::MAX), 100));
    assert_eq!(all.await.unwrap(), 3);
    assert_eq!(bounds(&store, one.id).await, (4, 10));
    assert!(!history(&store, ann.id).await.exceeds(since(i64::MAX)));
    commit(&store, vec![step(TaskState::Interrupted, 11)]).await;
    assert_eq!(history(&store, ann.id).await.free, 9);
}

pub async fn a_session_that_rests_is_deleted_unless_it_has_work(store: Store) {
    let (_, idle) = owned(&store).await;
    let (_, busy) = owned(&store).await;
    let (_, asks) = owned(&store).await;
    let (work, question) = (busy.clone(), question(&asks, 1));
    store
        .write(move |conn| {
            accept(conn, &work, "x")?;
            Ok::<_, StoreError>(())
        })
        .await
        .unwrap();
    commit(
        &store,
        vec![only(&asks, vec![Change::Asked(question.into())])],
    )
    .await;
    let resting = |before| store.read(move |conn| retention::resting(conn, old(before), 10));
    assert!(resting(2_000).await.unwrap().is_empty());
    assert_eq!(resting(2_001).await.unwrap(), [idle.id]);
    let wrong = |from, to| {
        let old = Old {
            but: Some((Timestamp(from), Timestamp(to))),
            ..old(2_001)
        };
        store.read(move |conn| retention::resting(conn, old, 10))
    };
    assert!(wrong(2_000, 2_000).await.unwrap().is_empty());
    assert_eq!(wrong(1, 1_999).await.unwrap(), [idle.id]);
    let delete = |id| {
        let times = (Timestamp(2_001), Timestamp(9_000));
        store.write(move |conn| retention::delete_resting(conn, id, times))
    };
    assert!(!delete(busy.id).await.unwrap());
    assert!(!delete(asks.id).await.unwrap());
    assert!(delete(idle.id).await.unwrap());
    assert!(!delete(idle.id).await.unwrap());
    let late = store.write(move |conn| accept(conn, &idle, "late")).await;
    assert_eq!(late.unwrap_err().code(), "not_found");
    let figures = store
        .read(|conn| stats::sessions(conn, None))
        .await
        .unwrap();
    assert_eq!(figures, (vec![(Status::Created, 2)], 1));
}

pub async fn a_deleted_session_goes_step_by_step_and_no_place_is_given_twice(store: Store) {
    let (ann, one) = owned(&store).await;
    let (_, stays) = owned(&store).await;
    commit(&store, vec![batch(&stays, 1, 2), batch(&one, 1, 9)]).await;
    let (id, work) = (one.id, one.clone());
    store
        .write(move |conn| {
            accept(conn, &work, "x")?;
            Ok::<_, StoreError>(())
        })
        .await
        .unwrap();
    let remove = || store.write(move |conn| retention::remove(conn, id, 4));
    let trim = store.write(move |conn| {
        let history = retention::histories(conn, None, Some(ann.id), 1)?[0];
        retention::trim(conn, &history, newest(8), 10)
    });
    assert_eq!(trim.await.unwrap(), 1);
    let removed = |pos, owner| {
        let read = store.read(move |conn| retention::removed_after(conn, pos, owner));
        async move { read.await.unwrap() }
    };
    assert_eq!(removed(0, None).await, Some(3));
    assert_eq!(remove().await.unwrap(), (0, true), "it is not deleted");
    assert_eq!(bounds(&store, id).await, (2, 9));
    let gone = Batch {
        first_seq: 10,
        ..only(&one, vec![Change::Archived(Timestamp(5_000))])
    };
    commit(&store, vec![gone]).await;
    let deleted = |before| store.read(move |conn| retention::deleted(conn, old(before), 10));
    assert!(deleted(5_000).await.unwrap().is_empty());
    assert_eq!(deleted(5_001).await.unwrap(), [id]);
    let wrong = Old {
        but: Some((Timestamp(5_000), Timestamp(6_000))),
        ..old(5_001)
    };
    let left = store.read(move |conn| retention::deleted(conn, wrong, 10));
    assert!(left.await.unwrap().is_empty());
    for step in [(4, false), (4, false), (0, true), (0, true)] {
        assert_eq!(remove().await.unwrap(), step);
    }
    assert!(deleted(5_001).await.unwrap().is_empty());
    let (last, row, tasks) = store
        .read(move |conn| {
            let tasks = stats::tasks(conn, Some(ann.id))?;
            Ok((events::max_pos(conn)?, sessions::by_id(conn, id)?, tasks))
        })
        .await
        .unwrap();
    assert_eq!((last, row, tasks), (11, None, vec![]));
    // Who had read less than the session's last event hears of a gap; nobody else does.
    for owner in [None, Some(ann.id)] {
        assert_eq!(removed(2, owner).await, Some(11), "{owner:?}");
        assert_eq!(removed(11, owner).await, None, "{owner:?}");
    }
    assert_eq!(removed(0, Some(stays.owner)).await, None);
    assert_eq!(bounds(&store, stays.id).await, (1, 2));
}

pub async fn old_decisions_go_and_the_last_one_stays(store: Store) {
    let lines: Vec<Row> = (1..=6)
        .map(|n| Row {
            at: Timestamp(n),
            path: format!("root/{n}"),
            ..Row::default()
        })
        .collect();
    store
        .write(move |conn| supervisor_log::append(conn, &lines))
        .await
        .unwrap();
    let sweep = |keep, most| store.write(move |conn| retention::decisions(conn, keep, most));
    assert_eq!(sweep(Keep::default(), 10).await.unwrap(), 0);
    assert_eq!(sweep(newest(3), 2).await.unwrap(), 2);
    assert_eq!(sweep(newest(3), 2).await.unwrap(), 1);
    assert_eq!(sweep(since(5), 10).await.unwrap(), 1);
    assert_eq!(sweep(since(i64::MAX), 10).await.unwrap(), 1);
    assert_eq!(sweep(since(i64::MAX), 10).await.unwrap(), 0);
    let kept = store.read(|conn| supervisor_log::page(conn, 0, 10)).await;
    let ids: Vec<u64> = kept.unwrap().iter().map(|row| row.id).collect();
    assert_eq!(ids, [6]);
}

pub async fn files_of_processes_are_needed_while_their_end_is_open(store: Store) {
    let (_, one) = owned(&store).await;
    let id = one.id;
    let lives = || store.read(move |conn| retention::lives(conn, id));
    let started = |n| only(&one, vec![Change::Started(life(n).into())]);
    let ended = only(
        &one,
        vec![Change::Ended(exit(1, ExitReason::Crashed).into())],
    );
    commit(&store, vec![started(1), ended, started(2)]).await;
    let found = lives().await.unwrap().unwrap();
    assert_eq!(found.latest, Incarnation(2));
    assert_eq!(found.needed, [Incarnation(2)]);
    let nobody = SessionId::generate();
    let none = store.read(move |conn| retention::lives(conn, nobody)).await;
    assert_eq!(none.unwrap(), None);
}

pub async fn figures_count_by_owner_and_in_all(store: Store) {
    let (ann, one) = owned(&store).await;
    let (_, two) = owned(&store).await;
    let work = one.clone();
    store
        .write(move |conn| {
            accept(conn, &work, "a")?;
            accept(conn, &work, "b")?;
            accept(conn, &two, "c")?;
            Ok::<_, StoreError>(())
        })
        .await
        .unwrap();
    commit(&store, vec![batch(&one, 1, 3)]).await;
    let of = |owner| {
        store.read(move |conn| {
            Ok((
                stats::sessions(conn, owner)?.0,
                stats::tasks(conn, owner)?,
                stats::oldest_event(conn)?,
            ))
        })
    };
    let at = Some(Timestamp(3_001));
    let count = |n, m| (vec![(Status::Created, n)], vec![(TaskState::Queued, m)], at);
    assert_eq!(of(None).await.unwrap(), count(2, 3));
    assert_eq!(of(Some(ann.id)).await.unwrap(), count(1, 2));
    let pos = store.read(events::max_pos).await.unwrap();
    assert_eq!(store.read(stats::events).await.unwrap(), (3, pos));
    assert!(stats::bytes(&store).await.unwrap() > 4_096);
    assert!(store.figures().errors.is_empty(), "it asked the wrong one");
}

pub async fn rows_are_carried_to_another_database_as_they_are(store: Store) {
    let (ann, one) = owned(&store).await;
    let odd = session(ann.id);
    let blob: Vec<u8> = (0..=255).collect();
    let (new, bytes, work) = (odd.clone(), blob.clone(), one.clone());
    store
        .write(move |conn| {
            let row = sessions::NewSessionRow {
                session: &new,
                env_blob: Some(bytes),
            };
            sessions::insert(conn, &row)?;
            accept(conn, &work, "it's \"odd\" \u{1f980}\n\\x00")
        })
        .await
        .unwrap();
    commit(&store, vec![batch(&one, 1, 450)]).await;
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (store.setting(), dir.path().join("copy.db"));
    let copy = to.clone();
    let (epoch, finished) = tokio::task::spawn_blocking(move || {
        let mut source = Source::open(from).unwrap();
        let mut target = Target::create(&copy, &source.schema().unwrap()).unwrap();
        let tables = source.tables().unwrap();
        assert_eq!(tables, target.tables().unwrap());
        for table in &tables {
            let mut last: Option<String> = None;
            loop {
                let page = source.page(table, last.as_deref(), 100).unwrap();
                let Some(line) = page.last() else { break };
                last = Some(line.clone());
                target.insert(table, &page).unwrap();
            }
        }
        let epoch = source.epoch().unwrap().unwrap();
        let finished = target.finish().unwrap();
        // A task waits in one of the two sessions.
        assert_eq!(finished.paused, 1);
        (epoch, finished)
    })
    .await
    .unwrap();
    assert_ne!(epoch, finished.epoch);
    let copy = Store::open(&to).unwrap();
    assert_eq!(copy.read(meta::epoch).await.unwrap(), finished.epoch);
    assert_eq!(copy.read(identity::get).await.unwrap(), Some(finished.id));
    let (a, b) = (one.id, odd.id);
    let paused = |id| copy.read(move |conn| Ok(sessions::by_id(conn, id)?.unwrap().facts.paused));
    assert!(paused(a).await.unwrap() && !paused(b).await.unwrap());
    let all = async |store: &Store| {
        let read = store.read(move |conn| {
            Ok((
                events::page(conn, a, 0, 1_000, None)?,
                tasks::waiting(conn, a)?,
                sessions::by_id(conn, b)?,
                sessions::env_blob(conn, b)?,
                users::by_id(conn, ann.id)?,
            ))
        });
        read.await.unwrap()
    };
    let (theirs, ours) = (all(&store).await, all(&copy).await);
    assert_eq!(theirs, ours);
    assert_eq!((ours.0.len(), ours.3), (450, Some(blob)));
    let again = tokio::task::spawn_blocking(move || Target::create(&to, &[]).err());
    assert!(matches!(
        again.await.unwrap(),
        Some(StoreError::Conflict(_))
    ));
}

pub async fn a_copy_of_a_newer_schema_is_refused_before_anything_is_made(_store: Store) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("new.db");
    let newer = ["20991231000001".to_owned()];
    let refused = Target::create(&file, &newer).err();
    assert!(matches!(refused, Some(StoreError::SchemaNewer { .. })));
    assert!(!file.exists());
}

fn old(before: i64) -> Old {
    Old {
        before: Timestamp(before),
        but: None,
    }
}
