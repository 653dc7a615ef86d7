//! The journal's commit and what is read of it, and transactions as such.
//!
//! Never a timing: how fast it is stands in the benches.

use serde_json::json;

use crate::domain::change::TaskMove;
use crate::domain::*;
use crate::store::fixture::*;
use crate::store::*;

async fn commit(
    store: &Store,
    first_pos: u64,
    batches: Vec<Batch>,
) -> Result<Vec<u64>, StoreError> {
    let done = store
        .write(move |conn| journal::commit(conn, first_pos, &batches))
        .await?;
    Ok(done.iter().map(|batch| batch.first_pos).collect())
}

pub async fn events_read_back_by_seq_and_by_pos(store: Store) {
    let (ann, one) = owned(&store).await;
    let (_, two) = owned(&store).await;
    let batches = vec![batch(&one, 1, 70), batch(&two, 1, 5), batch(&one, 71, 30)];
    assert_eq!(commit(&store, 11, batches).await.unwrap(), [11, 81, 86]);
    let (a, b) = (one.id, two.id);
    let page = |after, limit, kinds: Option<Vec<EventKind>>| {
        store.read(move |conn| events::page(conn, a, after, limit, kinds.as_deref()))
    };
    let events = page(0, 200, None).await.unwrap();
    assert_eq!(events.len(), 100);
    for (event, seq) in events.iter().zip(1..) {
        assert_eq!((event.seq, event.agent, event.group), (seq, a, a));
        assert_eq!(event.data, format!("{{\"n\":{seq}}}"));
        let pos = if seq <= 70 { 10 + seq } else { 15 + seq };
        assert_eq!(event.pos, pos);
    }
    let calls = page(50, 10, Some(vec![EventKind::ToolCall])).await.unwrap();
    assert_eq!(calls.len(), 10);
    assert!(
        calls
            .iter()
            .all(|event| event.kind == EventKind::ToolCall && event.seq > 50)
    );
    assert!(page(0, 10, Some(vec![])).await.unwrap().is_empty());
    let (tail, bounds, last) = store
        .read(move |conn| {
            Ok((
                events::tail(conn, a, 2)?,
                events::bounds(conn, a)?,
                events::max_pos(conn)?,
            ))
        })
        .await
        .unwrap();
    assert_eq!(tail, events[98..]);
    assert_eq!((bounds, last), ((1, 100), 115));
    let by_pos =
        |after, owner, limit| store.read(move |conn| events::by_pos(conn, after, owner, limit));
    let all = by_pos(79, None, 4).await.unwrap();
    let shown: Vec<_> = all
        .iter()
        .map(|(owner, event)| (*owner, event.agent, event.pos))
        .collect();
    let other = two.owner;
    assert_eq!(
        shown,
        [
            (ann.id, a, 80),
            (other, b, 81),
            (other, b, 82),
            (other, b, 83)
        ]
    );
    let own = by_pos(79, Some(ann.id), 2).await.unwrap();
    assert_eq!(
        own.iter().map(|(_, event)| event.pos).collect::<Vec<_>>(),
        [80, 86]
    );
}

pub async fn a_number_twice_or_a_hole_is_refused_as_a_whole(store: Store) {
    let (_, one) = owned(&store).await;
    let (_, two) = owned(&store).await;
    commit(&store, 1, vec![batch(&one, 1, 3)]).await.unwrap();
    for (bad, last) in [
        (batch(&one, 3, 1), 3),
        (batch(&one, 5, 1), 3),
        (batch(&one, 1, 9), 3),
    ] {
        let first = bad.first_seq;
        let refused = commit(&store, 50, vec![batch(&two, 1, 2), bad])
            .await
            .unwrap_err();
        assert_eq!(refused.batch(), Some(1));
        let session = one.id;
        let expected = StoreError::OutOfOrder {
            batch: 1,
            session,
            first,
            last,
        };
        assert_eq!(refused, expected);
    }
    let within = vec![batch(&two, 1, 2), batch(&two, 2, 2)];
    assert_eq!(
        commit(&store, 50, within).await.unwrap_err().batch(),
        Some(1)
    );
    let unknown = session(one.owner);
    let refused = commit(&store, 50, vec![batch(&unknown, 1, 1)])
        .await
        .unwrap_err();
    assert!(matches!(refused, StoreError::Missing { batch: 0, .. }));
    let same_pos = commit(&store, 3, vec![batch(&two, 1, 1)])
        .await
        .unwrap_err();
    assert!(matches!(same_pos, StoreError::Conflict(_)));
    let (a, b) = (one.id, two.id);
    let kept = store.read(move |conn| {
        Ok((
            events::bounds(conn, a)?,
            events::bounds(conn, b)?,
            events::max_pos(conn)?,
        ))
    });
    assert_eq!(kept.await.unwrap(), ((1, 3), (0, 0), 3));
}

