//! Texts and failures that two databases are prone to treat differently.
//!
//! Never a language: texts are bytes to the store.

use diesel::{ExpressionMethods, QueryDsl, RunQueryDsl};

use crate::domain::change::TaskMove;
use crate::domain::*;
use crate::store::fixture::*;
use crate::store::schema::meta as rows;
use crate::store::*;

pub async fn texts_are_ordered_by_their_bytes(store: Store) {
    let keys = ["-", "B", "Z", "_", "a", "a-b", "ab", "\u{e4}"];
    let (sorted, above) = store
        .write(move |conn| {
            for key in ["ab", "a-b", "\u{e4}", "_", "Z", "a", "-", "B"] {
                meta::set(conn, key, "here")?;
            }
            let here = rows::table.filter(rows::value.eq("here")).select(rows::key);
            let sorted: Vec<String> = here.order(rows::key.asc()).load(conn)?;
            let above: Vec<String> = here
                .filter(rows::key.gt("Z"))
                .order(rows::key.desc())
                .load(conn)?;
            Ok((sorted, above))
        })
        .await
        .unwrap();
    assert_eq!(sorted, keys);
    assert_eq!(above, ["\u{e4}", "ab", "a-b", "a", "_"]);
}

/// Agents print what they like, and PostgreSQL takes no NUL in a text.
pub async fn a_nul_is_kept_out_of_every_text(store: Store) {
    let (_, one) = owned(&store).await;
    let session = one.clone();
    let task = store
        .write(move |conn| Ok(accept(conn, &session, "a\0b")?.placement.task))
        .await
        .unwrap();
    let step = |to, text: Option<&str>| {
        Change::Task(Box::new(TaskMove {
            task,
            to,
            reason: text.map(|_| "c\0d".to_owned()),
            incarnation: None,
            attempt: None,
            text: text.map(str::to_owned),
            usage: None,
            at: Timestamp(1),
        }))
    };
    let mut asked = question(&one, 9_000);
    asked.summary = "e\0f".to_owned();
    asked.request = "r\0".to_owned();
    let id = asked.id;
    let changes = vec![
        step(TaskState::Dispatching, None),
        step(TaskState::Running, None),
        Change::Asked(Box::new(asked)),
        step(TaskState::Failed, Some("g\0h")),
    ];
    let batch = only(&one, changes);
    let (task, asked) = store
        .write(move |conn| {
            journal::commit(conn, 1, &[batch])?;
            Ok((tasks::by_id(conn, task)?, approvals::by_id(conn, id)?))
        })
        .await
        .unwrap();
    let (task, asked) = (task.unwrap(), asked.unwrap());
    assert_eq!(task.prompt, "a\u{fffd}b");
    assert_eq!(task.reason.as_deref(), Some("c\u{fffd}d"));
    assert_eq!(task.text.as_deref(), Some("g\u{fffd}h"));
    assert_eq!(
        (asked.summary.as_str(), asked.request.as_str()),
        ("e\u{fffd}f", "r\u{fffd}")
    );
    let owner = one.owner;
    let name = store.read(move |conn| sessions::by_name(conn, owner, "no\0ne"));
    assert!(matches!(name.await, Ok(None) | Err(StoreError::Domain(_))));
}

/// PostgreSQL gives up a transaction at its first error, and a COMMIT of it says nothing.
pub async fn what_failed_inside_of_a_write_is_not_kept(store: Store) {
    let (ann, _) = owned(&store).await;
    let swallowed = store
        .write(move |conn| {
            meta::set(conn, "k", "v")?;
            let twice = users::insert(conn, &ann);
            assert!(matches!(twice, Err(StoreError::Conflict(_))));
            Ok(())
        })
        .await;
    let kept = store.read(|conn| meta::get(conn, "k")).await.unwrap();
    assert_eq!(swallowed.is_ok(), kept.is_some(), "it was said to be kept");
}
