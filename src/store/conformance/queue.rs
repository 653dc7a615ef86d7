//! Tasks and questions.
//!
//! Never a turn: that is the journal's part.

use serde_json::json;

use crate::domain::change::TaskMove;
use crate::domain::prompt::IdempotencyKey;
use crate::domain::*;
use crate::store::fixture::*;
use crate::store::*;

pub async fn prompts_are_accepted_in_order_up_to_the_limit(store: Store) {
    let (_, one) = owned(&store).await;
    let prompt = Prompt {
        text: "do it".into(),
        on_uncertain: OnUncertain::Retry,
        metadata: json!({"a": 1}),
    };
    let take = |busy: bool| {
        let (one, prompt) = (one.clone(), prompt.clone());
        store.write(move |conn| {
            let new = tasks::NewTask {
                id: TaskId::generate(),
                session: one.id,
                owner: one.owner,
                prompt: &prompt,
                said: None,
                created_at: Timestamp(7),
                busy,
                offered: None,
                refused: None,
            };
            tasks::accept(conn, &new, 3, None)
        })
    };
    let placed = |accepted: tasks::Accepted| {
        let place = accepted.placement;
        (place.queued, place.position, place.depth)
    };
    let first = take(false).await.unwrap();
    let id = first.placement.task;
    assert_eq!(placed(first), (false, 0, 0));
    assert_eq!(placed(take(false).await.unwrap()), (true, 2, 2));
    assert_eq!(placed(take(true).await.unwrap()), (true, 3, 3));
    let refused = Error::from(take(true).await.unwrap_err());
    assert!(matches!(
        refused,
        Error::Busy {
            code: "queue_full",
            retry_after: 5,
            ..
        }
    ));
    let task = store
        .read(move |conn| tasks::by_id(conn, id))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(task.prompt, "do it");
    assert_eq!(task.on_uncertain, OnUncertain::Retry);
    assert_eq!((task.state, task.attempt), (TaskState::Queued, 0));
    assert_eq!(task.metadata, json!({"a": 1}));
    let session = one.id;
    let (page, total) = store
        .read(move |conn| tasks::of_session(conn, session, &[TaskState::Queued], 1, 1))
        .await
        .unwrap();
    assert_eq!((page.tasks.len(), total, page.tasks[0].ord), (1, 3, 2));
    let nowhere = session_of_nobody();
    let missing = store.write(move |conn| accept(conn, &nowhere, "x")).await;
    assert!(missing.is_err());
}

fn session_of_nobody() -> Session {
    session(UserId::generate())
}

pub async fn a_repeated_key_gets_the_first_placement(store: Store) {
    let (_, one) = owned(&store).await;
    let take = |digest: u8| {
        let one = one.clone();
        store.write(move |conn| {
            let prompt = Prompt::new("once")?;
            let key = IdempotencyKey {
                key: "k".into(),
                digest: [digest; 32],
            };
            let new = tasks::NewTask {
                id: TaskId::generate(),
                session: one.id,
                owner: one.owner,
                prompt: &prompt,
                said: None,
                created_at: Timestamp(7),
                busy: true,
                offered: None,
                refused: None,
            };
            tasks::accept(conn, &new, 1, Some(&key))
        })
    };
    let first = take(1).await.unwrap();
    assert!(!first.replayed);
    // The queue is full now, and still the key is answered.
    let again = take(1).await.unwrap();
    assert!(again.replayed);
    assert_eq!(again.placement, first.placement);
    assert_eq!(take(2).await.unwrap_err().code(), "idempotency_key_reused");
    let session = one.id;
    let waiting = store
        .read(move |conn| tasks::waiting(conn, session))
        .await
        .unwrap();
    assert_eq!(waiting.len(), 1);
}