pub async fn facts_and_status_are_written_together(store: Store) {
    let (_, one) = owned(&store).await;
    let live = Facts {
        incarnation: Incarnation(1),
        process: Process::Live {
            pid: 7,
            since: Timestamp(1),
        },
        ..Facts::default()
    };
    let more = Facts {
        turns: 3,
        ..live.clone()
    };
    let id = one.id;
    let read = || store.read(move |conn| sessions::by_id(conn, id));
    let with = |facts: &Facts, first_seq| Batch {
        changes: vec![Change::Facts(Box::new(facts.clone()))],
        ..batch(&one, first_seq, 1)
    };
    commit(&store, 1, vec![with(&live, 1)]).await.unwrap();
    let after = read().await.unwrap().unwrap();
    assert_eq!((after.status, &after.facts), (Status::Idle, &live));
    assert_eq!(after.updated_at, Timestamp(3_001));
    // The status is the same: its time stays.
    commit(&store, 2, vec![with(&more, 2)]).await.unwrap();
    let after = read().await.unwrap().unwrap();
    assert_eq!((after.facts.turns, after.updated_at), (3, Timestamp(3_001)));
    let nobody = session(one.owner);
    let refused = commit(
        &store,
        9,
        vec![only(&nobody, vec![Change::Facts(live.into())])],
    )
    .await;
    assert!(matches!(refused, Err(StoreError::Missing { batch: 0, .. })));
}

pub async fn tasks_move_along_legal_arrows_only(store: Store) {
    let (_, one) = owned(&store).await;
    let (_, two) = owned(&store).await;
    let work = one.clone();
    let task = store
        .write(move |conn| accept(conn, &work, "x"))
        .await
        .unwrap()
        .placement
        .task;
    let step = |session: &Session, step: TaskMove| only(session, vec![Change::Task(step.into())]);
    let to = |state, at| TaskMove::new(task, state, Timestamp(at));
    let out = TaskMove {
        incarnation: Some(Incarnation(2)),
        attempt: Some(1),
        ..to(TaskState::Dispatching, 10)
    };
    let done = TaskMove {
        reason: Some("exit_2".into()),
        text: Some("bye".into()),
        usage: Some(json!({"tokens": 3})),
        ..to(TaskState::Failed, 14)
    };
    let way = vec![
        out,
        to(TaskState::Running, 11),
        to(TaskState::AwaitingApproval, 12),
        to(TaskState::Running, 13),
        done,
    ];
    let illegal = [
        step(&one, to(TaskState::Completed, 9)),
        Batch {
            first_seq: 2,
            ..step(&two, to(TaskState::Dispatching, 9))
        },
        step(
            &one,
            TaskMove::new(TaskId::generate(), TaskState::Stopped, Timestamp(9)),
        ),
    ];
    for bad in illegal {
        let refused = commit(&store, 1, vec![batch(&two, 1, 1), bad])
            .await
            .unwrap_err();
        assert!(
            matches!(refused, StoreError::Illegal { batch: 1, .. }),
            "{refused}"
        );
    }
    for one_step in way {
        commit(&store, 1, vec![step(&one, one_step)]).await.unwrap();
    }
    let after = store
        .read(move |conn| tasks::by_id(conn, task))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(after.state, TaskState::Failed);
    assert_eq!(
        (after.incarnation, after.attempt),
        (Some(Incarnation(2)), 1)
    );
    assert_eq!(
        (after.started_at, after.ended_at),
        (Some(Timestamp(11)), Some(Timestamp(14)))
    );
    assert_eq!(after.reason.as_deref(), Some("exit_2"));
    assert_eq!(after.text.as_deref(), Some("bye"));
    assert_eq!(after.usage, Some(json!({"tokens": 3})));
    let ended = commit(&store, 1, vec![step(&one, to(TaskState::Running, 20))]).await;
    assert!(matches!(
        ended,
        Err(StoreError::Illegal {
            from: Some(TaskState::Failed),
            ..
        })
    ));
    let other = two.id;
    let none = store
        .read(move |conn| events::bounds(conn, other))
        .await
        .unwrap();
    assert_eq!(
        none,
        (0, 0),
        "a refused commit keeps nothing of its other batches"
    );
}

