//! Sessions, and what lists and the recovery see of them.
//!
//! Never the events themselves.

use crate::domain::change::TaskMove;
use crate::domain::*;
use crate::store::fixture::*;
use crate::store::sessions::{Filter, NewSessionRow, Order};
use crate::store::*;

pub async fn a_session_reads_back_as_it_was_stored(store: Store) {
    let (ann, _) = owned(&store).await;
    let mut whole = Session {
        name: Some("deploy".into()),
        kind: Kind::Script,
        model: Some("m".into()),
        permission_mode: PermissionMode::AcceptEdits,
        scenario: Some("flood".into()),
        options: Options {
            agent: Some("reviewer".into()),
            effort: Some("high".into()),
            mcp_servers: vec!["notes".into()],
            fork_of: Some("c".into()),
            forked_from: Some(SessionId::generate()),
            limits: SessionLimits {
                spend_micro_usd: Some(1),
                turns: Some(2),
                busy_ms: Some(3),
                turn_ms: Some(4),
            },
        },
        topic: Some("t".into()),
        archived_at: None,
        parent: None,
        // Not what the facts say: the stored status follows from the facts.
        status: Status::Busy,
        ..session(ann.id)
    };
    let stored = whole.clone();
    let insert = move |conn: &mut Connection| {
        let new = NewSessionRow {
            session: &stored,
            env_blob: Some(vec![0, 1, 255]),
        };
        sessions::insert(conn, &new)
    };
    store.write(insert).await.unwrap();
    whole.status = Status::Created;
    let id = whole.id;
    let found =
        store.read(move |conn| Ok((sessions::by_id(conn, id)?, sessions::env_blob(conn, id)?)));
    assert_eq!(
        found.await.unwrap(),
        (Some(whole.clone()), Some(vec![0, 1, 255]))
    );
    let twin = Session {
        name: whole.name.clone(),
        ..session(ann.id)
    };
    let clash = store.write(move |conn| add(conn, &twin)).await;
    assert!(matches!(clash, Err(StoreError::Conflict(_))));
    let missing = SessionId::generate();
    let none = store
        .read(move |conn| sessions::env_blob(conn, missing))
        .await;
    assert_eq!(none, Err(StoreError::NotFound));
}

pub async fn lists_filter_count_and_page(store: Store) {
    let (ann, first) = owned(&store).await;
    let (bob, _) = owned(&store).await;
    let make = |place: i64| Session {
        created_at: Timestamp(10_000 + place),
        kind: if place % 2 == 0 {
            Kind::Script
        } else {
            Kind::Shell
        },
        group: first.id,
        ..session(ann.id)
    };
    let made: Vec<Session> = (0..7).map(make).collect();
    let stored = made.clone();
    store
        .write(move |conn| stored.iter().try_for_each(|one| add(conn, one)))
        .await
        .unwrap();
    let list = |filter: Filter, offset, limit| {
        store.read(move |conn| sessions::list(conn, &filter, offset, limit))
    };
    let of_ann = Filter {
        owner: Some(ann.id),
        ..Filter::default()
    };
    let (page, total) = list(of_ann.clone(), 1, 3).await.unwrap();
    assert_eq!(total, 8);
    let expected: Vec<_> = made
        .iter()
        .rev()
        .skip(1)
        .take(3)
        .map(|one| one.id)
        .collect();
    assert_eq!(page.iter().map(|one| one.id).collect::<Vec<_>>(), expected);
    let scripts = Filter {
        kinds: vec![Kind::Script],
        group: Some(first.id),
        statuses: vec![Status::Created, Status::Idle],
        order: Order::Oldest,
        ..of_ann.clone()
    };
    let (page, total) = list(scripts, 0, 100).await.unwrap();
    assert_eq!((page.len(), total), (4, 4));
    assert_eq!(page[0].id, made[0].id);
    let idle = Filter {
        statuses: vec![Status::Idle],
        ..of_ann.clone()
    };
    assert_eq!(list(idle, 0, 100).await.unwrap().1, 0);
    let gone = only(&made[0], vec![Change::Archived(Timestamp(9))]);
    store
        .write(move |conn| journal::commit(conn, 1, &[gone]))
        .await
        .unwrap();
    assert_eq!(list(of_ann.clone(), 0, 100).await.unwrap().1, 7);
    let all = Filter {
        include_archived: true,
        ..of_ann
    };
    assert_eq!(list(all, 0, 0).await.unwrap().1, 8);
    assert_eq!(list(Filter::default(), 0, 1).await.unwrap().1, 8);
    let of_bob = Filter {
        owner: Some(bob.id),
        order: Order::Changed,
        ..Filter::default()
    };
    assert_eq!(list(of_bob, 0, 10).await.unwrap().1, 1);
}

