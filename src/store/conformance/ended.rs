//! What is over of a session that lives on goes by age and by number, in steps.
//!
//! Never what is open, what that names, or the last of its kind.

use crate::domain::change::TaskMove;
use crate::domain::*;
use crate::store::fixture::*;
use crate::store::retention::{Gone, Old, Over};
use crate::store::supervisor_log::Row;
use crate::store::*;

async fn commit(store: &Store, changes: Vec<(Session, Change)>) {
    let of = |(session, change): (Session, Change)| only(&session, vec![change]);
    let batches: Vec<Batch> = changes.into_iter().map(of).collect();
    store
        .write(move |conn| journal::commit(conn, 1, &batches))
        .await
        .unwrap();
}

/// So many accepted tasks in their order.
async fn tasks_of(store: &Store, session: &Session, count: usize) -> Vec<TaskId> {
    let session = session.clone();
    let made = store.write(move |conn| {
        let one = |_| Ok(accept(conn, &session, "x")?.placement.task);
        (0..count).map(one).collect::<Result<Vec<_>, StoreError>>()
    });
    made.await.unwrap()
}

async fn withdraw(store: &Store, task: TaskId, at: i64) {
    store
        .write(move |conn| tasks::cancel(conn, task, Timestamp(at)))
        .await
        .unwrap();
}

async fn left(store: &Store, id: SessionId) -> Vec<TaskId> {
    let rows = store.read(move |conn| tasks::of_session(conn, id, &[], 0, 100));
    rows.await
        .unwrap()
        .0
        .tasks
        .iter()
        .map(|task| task.id)
        .collect()
}

async fn forget(store: &Store, id: SessionId, over: Over, most: usize) -> (bool, Gone) {
    let has = store.read(move |conn| retention::has_over(conn, id, over));
    let has = has.await.unwrap();
    let gone = store.write(move |conn| retention::forget(conn, id, over, most));
    (has, gone.await.unwrap())
}

fn older(before: i64) -> Over {
    Over {
        old: Some(Old {
            before: Timestamp(before),
            but: None,
        }),
        newest: None,
        before: Timestamp(i64::MAX),
    }
}

fn newest(count: u64) -> Over {
    Over {
        old: None,
        newest: Some(count),
        before: Timestamp(i64::MAX),
    }
}

fn gone(tasks: usize, approvals: usize, incarnations: usize) -> Gone {
    Gone {
        tasks,
        approvals,
        incarnations,
    }
}

const NOTHING: (bool, Gone) = (
    false,
    Gone {
        tasks: 0,
        approvals: 0,
        incarnations: 0,
    },
);

pub async fn old_tasks_go_but_not_the_last_one_nor_what_is_open_or_named(store: Store) {
    let (_, one) = owned(&store).await;
    let (_, other) = owned(&store).await;
    let ids = tasks_of(&store, &one, 7).await;
    let others = tasks_of(&store, &other, 2).await;
    // The second is open, the fourth is named by an open question, the last is the last.
    for (index, at) in [(0, 100), (2, 120), (3, 130), (4, 140), (5, 150), (6, 90)] {
        withdraw(&store, ids[index], at).await;
    }
    withdraw(&store, others[0], 100).await;
    let mut asks = question(&one, 1);
    asks.task = Some(ids[3]);
    commit(&store, vec![(one.clone(), Change::Asked(asks.into()))]).await;
    assert_eq!(forget(&store, one.id, older(100), 10).await, NOTHING);
    let mut wrong = older(145);
    wrong.old = wrong.old.map(|old| Old {
        but: Some((Timestamp(110), Timestamp(145))),
        ..old
    });
    let mut recent = older(145);
    recent.before = Timestamp(100);
    assert_eq!(forget(&store, one.id, recent, 10).await, NOTHING);
    assert_eq!(forget(&store, one.id, wrong, 10).await.1, gone(1, 0, 0));
    assert_eq!(left(&store, one.id).await, ids[1..]);
    // In steps, the oldest end first.
    assert_eq!(forget(&store, one.id, older(151), 1).await.1, gone(1, 0, 0));
    assert_eq!(
        left(&store, one.id).await,
        [ids[1], ids[3], ids[4], ids[5], ids[6]]
    );
    let (has, rest) = forget(&store, one.id, older(i64::MAX), 10).await;
    assert_eq!((has, rest), (true, gone(2, 0, 0)));
    assert_eq!(left(&store, one.id).await, [ids[1], ids[3], ids[6]]);
    assert_eq!(forget(&store, one.id, older(i64::MAX), 10).await, NOTHING);
    // Order goes on behind the last one, and nobody else's task went.
    let next = tasks_of(&store, &one, 1).await;
    assert_eq!(left(&store, one.id).await[3..], next);
    assert_eq!(left(&store, other.id).await, others);
}

