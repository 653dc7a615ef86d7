//! Missions: the word beside the status, the loaded one, what comes from another, and their events.
//!
//! Never a word that the facts do not give.

use crate::domain::Outcome;
use crate::domain::*;
use crate::store::fixture::*;
use crate::store::loaded::Load;
use crate::store::sessions::{Filter, Order, missions};
use crate::store::*;

async fn listed(store: &Store, words: &[Mission]) -> Vec<SessionId> {
    let filter = Filter {
        missions: words.to_vec(),
        order: Order::Newest,
        ..Filter::default()
    };
    let page = store.session_page(filter, 0, 10).await.unwrap().0;
    page.into_iter().map(|row| row.session.id).collect()
}

pub async fn a_mission_is_found_by_its_word_and_old_rows_are_reckoned(store: Store) {
    let (_, one) = owned(&store).await;
    let (_, two) = owned(&store).await;
    assert_eq!(listed(&store, &[Mission::Pending]).await.len(), 2);
    let facts = Facts {
        turns: 1,
        last_outcome: Some(Outcome::Completed),
        incarnation: Incarnation(1),
        process: Process::Live {
            pid: 7,
            since: Timestamp(1),
        },
        ..Facts::default()
    };
    let batch = only(&two, vec![Change::Facts(Box::new(facts))]);
    store
        .write(move |conn| journal::commit(conn, 1, &[batch]))
        .await
        .unwrap();
    assert_eq!(listed(&store, &[Mission::Completed]).await, [two.id]);
    assert_eq!(listed(&store, &[Mission::Pending]).await, [one.id]);
    assert_eq!(listed(&store, &Mission::ALL).await.len(), 2);
    // As an earlier version left them.
    let forget = |conn: &mut Connection| {
        use diesel::prelude::*;
        use schema::sessions;
        diesel::update(sessions::table)
            .set(sessions::mission.eq(""))
            .execute(conn)?;
        Ok(())
    };
    store.write(forget).await.unwrap();
    assert!(listed(&store, &Mission::ALL).await.is_empty());
    assert_eq!(store.write(missions::reckon).await.unwrap(), 2);
    assert_eq!(store.write(missions::reckon).await.unwrap(), 0);
    assert_eq!(listed(&store, &[Mission::Completed]).await, [two.id]);
}

pub async fn what_was_chosen_stays_loaded(store: Store) {
    let (ann, one) = owned(&store).await;
    let loads = |session: SessionId, how| {
        let user = ann.id;
        store.write(move |conn| {
            loaded::put(conn, user, (session, how), Timestamp(1))?;
            loaded::of(conn, user)
        })
    };
    let two = Session {
        id: SessionId::generate(),
        ..session(ann.id)
    };
    let other = two.clone();
    store.write(move |conn| add(conn, &other)).await.unwrap();
    let user = ann.id;
    let none = store.read(move |conn| loaded::of(conn, user)).await;
    assert_eq!(none.unwrap(), None);
    assert_eq!(loads(one.id, Load::Made).await.unwrap(), Some(one.id));
    assert_eq!(loads(two.id, Load::Made).await.unwrap(), Some(two.id));
    assert_eq!(loads(one.id, Load::Chosen).await.unwrap(), Some(one.id));
    assert_eq!(loads(two.id, Load::Made).await.unwrap(), Some(one.id));
    let gone = only(&one, vec![Change::Archived(Timestamp(5))]);
    store
        .write(move |conn| journal::commit(conn, 1, &[gone]))
        .await
        .unwrap();
    let none = store.read(move |conn| loaded::of(conn, user)).await;
    assert_eq!(none.unwrap(), None, "a deleted one");
    assert_eq!(loads(two.id, Load::Made).await.unwrap(), Some(two.id));
}

pub async fn what_comes_from_a_session_is_found_by_generations(store: Store) {
    let (ann, root) = owned(&store).await;
    let below = |parent: SessionId, reason| Session {
        id: SessionId::generate(),
        parent: Some(Parent {
            session: parent,
            reason,
        }),
        ..session(ann.id)
    };
    let child = below(root.id, ParentReason::Agent);
    let fork = below(root.id, ParentReason::Fork);
    let grandchild = below(child.id, ParentReason::Agent);
    for one in [&child, &fork, &grandchild] {
        let one = one.clone();
        store.write(move |conn| add(conn, &one)).await.unwrap();
    }
    let found = |most| {
        let id = root.id;
        store.read(move |conn| missions::descendants(conn, &[id], (most, 32)))
    };
    let all = found(10).await.unwrap();
    let last = all.last().unwrap();
    assert_eq!((all.len(), last.id), (3, grandchild.id));
    assert_eq!(last.parent, grandchild.parent);
    assert_eq!(found(2).await.unwrap().len(), 2);
}

pub async fn events_are_read_by_their_place_and_from_the_end(store: Store) {
    let (_, session) = owned(&store).await;
    let batch = batch(&session, 1, 30);
    let size = batch.events[0].data.len();
    store
        .write(move |conn| journal::commit(conn, 1, &[batch]))
        .await
        .unwrap();
    let id = session.id;
    let at = |offset, bound| {
        let read = move |conn: &mut Connection| events::at_place(conn, (id, None), offset, bound);
        store.read(read)
    };
    let seqs = |found: &[Event]| found.iter().map(|event| event.seq).collect::<Vec<_>>();
    let (found, cut) = at(3, (4, usize::MAX)).await.unwrap();
    assert_eq!((seqs(&found), cut), (vec![4, 5, 6, 7], false));
    let (found, cut) = at(0, (10, size * 2 + 1)).await.unwrap();
    assert!(found.len() < 10 && !found.is_empty() && cut, "{found:?}");
    let (found, cut) = at(29, (10, 1)).await.unwrap();
    assert_eq!((seqs(&found), cut), (vec![30], false));
    assert!(at(30, (10, 1)).await.unwrap().0.is_empty());
    let kinds: Vec<EventKind> = EventKind::ALL.into();
    let last = store.read(move |conn| events::last_of(conn, id, &kinds, (5, 100)));
    assert_eq!(seqs(&last.await.unwrap()), [26, 27, 28, 29, 30]);
    let times = store.read(move |conn| events::times(conn, &[(id, 30), (id, 31)]));
    assert_eq!(times.await.unwrap().len(), 1);
}
