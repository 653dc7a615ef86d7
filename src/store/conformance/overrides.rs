//! Overrides, and how a session is driven.
//!
//! Never the decision itself: the rows are found, the core decides.

use crate::domain::*;
use crate::store::fixture::*;
use crate::store::overrides::{Request, by_id, list, matching, remove};
use crate::store::*;

fn rule(session: &Session, of: Option<SessionId>, matcher: Matcher) -> Override {
    Override {
        id: OverrideId::generate(),
        owner: session.owner,
        session: of,
        kind: session.kind,
        tool: "bash".into(),
        matcher,
        approved: true,
        by: "ann".into(),
        created_at: Timestamp(7),
    }
}

fn command(text: &str) -> Matcher {
    Matcher::Command(text.into())
}

fn request(session: &Session, matcher: Matcher) -> Request {
    Request {
        owner: session.owner,
        session: session.id,
        kind: session.kind,
        tool: "bash".into(),
        matcher,
    }
}

/// Commits them as the answer of a person does.
async fn keep(store: &Store, session: &Session, rules: &[&Override]) {
    let changes = rules
        .iter()
        .map(|rule| Change::Remembered(Box::new((*rule).clone())));
    let batch = only(session, changes.collect());
    let commit = store.write(move |conn| journal::commit(conn, 1, &[batch]));
    commit.await.unwrap();
}

async fn found(store: &Store, asked: Request) -> Vec<Override> {
    let read = store.read(move |conn| matching(conn, &asked)).await;
    read.unwrap()
}

pub async fn an_override_is_found_by_exactly_its_request(store: Store) {
    let (_, one) = owned(&store).await;
    let other = Session {
        kind: Kind::Script,
        ..session(one.owner)
    };
    let sibling = session(one.owner);
    let stored = [other.clone(), sibling.clone()];
    store
        .write(move |conn| stored.iter().try_for_each(|one| add(conn, one)))
        .await
        .unwrap();
    let (_, stranger) = owned(&store).await;
    let here = rule(&one, Some(one.id), command("ls"));
    let everywhere = Override {
        approved: false,
        ..rule(&one, None, command("ls"))
    };
    let path = rule(&one, None, Matcher::Path("/a".into()));
    let tool = rule(&one, None, Matcher::Tool);
    keep(&store, &one, &[&here, &everywhere, &path, &tool]).await;

    let both = found(&store, request(&one, command("ls"))).await;
    assert_eq!(both.len(), 2);
    assert!(both.contains(&here) && both.contains(&everywhere));
    let sibling_finds = found(&store, request(&sibling, command("ls"))).await;
    assert_eq!(sibling_finds, [everywhere]);
    let at = |path: &str| request(&one, Matcher::Path(path.into()));
    assert_eq!(found(&store, at("/a")).await, [path]);
    assert_eq!(found(&store, request(&one, Matcher::Tool)).await, [tool]);
    for nothing in [
        request(&one, command("ls ")),
        request(&one, command("LS")),
        request(&one, command("")),
        at("/a/b"),
        at("ls"),
        request(&other, command("ls")),
        request(&stranger, command("ls")),
        Request {
            tool: "Bash".into(),
            ..request(&one, command("ls"))
        },
    ] {
        assert_eq!(found(&store, nothing.clone()).await, [], "{nothing:?}");
    }
}

pub async fn a_newer_answer_takes_the_place_of_the_older(store: Store) {
    let (_, one) = owned(&store).await;
    let here = rule(&one, Some(one.id), Matcher::Tool);
    let everywhere = rule(&one, None, Matcher::Tool);
    let newer = Override {
        approved: false,
        ..rule(&one, None, Matcher::Tool)
    };
    keep(&store, &one, &[&here, &everywhere]).await;
    keep(&store, &one, &[&newer]).await;
    let left = found(&store, request(&one, Matcher::Tool)).await;
    assert_eq!(left.len(), 2);
    assert!(left.contains(&here) && left.contains(&newer));
}

pub async fn overrides_are_listed_paged_and_forgotten(store: Store) {
    let (ann, one) = owned(&store).await;
    let (_, two) = owned(&store).await;
    let rules: Vec<Override> = (0..5)
        .map(|n| Override {
            created_at: Timestamp(n),
            ..rule(&one, (n < 2).then_some(one.id), command(&n.to_string()))
        })
        .collect();
    keep(&store, &one, &rules.iter().collect::<Vec<_>>()).await;
    keep(&store, &two, &[&rule(&two, None, Matcher::Tool)]).await;
    let page = |of, range| store.read(move |conn| list(conn, of, range));
    let of_ann = (Some(ann.id), None);
    let (items, total) = page(of_ann, (1, 2)).await.unwrap();
    assert_eq!(
        (items, total),
        (vec![rules[3].clone(), rules[2].clone()], 5)
    );
    assert_eq!(page((None, None), (0, 100)).await.unwrap().1, 6);
    assert_eq!(
        page((Some(ann.id), Some(one.id)), (0, 9)).await.unwrap().1,
        2
    );

    let id = rules[4].id;
    assert_eq!(
        store.read(move |conn| by_id(conn, id)).await.unwrap(),
        Some(rules[4].clone())
    );
    assert!(store.write(move |conn| remove(conn, id)).await.unwrap());
    assert!(!store.write(move |conn| remove(conn, id)).await.unwrap());
    assert_eq!(store.read(move |conn| by_id(conn, id)).await.unwrap(), None);
    // Those of a deleted session go with it.
    let gone = only(&one, vec![Change::Archived(Timestamp(9))]);
    store
        .write(move |conn| journal::commit(conn, 1, &[gone]))
        .await
        .unwrap();
    let (left, _) = page(of_ann, (0, 9)).await.unwrap();
    assert_eq!(left, [rules[3].clone(), rules[2].clone()]);
}

pub async fn a_tuning_changes_what_it_names(store: Store) {
    let (_, one) = owned(&store).await;
    let id = one.id;
    for (tuning, mode, model) in [
        (
            Tuning {
                permission_mode: Some(PermissionMode::Plan),
                model: Some(Some("m".into())),
            },
            PermissionMode::Plan,
            Some("m"),
        ),
        (Tuning::default(), PermissionMode::Plan, Some("m")),
        (
            Tuning {
                permission_mode: Some(PermissionMode::DontAsk),
                model: None,
            },
            PermissionMode::DontAsk,
            Some("m"),
        ),
        (
            Tuning {
                permission_mode: None,
                model: Some(None),
            },
            PermissionMode::DontAsk,
            None,
        ),
    ] {
        let batch = only(&one, vec![Change::Tuned(Box::new(tuning))]);
        store
            .write(move |conn| journal::commit(conn, 1, &[batch]))
            .await
            .unwrap();
        let now = store.read(move |conn| sessions::by_id(conn, id));
        let now = now.await.unwrap().unwrap();
        assert_eq!((now.permission_mode, now.model.as_deref()), (mode, model));
    }
}
