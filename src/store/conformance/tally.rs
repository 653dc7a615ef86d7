//! Figures over all rows.
//!
//! Never a figure of one person.

use crate::domain::{Timestamp, status};
use crate::store::fixture::{accept, owned};
use crate::store::*;

pub async fn sessions_and_waiting_tasks_are_counted(store: Store) {
    assert_eq!(
        store.read(tally::count).await.unwrap(),
        tally::Tally::default()
    );
    let (_, one) = owned(&store).await;
    let (_, two) = owned(&store).await;
    let word = status(&one.facts).name().to_owned();
    let counted = store.write(move |conn| {
        for (session, text) in [(&one, "a"), (&one, "b"), (&two, "c")] {
            accept(conn, session, text)?;
        }
        let waiting = tasks::waiting(conn, one.id)?;
        let first = waiting.first().map(|task| task.id);
        tasks::cancel(conn, first.unwrap(), Timestamp(9_000))?;
        tally::count(conn)
    });
    let counted = counted.await.unwrap();
    assert_eq!(counted.sessions, [(word, 2)]);
    assert_eq!(counted.waiting, 2);
    assert_eq!(counted.oldest, Some(Timestamp(4_000)));
}