pub async fn lives_begin_advance_and_end_once(store: Store) {
    let (_, one) = owned(&store).await;
    let id = one.id;
    let progress = Progress {
        incarnation: Incarnation(1),
        offset: 77,
        snapshot: "{\"s\":1}".into(),
    };
    let early = Batch {
        progress: Some(progress.clone()),
        ..batch(&one, 1, 1)
    };
    let refused = commit(&store, 1, vec![early.clone()]).await;
    assert!(matches!(refused, Err(StoreError::Missing { batch: 0, .. })));
    let started = Batch {
        changes: vec![Change::Started(life(1).into())],
        ..early
    };
    commit(&store, 1, vec![started]).await.unwrap();
    let crashed = exit(1, ExitReason::Crashed);
    let later = exit(1, ExitReason::KeeperLost);
    let never_ran = exit(2, ExitReason::SpawnFailed);
    for report in [crashed.clone(), later, never_ran.clone()] {
        let ended = only(&one, vec![Change::Ended(report.into())]);
        // A batch without events must go on where the session is, too: it carries facts.
        let stale = commit(&store, 1, vec![ended.clone()]).await;
        assert!(matches!(stale, Err(StoreError::OutOfOrder { .. })));
        let ended = Batch {
            first_seq: 2,
            ..ended
        };
        commit(&store, 1, vec![ended]).await.unwrap();
    }
    let (first, second, last) = store
        .read(move |conn| {
            let by = |conn: &mut Connection, n| incarnations::by_number(conn, id, Incarnation(n));
            Ok((by(conn, 1)?, by(conn, 2)?, incarnations::latest(conn, id)?))
        })
        .await
        .unwrap();
    let first = first.unwrap();
    assert_eq!((first.offset, first.snapshot.as_str()), (77, "{\"s\":1}"));
    assert_eq!(first.nonce, "nonce-1");
    assert_eq!(first.exit, Some(crashed), "the first report stays");
    assert_eq!(second.unwrap().exit, Some(never_ran));
    assert_eq!(last.unwrap().incarnation, Incarnation(2));
    let again = Batch {
        first_seq: 2,
        ..only(&one, vec![Change::Started(life(1).into())])
    };
    assert!(matches!(
        commit(&store, 1, vec![again]).await,
        Err(StoreError::Conflict(_))
    ));
}

pub async fn a_closure_that_fails_or_panics_leaves_nothing(store: Store) {
    let fail = |conn: &mut Connection| -> Result<(), StoreError> {
        meta::set(conn, "k", "v")?;
        Err(Error::conflict("invalid_state", "no").into())
    };
    assert_eq!(store.write(fail).await.unwrap_err().code(), "invalid_state");
    let burst = |conn: &mut Connection| -> Result<(), StoreError> {
        meta::set(conn, "k", "v")?;
        panic!("on purpose");
    };
    assert!(matches!(
        store.write(burst).await,
        Err(StoreError::Other(_))
    ));
    assert!(matches!(store.read(burst).await, Err(StoreError::Other(_))));
    assert_eq!(store.read(|conn| meta::get(conn, "k")).await.unwrap(), None);
    store
        .write(|conn| meta::set(conn, "k", "kept"))
        .await
        .unwrap();
    let clone = store.clone();
    store.close();
    let late = clone.write(|conn| meta::set(conn, "k", "late")).await;
    assert_eq!(late, Err(StoreError::Closed));
    let kept = clone.read(|conn| meta::get(conn, "k")).await.unwrap();
    assert_eq!(kept.as_deref(), Some("kept"));
}

pub async fn a_reader_cannot_write(store: Store) {
    let refused = store.read(|conn| meta::set(conn, "k", "v")).await;
    assert!(refused.is_err());
    assert_eq!(store.read(|conn| meta::get(conn, "k")).await.unwrap(), None);
}

pub async fn many_lives_advance_in_one_commit_and_a_missing_one_is_named(store: Store) {
    let mut all = Vec::new();
    for _ in 0..5 {
        all.push(owned(&store).await.1);
    }
    let begun = all
        .iter()
        .map(|one| only(one, vec![Change::Started(Box::new(life(1)))]));
    commit(&store, 1, begun.collect()).await.unwrap();
    let reached = |one: &Session, first_seq: u64, offset: u64| Batch {
        progress: Some(Progress {
            incarnation: Incarnation(1),
            offset,
            snapshot: format!("{{\"at\":{offset}}}"),
        }),
        ..batch(one, first_seq, 2)
    };
    let mut batches: Vec<Batch> = all.iter().map(|one| reached(one, 1, 10)).collect();
    // The second one of a session is the last word on it.
    batches.push(reached(&all[2], 3, 77));
    commit(&store, 1, batches).await.unwrap();
    for (index, one) in all.iter().enumerate() {
        let id = one.id;
        let row = store.read(move |conn| incarnations::latest(conn, id)).await;
        let row = row.unwrap().unwrap();
        let offset = if index == 2 { 77 } else { 10 };
        assert_eq!(row.offset, offset);
        assert_eq!(row.snapshot, format!("{{\"at\":{offset}}}"));
    }
    let mut batches: Vec<Batch> = all.iter().map(|one| only(one, Vec::new())).collect();
    for (index, batch) in batches.iter_mut().enumerate() {
        batch.first_seq = if index == 2 { 5 } else { 3 };
        batch.progress = Some(Progress {
            incarnation: Incarnation(if index == 3 { 9 } else { 1 }),
            offset: 99,
            snapshot: String::new(),
        });
    }
    let refused = commit(&store, 100, batches).await.unwrap_err();
    let what = format!("incarnation 9 of {}", all[3].id);
    assert_eq!(refused, StoreError::Missing { batch: 3, what });
    let id = all[0].id;
    let row = store.read(move |conn| incarnations::latest(conn, id)).await;
    assert_eq!(row.unwrap().unwrap().offset, 10, "nothing of it is kept");
    let nowhere = session(all[0].owner);
    let refused = commit(&store, 100, vec![batch(&nowhere, 1, 1)]).await;
    assert_eq!(refused.unwrap_err().batch(), Some(0));
}