pub async fn tasks_beyond_the_newest_go_in_the_order_of_the_queue(store: Store) {
    let (_, one) = owned(&store).await;
    let ids = tasks_of(&store, &one, 6).await;
    // Stamps of a clock that was wrong: the order is that of the queue.
    for (index, at) in [(0, 900), (1, 800), (3, 100), (4, 50), (5, 40)] {
        withdraw(&store, ids[index], at).await;
    }
    assert_eq!(forget(&store, one.id, newest(6), 10).await, NOTHING);
    let mut recent = newest(2);
    recent.before = Timestamp(850);
    assert_eq!(forget(&store, one.id, recent, 1).await.1, gone(1, 0, 0));
    assert_eq!(
        left(&store, one.id).await,
        [ids[0], ids[2], ids[3], ids[4], ids[5]]
    );
    assert_eq!(forget(&store, one.id, newest(2), 10).await.1, gone(2, 0, 0));
    assert_eq!(left(&store, one.id).await, [ids[2], ids[4], ids[5]]);
    assert_eq!(forget(&store, one.id, newest(2), 10).await, NOTHING);
    // Both at once: what goes for two reasons is counted once.
    let both = Over {
        newest: Some(1),
        ..older(51)
    };
    assert_eq!(forget(&store, one.id, both, 10).await.1, gone(1, 0, 0));
    assert_eq!(left(&store, one.id).await, [ids[2], ids[5]]);
}

pub async fn answered_questions_go_by_age_and_number(store: Store) {
    let (_, one) = owned(&store).await;
    let asked: Vec<Approval> = (1..=5).map(|at| question(&one, at * 10)).collect();
    for (index, ask) in asked.iter().enumerate() {
        let answer = Change::Resolved {
            id: ask.id,
            to: ApprovalState::Denied,
            by: "ann".into(),
            response: None,
            at: Timestamp(ask.created_at.0 + 5),
        };
        let mut changes = vec![(one.clone(), Change::Asked(ask.clone().into()))];
        // The second is not answered.
        changes.extend((index != 1).then(|| (one.clone(), answer)));
        commit(&store, changes).await;
    }
    let there = async || {
        let ids: Vec<ApprovalId> = asked.iter().map(|ask| ask.id).collect();
        let found = store.read(move |conn| {
            let mut found = Vec::new();
            for id in ids {
                found.push(approvals::by_id(conn, id)?.is_some());
            }
            Ok(found)
        });
        found.await.unwrap()
    };
    assert_eq!(forget(&store, one.id, older(15), 10).await, NOTHING);
    assert_eq!(forget(&store, one.id, older(16), 10).await.1, gone(0, 1, 0));
    assert_eq!(forget(&store, one.id, newest(4), 10).await, NOTHING);
    assert_eq!(forget(&store, one.id, newest(2), 10).await.1, gone(0, 1, 0));
    assert_eq!(there().await, [false, true, false, true, true]);
    let (_, rest) = forget(&store, one.id, older(i64::MAX), 10).await;
    assert_eq!(rest, gone(0, 2, 0));
    assert_eq!(there().await, [false, true, false, false, false]);
}