pub async fn a_session_is_found_by_name_and_by_prefix(store: Store) {
    let (ann, _) = owned(&store).await;
    let (bob, _) = owned(&store).await;
    let at = |id: u128, name: &str| Session {
        id: SessionId(uuid::Uuid::from_u128(id)),
        name: Some(name.into()),
        ..session(ann.id)
    };
    let one = at(0x0a1b_2c3d_0000_4000_8000_0000_0000_0001, "one");
    let two = at(0x0a1b_2c3d_ffff_4000_8000_0000_0000_0001, "two");
    let (first, second) = (one.clone(), two.clone());
    store
        .write(move |conn| {
            add(conn, &first)?;
            add(conn, &second)
        })
        .await
        .unwrap();
    let prefix =
        |owner, text: &'static str| store.read(move |conn| sessions::by_prefix(conn, owner, text));
    assert_eq!(prefix(None, "0a1b2c3d").await.unwrap(), [one.id, two.id]);
    assert_eq!(prefix(Some(ann.id), "0A1B2C3D-F").await.unwrap(), [two.id]);
    assert_eq!(prefix(None, "0a1b2c3dff").await.unwrap(), [two.id]);
    assert!(prefix(Some(bob.id), "0a1b2c3d").await.unwrap().is_empty());
    assert!(prefix(None, "%").await.unwrap().is_empty());
    let by_name =
        |owner, name: &'static str| store.read(move |conn| sessions::by_name(conn, owner, name));
    assert_eq!(by_name(ann.id, "two").await.unwrap().unwrap().id, two.id);
    assert_eq!(by_name(bob.id, "two").await.unwrap(), None);
    // An archived session gives its name back.
    let gone = only(&two, vec![Change::Archived(Timestamp(9))]);
    store
        .write(move |conn| journal::commit(conn, 1, &[gone]))
        .await
        .unwrap();
    assert_eq!(by_name(ann.id, "two").await.unwrap(), None);
    let again = Session {
        name: Some("two".into()),
        ..session(ann.id)
    };
    store.write(move |conn| add(conn, &again)).await.unwrap();
}

pub async fn overviews_carry_what_a_list_shows(store: Store) {
    let (ann, one) = owned(&store).await;
    let asked = question(&one, 10);
    let work = one.clone();
    let running = store
        .write(move |conn| {
            let running = accept(conn, &work, "a")?.placement.task;
            accept(conn, &work, "b")?;
            accept(conn, &work, "c")?;
            let to = TaskMove::new(running, TaskState::Dispatching, Timestamp(5));
            let batch = Batch {
                changes: vec![Change::Task(to.into()), Change::Asked(asked.into())],
                ..batch(&work, 1, 3)
            };
            journal::commit(conn, 1, &[batch])?;
            Ok(running)
        })
        .await
        .unwrap();
    let filter = Filter {
        owner: Some(ann.id),
        ..Filter::default()
    };
    let (list, total) = store
        .read(move |conn| sessions::overviews(conn, &filter, 0, 10))
        .await
        .unwrap();
    assert_eq!((list.len(), total), (1, 1));
    let shown = &list[0];
    assert_eq!(shown.last_seq, 3);
    assert_eq!(shown.queue_depth, 2);
    assert_eq!(shown.turn_task, Some(running));
    assert_eq!(shown.pending_approvals, 1);
    let id = one.id;
    let same = store
        .read(move |conn| sessions::overview(conn, id))
        .await
        .unwrap();
    assert_eq!(same.as_ref(), Some(shown));
}

