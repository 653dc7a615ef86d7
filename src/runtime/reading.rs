//! Reads of one agent's events: from the ring, from the journal where the ring is too short.
//!
//! Never shows what is not committed, and never leaves out a number without saying so.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix::Addr;
use tokio::time::Instant;

use crate::domain::{After, Error, Result, Session, SessionId, TaskId, TaskState};
use crate::store;

use super::context::Shared;
use super::directory::Handles;
use super::facade::{Gap, Page, Poll};
use super::feed::{Feed, Look, Read};
use super::handle::Runtime;
use super::published::Published;
use super::ring::RING_EVENTS;
use super::window::Window;

/// Longest wait between two looks at a task that may end without an event (a withdrawn one).
const LOOK: Duration = Duration::from_secs(2);

/// One page.
pub(super) async fn page(
    shared: &Shared,
    handles: &Handles,
    session: &Session,
    poll: &Poll,
) -> Result<Page> {
    let after = match poll.after {
        After::Latest => return end(shared, handles, session.id).await,
        After::Seq(seq) => Some(seq),
        After::Oldest => None,
    };
    let read = Read {
        after,
        limit: poll.limit,
        kinds: poll.kinds.clone(),
    };
    let look = look(&handles.feed, read).await?;
    let oldest = oldest(shared, &handles.window, session.id).await?;
    match look {
        Look::Ring { events, latest, .. } if removed(after, &events, (oldest, latest)) => {
            // The ring outlives what retention removed; a reader is told all the same.
            let after = after.unwrap_or(oldest.saturating_sub(1));
            stored(shared, session, poll, (after, latest)).await
        }
        Look::Ring {
            events,
            next,
            latest,
        } => Ok(Page {
            live: true,
            events,
            next,
            more: next < latest,
            oldest,
            latest,
            gap: None,
        }),
        Look::Ahead { latest } => Err(Error::EpochChanged {
            epoch: shared.epoch.clone(),
            latest_seq: latest,
        }),
        Look::Behind { latest } => {
            // A ring that was emptied is shown as it would be.
            let whole = u64::try_from(RING_EVENTS).unwrap_or(u64::MAX);
            let ring = latest.saturating_sub(whole).max(oldest.saturating_sub(1));
            stored(shared, session, poll, (after.unwrap_or(ring), latest)).await
        }
    }
}

/// Whether retention removed something that the ring would show, or what a cursor waits for.
pub(super) fn removed(
    after: Option<u64>,
    events: &[Arc<Published>],
    (oldest, latest): (u64, u64),
) -> bool {
    match after {
        Some(after) => after < latest && oldest > after.saturating_add(1),
        None => events.iter().any(|event| event.event.seq < oldest),
    }
}

/// The page behind the last event: empty, with the number to go on from.
async fn end(shared: &Shared, handles: &Handles, id: SessionId) -> Result<Page> {
    let nothing = Read {
        after: None,
        limit: 0,
        kinds: None,
    };
    let (Look::Ring { latest, .. } | Look::Behind { latest }) =
        look(&handles.feed, nothing).await?
    else {
        return Err(Error::internal("a ring without an end"));
    };
    Ok(Page {
        live: true,
        events: vec![],
        next: latest,
        more: false,
        oldest: oldest(shared, &handles.window, id).await?,
        latest,
        gap: None,
    })
}

async fn look(feed: &Addr<Feed>, read: Read) -> Result<Look> {
    feed.send(read)
        .await
        .map_err(|_closed| Error::unavailable("restarting", "the feed is being restarted"))
}

/// The oldest stored number, from the window where retention has not been since.
async fn oldest(shared: &Shared, window: &Window, id: SessionId) -> Result<u64> {
    let retained = shared.retained.load(Ordering::Acquire);
    if let Some(known) = window.oldest(retained) {
        return Ok(known);
    }
    let bounds = shared
        .store
        .read(move |conn| store::events::bounds(conn, id))
        .await?;
    window.note_oldest(bounds.0, retained);
    Ok(bounds.0)
}