pub async fn processes_go_when_their_end_is_read_and_nothing_open_names_them(store: Store) {
    let (_, one) = owned(&store).await;
    let work = tasks_of(&store, &one, 1).await[0];
    let began = |number: u64| NewIncarnation {
        started_at: Timestamp(i64::try_from(number).unwrap() * 100),
        ..life(number)
    };
    // The end of the second is not read.
    for number in 1..=7 {
        let ended = Change::Ended(exit(number, ExitReason::Crashed).into());
        let mut changes = vec![(one.clone(), Change::Started(began(number).into()))];
        changes.extend((number != 2).then(|| (one.clone(), ended)));
        commit(&store, changes).await;
    }
    // A task is bound to the third, an open question to the fourth.
    let mut bound = TaskMove::new(work, TaskState::Dispatching, Timestamp(1));
    bound.incarnation = Some(Incarnation(3));
    let mut asks = question(&one, 1);
    asks.incarnation = Incarnation(4);
    commit(&store, vec![(one.clone(), Change::Task(bound.into()))]).await;
    commit(&store, vec![(one.clone(), Change::Asked(asks.into()))]).await;
    let id = one.id;
    let there = async || {
        let found = store.read(move |conn| {
            let mut found = Vec::new();
            for number in 1..=7 {
                let row = incarnations::by_number(conn, id, Incarnation(number))?;
                found.extend(row.map(|_| number));
            }
            Ok(found)
        });
        found.await.unwrap()
    };
    // The first ended before the next one began, and that is as much as is known of it.
    assert_eq!(forget(&store, id, older(200), 10).await, NOTHING);
    assert_eq!(forget(&store, id, newest(6), 1).await.1, gone(0, 0, 1));
    assert_eq!(there().await, [2, 3, 4, 5, 6, 7]);
    assert_eq!(forget(&store, id, older(601), 10).await.1, gone(0, 0, 1));
    assert_eq!(there().await, [2, 3, 4, 6, 7]);
    let mut recent = older(i64::MAX);
    recent.before = Timestamp(700);
    assert_eq!(forget(&store, id, recent, 10).await, NOTHING);
    assert_eq!(forget(&store, id, older(i64::MAX), 10).await.1.rows(), 1);
    assert_eq!(there().await, [2, 3, 4, 7]);
    assert_eq!(forget(&store, id, newest(1), 10).await, NOTHING);
    let latest = store.read(move |conn| incarnations::latest(conn, id)).await;
    assert_eq!(latest.unwrap().unwrap().incarnation, Incarnation(7));
}

pub async fn questions_processes_and_lines_are_counted(store: Store) {
    let (ann, one) = owned(&store).await;
    let (bob, two) = owned(&store).await;
    for session in [&one, &two] {
        let asks = Change::Asked(question(session, 1).into());
        let began = Change::Started(life(1).into());
        let changes = vec![(session.clone(), asks), (session.clone(), began)];
        commit(&store, changes).await;
    }
    let more = Change::Started(life(2).into());
    commit(&store, vec![(two.clone(), more)]).await;
    let of = async |owner| {
        let read = store.read(move |conn| {
            let asked = stats::approvals(conn, owner)?;
            Ok((asked, stats::incarnations(conn, owner)?))
        });
        read.await.unwrap()
    };
    let pending = |count| vec![(ApprovalState::Pending, count)];
    assert_eq!(of(Some(ann.id)).await, (pending(1), 1));
    assert_eq!(of(Some(bob.id)).await, (pending(1), 2));
    assert_eq!(of(None).await, (pending(2), 3));
    assert_eq!(store.read(stats::lines).await.unwrap(), (0, 0));
    let line = |n| Row {
        path: format!("root/{n}"),
        ..Row::default()
    };
    let lines: Vec<Row> = (1..=5).map(line).collect();
    let newest = retention::Keep {
        since: None,
        newest: Some(3),
    };
    store
        .write(move |conn| {
            supervisor_log::append(conn, &lines)?;
            retention::decisions(conn, newest, 10)
        })
        .await
        .unwrap();
    assert_eq!(store.read(stats::lines).await.unwrap(), (0, 3));
    let living = |after, limit| store.read(move |conn| retention::living(conn, after, limit));
    let mut ids = [one.id, two.id];
    ids.sort_by_key(ToString::to_string);
    assert_eq!(living(None, 1).await.unwrap(), ids[..1]);
    assert_eq!(living(Some(ids[0]), 9).await.unwrap(), ids[1..]);
    let archived = Change::Archived(Timestamp(9));
    commit(&store, vec![(two.clone(), archived)]).await;
    assert_eq!(living(None, 9).await.unwrap(), [one.id]);
}