pub async fn what_recovery_must_look_at_is_found(store: Store) {
    let (ann, quiet) = owned(&store).await;
    let facts = |process| Facts {
        incarnation: Incarnation(1),
        process,
        ..Facts::default()
    };
    let since = Timestamp(1);
    let claims = [
        Process::Waiting { since },
        Process::Starting { since, pid: None },
        Process::Live { pid: 1, since },
        Process::Unattached { pid: 1, since },
        Process::Backoff { next_at: since },
    ];
    let mut wanted: Vec<Session> = Vec::new();
    for process in claims {
        for paused in [false, true] {
            for uncertain in [None, Some(TaskId::generate())] {
                let facts = Facts {
                    paused,
                    uncertain,
                    ..facts(process.clone())
                };
                wanted.push(Session {
                    facts,
                    ..session(ann.id)
                });
            }
        }
    }
    let turn = TurnFact {
        task: TaskId::generate(),
        phase: TurnPhase::Running,
        since,
        cut: None,
    };
    for kind in [StallKind::Quiet, StallKind::Stalled] {
        let facts = Facts {
            turn: Some(turn),
            stall: Some(Stall { kind, since }),
            ..facts(Process::Live { pid: 1, since })
        };
        wanted.push(Session {
            facts,
            ..session(ann.id)
        });
    }
    // Nothing of it runs, and it goes on by itself at its time.
    wanted.push(Session {
        facts: Facts {
            limited_until: Some(since),
            ..facts(Process::None)
        },
        ..session(ann.id)
    });
    let with_task = session(ann.id);
    let with_question = session(ann.id);
    let settled = [
        Session {
            facts: facts(Process::CrashLoop),
            ..session(ann.id)
        },
        Session {
            facts: facts(Process::None),
            ..session(ann.id)
        },
    ];
    let (task, asked, claiming) = (with_task.clone(), with_question.clone(), wanted.clone());
    store
        .write(move |conn| {
            claiming
                .iter()
                .chain(&settled)
                .try_for_each(|one| add(conn, one))?;
            add(conn, &task)?;
            accept(conn, &task, "x")?;
            add(conn, &asked)?;
            approvals::insert(conn, &question(&asked, 1))
        })
        .await
        .unwrap();
    let found = store.read(sessions::unsettled).await.unwrap();
    let mut found: Vec<SessionId> = found.iter().map(|one| one.id).collect();
    let mut expected: Vec<SessionId> = wanted.iter().map(|one| one.id).collect();
    expected.extend([with_task.id, with_question.id]);
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, expected);
    assert!(!found.contains(&quiet.id));
}

pub async fn a_session_whose_last_end_is_unread_is_found(store: Store) {
    let (_, unread) = owned(&store).await;
    let (_, read) = owned(&store).await;
    let began = |one: &Session, number| only(one, vec![Change::Started(life(number).into())]);
    let ended = only(
        &read,
        vec![Change::Ended(exit(2, ExitReason::Crashed).into())],
    );
    // What became of an earlier one is nobody's business any more.
    let batches = [
        began(&unread, 1),
        began(&unread, 2),
        began(&read, 1),
        began(&read, 2),
        ended,
    ];
    store
        .write(move |conn| journal::commit(conn, 1, &batches))
        .await
        .unwrap();
    let found = store.read(sessions::unsettled).await.unwrap();
    let found: Vec<SessionId> = found.iter().map(|one| one.id).collect();
    assert_eq!(found, [unread.id]);
}