/// A page from the journal.
async fn stored(
    shared: &Shared,
    session: &Session,
    poll: &Poll,
    (after, latest): (u64, u64),
) -> Result<Page> {
    let (id, owner, kinds) = (session.id, session.owner, poll.kinds.clone());
    let bound = (poll.limit, poll.bytes);
    // In one snapshot: what is removed between the two would be missing without a word.
    let (oldest, limit, rows) = shared
        .store
        .read(move |conn| {
            let (oldest, _) = store::events::bounds(conn, id)?;
            let kinds = kinds.as_deref();
            let limit = store::events::fit(conn, id, after, bound, kinds)?;
            let rows = store::events::page(conn, id, after, limit, kinds)?;
            Ok((oldest, limit, rows))
        })
        .await?;
    let full = rows.len() == limit;
    let events: Vec<Arc<Published>> = rows
        .into_iter()
        .map(|event| Published::new(event, owner))
        .collect();
    // A filter that matched less than a page has seen everything up to the end.
    let last = events.last().map_or(after, |event| event.event.seq);
    let next = if full { last } else { latest.max(last) };
    let gap = (oldest > after.saturating_add(1)).then(|| Gap {
        from: after.saturating_add(1),
        to: oldest.saturating_sub(1),
    });
    Ok(Page {
        live: false,
        events,
        next,
        more: next < latest,
        oldest,
        latest,
        gap,
    })
}

/// See [`Runtime::wait_task`].
pub(super) async fn wait_task(
    runtime: &Runtime,
    shared: &Shared,
    (session, task): (&Session, TaskId),
    within: Duration,
) -> Result<bool> {
    wait_rows(runtime, session, within, async || {
        let row = shared
            .store
            .read(move |conn| store::tasks::by_id(conn, task))
            .await?;
        let state = row.map(|task| task.state);
        Ok(state.is_none_or(|state| state.ended() || state == TaskState::Uncertain))
    })
    .await
}

/// Waits until the row of a session is as wanted, or gone. Returns whether it is.
pub(super) async fn wait_session(
    runtime: &Runtime,
    shared: &Shared,
    (session, within): (&Session, Duration),
    wanted: impl Fn(&Session) -> bool,
) -> Result<bool> {
    let id = session.id;
    wait_rows(runtime, session, within, async || {
        let row = shared
            .store
            .read(move |conn| store::sessions::by_id(conn, id))
            .await?;
        Ok(row.is_none_or(|row| row.archived_at.is_some() || wanted(&row)))
    })
    .await
}

/// Looks at rows again with every event of a session.
async fn wait_rows(
    runtime: &Runtime,
    session: &Session,
    within: Duration,
    done: impl AsyncFn() -> Result<bool>,
) -> Result<bool> {
    let end = Instant::now() + within;
    loop {
        let tail = Poll {
            after: After::Latest,
            limit: 1,
            bytes: usize::MAX,
            kinds: None,
            wait: Duration::ZERO,
        };
        let latest = runtime.poll(session, tail).await?.latest;
        if done().await? {
            return Ok(true);
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        let news = Poll {
            after: After::Seq(latest),
            limit: 1,
            bytes: usize::MAX,
            kinds: None,
            wait: left.min(LOOK),
        };
        runtime.poll(session, news).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Event, EventKind, Timestamp, UserId};

    #[test]
    fn a_ring_that_outlives_the_rows_is_seen() {
        let agent = SessionId::generate();
        let held = |seq| {
            let event = Event {
                seq,
                pos: seq,
                agent,
                group: agent,
                kind: EventKind::Status,
                at: Timestamp(0),
                data: "{}".into(),
            };
            Published::new(event, UserId::generate())
        };
        let ring = [held(3), held(4), held(5)];
        for (after, oldest, gone) in [
            (Some(2), 1, false),
            (Some(2), 3, false),
            (Some(2), 4, true),
            (Some(4), 5, false),
            (Some(5), 5, false),
            (Some(0), 2, true),
            (None, 3, false),
            (None, 4, true),
        ] {
            assert_eq!(
                removed(after, &ring, (oldest, 5)),
                gone,
                "{after:?} {oldest}"
            );
        }
        // Nothing was ever said.
        assert!(!removed(Some(0), &[], (0, 0)));
    }
}
