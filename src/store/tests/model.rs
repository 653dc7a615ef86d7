//! Whatever is committed, `page`, `tail`, `bounds` and `by_pos` agree with a plain list.

use proptest::prelude::*;

use super::*;
use crate::domain::{Batch, Event, EventKind, Session, UserId};

/// One commit: for each batch, whose session and how many events.
type Commit = Vec<(usize, u64)>;

#[derive(Debug, Clone)]
struct Question {
    session: usize,
    after: u64,
    limit: usize,
    kinds: Option<Vec<EventKind>>,
}

fn commits() -> impl Strategy<Value = Vec<Commit>> {
    let batch = (0_usize..3, 0_u64..40);
    prop::collection::vec(prop::collection::vec(batch, 1..5), 1..6)
}

fn questions() -> impl Strategy<Value = Vec<Question>> {
    let kinds = prop::option::of(prop::sample::subsequence(EventKind::ALL.to_vec(), 0..4));
    let question = (0_usize..3, 0_u64..200, 0_usize..50, kinds);
    let question = question.prop_map(|(session, after, limit, kinds)| Question {
        session,
        after,
        limit,
        kinds,
    });
    prop::collection::vec(question, 1..10)
}

/// The plain list: every event with its owner, in order of commit.
#[derive(Default)]
struct Model {
    all: Vec<(UserId, Event)>,
    pos: u64,
}

impl Model {
    fn of(&self, session: &Session) -> Vec<Event> {
        let own = self
            .all
            .iter()
            .filter(|(_, event)| event.agent == session.id);
        own.map(|(_, event)| event.clone()).collect()
    }

    fn commit(&mut self, session: &Session, count: u64) -> Batch {
        let next = self.of(session).last().map_or(1, |event| event.seq + 1);
        let batch = batch(session, next, count);
        for (draft, seq) in batch.events.iter().zip(next..) {
            self.pos += 1;
            let event = Event {
                seq,
                pos: self.pos,
                agent: session.id,
                group: session.group,
                kind: draft.kind,
                at: draft.at,
                data: draft.data.clone(),
            };
            self.all.push((session.owner, event));
        }
        batch
    }

    fn answer(&self, session: &Session, question: &Question) -> Vec<Event> {
        let matches = |event: &Event| {
            let kinds = question.kinds.as_ref();
            event.seq > question.after && kinds.is_none_or(|kinds| kinds.contains(&event.kind))
        };
        let own = self.of(session).into_iter().filter(matches);
        own.take(question.limit).collect()
    }
}

async fn agree(store: Store, commits: Vec<Commit>, questions: Vec<Question>) {
    let mut sessions = Vec::new();
    for _ in 0..3 {
        sessions.push(owned(&store).await.1);
    }
    let mut model = Model::default();
    for commit in commits {
        let first_pos = model.pos + 1;
        let batches: Vec<Batch> = commit
            .iter()
            .map(|(whose, count)| model.commit(&sessions[*whose], *count))
            .collect();
        let done = store.write(move |conn| journal::commit(conn, first_pos, &batches));
        done.await.unwrap();
    }
    for question in questions {
        let session = sessions[question.session].clone();
        let (id, asked) = (session.id, question.clone());
        let answer = move |conn: &mut Connection| {
            let Question { after, limit, .. } = asked;
            Ok((
                events::page(conn, id, after, limit, asked.kinds.as_deref())?,
                events::tail(conn, id, limit)?,
                events::bounds(conn, id)?,
                events::by_pos(conn, after, None, limit)?,
                events::max_pos(conn)?,
            ))
        };
        let (page, tail, bounds, by_pos, max_pos) = store.read(answer).await.unwrap();
        let own = model.of(&session);
        assert_eq!(page, model.answer(&session, &question));
        assert_eq!(tail, own[own.len().saturating_sub(question.limit)..]);
        let ends = (own.first(), own.last());
        assert_eq!(
            bounds,
            (ends.0.map_or(0, |e| e.seq), ends.1.map_or(0, |e| e.seq))
        );
        let later = model
            .all
            .iter()
            .filter(|(_, event)| event.pos > question.after);
        assert_eq!(
            by_pos,
            later.take(question.limit).cloned().collect::<Vec<_>>()
        );
        assert_eq!(max_pos, model.pos);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn every_way_to_read_agrees_with_a_plain_list(
        commits in commits(),
        questions in questions(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (_dir, store) = sqlite();
        runtime.block_on(agree(store, commits.clone(), questions.clone()));
        let (_fresh, store) = postgres();
        runtime.block_on(agree(store, commits, questions));
    }
}