pub async fn waiting_tasks_are_edited_cancelled_and_reordered(store: Store) {
    let (_, one) = owned(&store).await;
    let work = one.clone();
    let ids: Vec<TaskId> = store
        .write(move |conn| {
            let texts = ["a", "b", "c", "d"];
            let made = texts
                .iter()
                .map(|text| Ok(accept(conn, &work, text)?.placement.task));
            made.collect()
        })
        .await
        .unwrap();
    let (a, b, c, d) = (ids[0], ids[1], ids[2], ids[3]);
    let to = TaskMove::new(a, TaskState::Dispatching, Timestamp(8));
    let go = only(&one, vec![Change::Task(to.into())]);
    store
        .write(move |conn| journal::commit(conn, 1, &[go]))
        .await
        .unwrap();
    let edited = store
        .write(move |conn| tasks::edit(conn, b, "B", &tasks::Exact::default()))
        .await
        .unwrap();
    assert_eq!(edited.prompt, "B");
    let cancelled = store
        .write(move |conn| tasks::cancel(conn, c, Timestamp(9)))
        .await
        .unwrap();
    assert_eq!(cancelled.state, TaskState::Stopped);
    assert_eq!(cancelled.reason.as_deref(), Some("cancelled"));
    assert_eq!(cancelled.ended_at, Some(Timestamp(9)));
    for gone in [a, c] {
        let late = store
            .write(move |conn| tasks::edit(conn, gone, "x", &tasks::Exact::default()))
            .await;
        assert_eq!(late.unwrap_err().code(), "invalid_state");
        let late = store
            .write(move |conn| tasks::cancel(conn, gone, Timestamp(9)))
            .await;
        assert_eq!(late.unwrap_err().code(), "invalid_state");
    }
    let session = one.id;
    for bad in [vec![b], vec![b, b], vec![b, d, a], vec![]] {
        let refused = store
            .write(move |conn| tasks::reorder(conn, session, &bad))
            .await;
        assert_eq!(refused.unwrap_err().code(), "bad_order");
    }
    store
        .write(move |conn| tasks::reorder(conn, session, &[d, b]))
        .await
        .unwrap();
    let waiting = store
        .read(move |conn| tasks::waiting(conn, session))
        .await
        .unwrap();
    assert_eq!(
        waiting.iter().map(|task| task.id).collect::<Vec<_>>(),
        [d, b]
    );
    let current = store
        .read(move |conn| tasks::current(conn, session))
        .await
        .unwrap();
    assert_eq!(current.unwrap().id, a);
}

pub async fn a_turn_that_its_provider_refused_waits_first_in_line(store: Store) {
    let (_, one) = owned(&store).await;
    let work = one.clone();
    let ids: Vec<TaskId> = store
        .write(move |conn| {
            let texts = ["a", "b"];
            let made = texts
                .iter()
                .map(|text| Ok(accept(conn, &work, text)?.placement.task));
            made.collect()
        })
        .await
        .unwrap();
    let to = |state, reason: Option<&str>| {
        let step = TaskMove {
            reason: reason.map(str::to_owned),
            ..TaskMove::new(ids[0], state, Timestamp(8))
        };
        only(&one, vec![Change::Task(step.into())])
    };
    let commit = |batch: Batch| store.write(move |conn| journal::commit(conn, 1, &[batch]));
    commit(to(TaskState::Dispatching, None)).await.unwrap();
    commit(to(TaskState::Running, None)).await.unwrap();
    for other in [None, Some("given_back")] {
        let refused = commit(to(TaskState::Queued, other)).await;
        assert!(refused.is_err(), "a running task waits again for {other:?}");
    }
    let limited = Some(crate::domain::task::RATE_LIMITED);
    commit(to(TaskState::Queued, limited)).await.unwrap();
    let session = one.id;
    let waiting = store
        .read(move |conn| tasks::waiting(conn, session))
        .await
        .unwrap();
    let order: Vec<TaskId> = waiting.iter().map(|task| task.id).collect();
    assert_eq!(order, ids);
    assert_eq!(waiting[0].reason.as_deref(), limited);
    commit(to(TaskState::Dispatching, None)).await.unwrap();
    let id = ids[0];
    let again = store
        .read(move |conn| tasks::by_id(conn, id))
        .await
        .unwrap();
    assert_eq!(again.unwrap().reason, None, "the next attempt begins anew");
}

