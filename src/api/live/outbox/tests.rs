//! The outbox: against a model in `tests/model.rs`, and case by case.

mod model;

use std::sync::Arc;

use bytestring::ByteString;
use uuid::Uuid;

use super::*;
use crate::app::Rendered;
use crate::domain::{EventKind, SessionId, UserId};
use model::Reader;

fn take(outbox: &Outbox) -> Option<Next> {
    let mut cx = Context::from_waker(Waker::noop());
    match outbox.poll(&mut cx) {
        Poll::Ready(next) => Some(next),
        Poll::Pending => None,
    }
}

fn agent(n: u8) -> SessionId {
    SessionId(Uuid::from_u128(u128::from(n)))
}

fn text(n: u8, seq: u64, bytes: usize) -> ByteString {
    format!("{n} {seq} {}", "x".repeat(bytes)).into()
}

fn event(outbox: &Outbox, n: u8, seq: u64, bytes: usize) -> bool {
    outbox.push(text(n, seq, bytes))
}

fn commit(seqs: std::ops::RangeInclusive<u64>) -> Vec<ByteString> {
    seqs.map(|seq| text(1, seq, 1)).collect()
}

fn piece(n: u8, offset: u64, bytes: usize) -> Arc<Piece> {
    Arc::new(Piece {
        agent: agent(n),
        group: agent(n),
        owner: UserId(Uuid::nil()),
        kind: EventKind::AssistantMessage,
        message: "m".into(),
        offset,
        text: "x".repeat(bytes),
        rendered: Rendered::default(),
    })
}

#[test]
fn the_newest_ping_is_answered_before_frames() {
    let outbox = Outbox::new();
    event(&outbox, 1, 1, 1);
    outbox.pong(Bytes::from_static(b"a"));
    outbox.pong(Bytes::from_static(b"b"));
    assert_eq!(take(&outbox), Some(Next::Pong(Bytes::from_static(b"b"))));
    assert!(matches!(take(&outbox), Some(Next::Frame(Body::Text(_)))));
    assert_eq!(take(&outbox), None);
}

#[test]
fn pieces_that_meet_become_one_frame_and_give_way_to_events() {
    let outbox = Outbox::new();
    outbox.speak(&piece(1, 0, 2));
    outbox.speak(&piece(1, 2, 3));
    event(&outbox, 1, 1, 1);
    outbox.speak(&piece(1, 5, 1));
    let Some(Next::Piece(joined)) = take(&outbox) else {
        panic!("no piece");
    };
    assert_eq!((joined.offset, joined.text.len()), (0, 5));
    assert!(matches!(take(&outbox), Some(Next::Frame(_))));
    assert!(matches!(take(&outbox), Some(Next::Piece(_))));
    assert_eq!(take(&outbox), None);

    // A reader that does not read: every event that fits is there, and no piece is told twice.
    outbox.speak(&piece(1, 6, 1));
    let most = u64::try_from(MAX_FRAMES).unwrap();
    for seq in 2..=most + 1 {
        event(&outbox, 1, seq, 1);
        outbox.speak(&piece(1, 5 + seq, 1));
    }
    assert_eq!(
        outbox.standing(),
        Standing::Open(None),
        "pieces are no overflow"
    );
    for _ in 0..most {
        assert!(matches!(take(&outbox), Some(Next::Frame(_))));
    }
    assert_eq!(take(&outbox), None);
    outbox.speak(&piece(1, 500, 1));
    assert!(matches!(take(&outbox), Some(Next::Piece(piece)) if piece.offset == 500));
}

#[test]
fn close_comes_once_and_refuses_more() {
    let outbox = Outbox::new();
    event(&outbox, 1, 1, 1);
    outbox.close(Close::AuthEnded);
    outbox.close(Close::Draining);
    assert!(!event(&outbox, 1, 2, 1));
    assert_eq!(take(&outbox), Some(Next::Close(Close::AuthEnded)));
    assert_eq!(take(&outbox), Some(Next::Over));
    assert_eq!(outbox.standing(), Standing::Closing(Close::AuthEnded));
}

#[tokio::test(start_paused = true)]
async fn being_behind_is_remembered_until_there_is_room() {
    let outbox = Outbox::new();
    assert_eq!(outbox.offer(commit(1..=256), || true), Offered::Taken);
    assert_eq!(outbox.standing(), Standing::Open(None));
    assert_eq!(outbox.offer(commit(257..=257), || true), Offered::Later);
    let since = Instant::now();
    assert_eq!(outbox.standing(), Standing::Open(Some(since)));
    tokio::time::advance(Duration::from_secs(3)).await;
    assert_eq!(outbox.offer(commit(257..=258), || true), Offered::Later);
    assert_eq!(outbox.standing(), Standing::Open(Some(since)));
    for _ in 0..199 {
        take(&outbox);
    }
    assert_eq!(outbox.standing(), Standing::Open(Some(since)));
    take(&outbox);
    assert_eq!(outbox.standing(), Standing::Open(None));
}