pub async fn questions_are_answered_once(store: Store) {
    let (ann, one) = owned(&store).await;
    let (bob, two) = owned(&store).await;
    let (early, late, other) = (question(&one, 10), question(&one, 20), question(&two, 15));
    let changes = vec![
        Change::Asked(late.clone().into()),
        Change::Asked(early.clone().into()),
    ];
    let asked = [
        only(&one, changes),
        only(&two, vec![Change::Asked(other.clone().into())]),
    ];
    store
        .write(move |conn| journal::commit(conn, 1, &asked))
        .await
        .unwrap();
    let pending = |owner| store.read(move |conn| approvals::pending(conn, owner));
    assert_eq!(
        pending(None).await.unwrap(),
        [early.clone(), other.clone(), late.clone()]
    );
    assert_eq!(pending(Some(bob.id)).await.unwrap(), [other]);
    assert_eq!(pending(Some(ann.id)).await.unwrap().len(), 2);
    let answer = |to, by: &str| Change::Resolved {
        id: early.id,
        to,
        by: by.into(),
        response: Some("ok".into()),
        at: Timestamp(30),
    };
    for change in [
        answer(ApprovalState::Approved, "ann"),
        answer(ApprovalState::Denied, "bob"),
    ] {
        let batch = only(&one, vec![change]);
        store
            .write(move |conn| journal::commit(conn, 1, &[batch]))
            .await
            .unwrap();
    }
    let id = early.id;
    let answered = store
        .read(move |conn| approvals::by_id(conn, id))
        .await
        .unwrap()
        .unwrap();
    let expected = Approval {
        state: ApprovalState::Approved,
        resolved_at: Some(Timestamp(30)),
        resolved_by: Some("ann".into()),
        response: Some("ok".into()),
        ..early
    };
    assert_eq!(answered, expected);
    assert_eq!(
        store
            .write(|conn| approvals::shift_expiry(conn, 1_000))
            .await
            .unwrap(),
        2
    );
    let session = one.id;
    let left = store
        .read(move |conn| approvals::pending_of(conn, session))
        .await
        .unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(
        left[0].expires_at,
        late.expires_at.map(|at| at.plus_ms(1_000))
    );
}

pub async fn a_decided_question_waits_for_its_program_and_for_nobody_else(store: Store) {
    let (ann, one) = owned(&store).await;
    let decided = Approval {
        state: ApprovalState::Approved,
        resolved_by: Some("override:1".into()),
        expires_at: None,
        ..question(&one, 10)
    };
    let asked = only(&one, vec![Change::Asked(decided.clone().into())]);
    store
        .write(move |conn| journal::commit(conn, 1, &[asked]))
        .await
        .unwrap();
    let (owner, id) = (ann.id, one.id);
    let look = || {
        store.read(move |conn| {
            let shown = sessions::overview(conn, id)?.map(|row| row.pending_approvals);
            let people = approvals::pending(conn, Some(owner))?;
            let open = approvals::pending_of(conn, id)?;
            Ok((shown, people, open, sessions::unsettled(conn)?.len()))
        })
    };
    // A recovery finds it, so that the program gets its answer.
    assert_eq!(
        look().await.unwrap(),
        (Some(0), vec![], vec![decided.clone()], 1)
    );
    let given = Change::Resolved {
        id: decided.id,
        to: ApprovalState::Approved,
        by: "override:1".into(),
        response: None,
        at: Timestamp(20),
    };
    let given = only(&one, vec![given]);
    store
        .write(move |conn| journal::commit(conn, 1, &[given]))
        .await
        .unwrap();
    assert_eq!(look().await.unwrap(), (Some(0), vec![], vec![], 0));
}