#[tokio::test(start_paused = true)]
async fn replies_push_nothing_out_and_who_reads_none_is_closed() {
    let outbox = Outbox::new();
    assert_eq!(outbox.offer(commit(1..=256), || true), Offered::Taken);
    // Commands wait once there are many answers; those that come all the same are kept.
    for number in 1..=127 {
        assert!(outbox.reply(ByteString::from(format!("reply {number}"))));
    }
    assert_eq!(outbox.wait_calm().now_or_never(), Some(true));
    assert!(outbox.reply(ByteString::from("reply 128")));
    let since = Instant::now();
    let mut waiting = std::pin::pin!(outbox.wait_calm());
    let brief = tokio::time::timeout(Duration::from_secs(1), waiting.as_mut());
    assert!(brief.await.is_err());
    assert_eq!(outbox.standing(), Standing::Open(Some(since)));
    let mut reader = Reader::default();
    for _ in 0..257 {
        reader.read(take(&outbox).unwrap());
    }
    assert_eq!((reader.known[&1], reader.replies), (256, 1));
    assert!(waiting.await);

    let most = u64::try_from(MAX_REPLIES).unwrap();
    for number in 129..=most + 1 {
        assert!(outbox.reply(ByteString::from(format!("reply {number}"))));
    }
    assert!(!outbox.reply(ByteString::from("reply")));
    assert_eq!(outbox.standing(), Standing::Closing(Close::TooSlow));

    // Few large ones are as many.
    let outbox = Outbox::new();
    let large = ByteString::from("x".repeat(MAX_REPLY_BYTES / 4));
    for _ in 0..4 {
        assert!(outbox.reply(large.clone()));
    }
    assert!(!outbox.reply(ByteString::from("x")));
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_does_not_fit_is_no_gap_for_a_reader_that_reads() {
    let outbox = Outbox::new();
    let mut reader = Reader::default();
    assert_eq!(outbox.offer(commit(1..=200), || true), Offered::Taken);
    // Pieces of messages give way to it.
    outbox.speak(&piece(2, 0, 4));
    assert_eq!(outbox.offer(commit(201..=256), || true), Offered::Taken);
    let since = Instant::now();
    assert_eq!(outbox.offer(commit(257..=900), || true), Offered::Later);
    assert_eq!(outbox.standing(), Standing::Open(Some(since)));
    // Whoever brings it pages on.
    for seq in 257..=900 {
        tokio::time::advance(Duration::from_millis(20)).await;
        while let Some(next) = take(&outbox) {
            reader.read(next);
        }
        assert!(outbox.wait_room_behind().await);
        assert!(event(&outbox, 1, seq, 1));
    }
    while let Some(next) = take(&outbox) {
        reader.read(next);
    }
    assert_eq!(reader.known[&1], 900);
    assert_eq!(outbox.standing(), Standing::Open(None));
    // It stops reading in the middle of its way.
    for seq in 901..=957 {
        assert!(event(&outbox, 1, seq, 1));
    }
    let mut waiting = std::pin::pin!(outbox.wait_room_behind());
    let since = Instant::now();
    let brief = tokio::time::timeout(Duration::from_secs(3), waiting.as_mut());
    assert!(brief.await.is_err());
    assert_eq!(outbox.standing(), Standing::Open(Some(since)));
    // And goes on.
    reader.read(take(&outbox).unwrap());
    assert!(waiting.await);
    assert_eq!(outbox.standing(), Standing::Open(None));
    outbox.finish();
    assert!(!outbox.wait_room_behind().await);
    assert_eq!(outbox.offer(commit(958..=958), || true), Offered::Over);
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_never_fits_starts_no_clock_and_takes_no_pieces() {
    let outbox = Outbox::new();
    outbox.speak(&piece(2, 0, 4));
    assert_eq!(outbox.offer(commit(1..=257), || true), Offered::Later);
    assert_eq!(outbox.standing(), Standing::Open(None));
    assert!(matches!(take(&outbox), Some(Next::Piece(_))));
    assert_eq!(take(&outbox), None);
}

#[tokio::test(start_paused = true)]
async fn a_replay_waits_for_room_and_ends_with_the_connection() {
    let outbox = Arc::new(Outbox::new());
    for seq in 1..=100 {
        event(&outbox, 1, seq, 1);
    }
    let other = Arc::clone(&outbox);
    let waiting = tokio::spawn(async move { other.wait_room().await });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    for _ in 0..44 {
        take(&outbox);
    }
    assert!(waiting.await.unwrap());

    for seq in 101..=200 {
        event(&outbox, 1, seq, 1);
    }
    let other = Arc::clone(&outbox);
    let waiting = tokio::spawn(async move { other.wait_room().await });
    tokio::task::yield_now().await;
    outbox.finish();
    assert!(!waiting.await.unwrap());
}
