//! The outbox against a simple model: order, bounds and exact gaps.

use std::collections::HashMap;
use std::sync::Arc;

use bytestring::ByteString;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::app::Rendered;
use crate::domain::{EventKind, SessionId, UserId};

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

fn event(outbox: &Outbox, n: u8, seq: u64, bytes: usize) -> bool {
    let text = format!("{n} {seq} {}", "x".repeat(bytes));
    let origin = Origin {
        agent: agent(n),
        seq,
        pos: seq * 10,
    };
    outbox.push(ByteString::from(text), Some(origin))
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

#[derive(Debug, Clone)]
enum Step {
    Push { agent: u8, bytes: usize },
    Piece { agent: u8, bytes: usize },
    Reply,
    Take(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0u8..4, prop_oneof![Just(10usize), Just(200), Just(60_000)])
            .prop_map(|(agent, bytes)| Step::Push { agent, bytes }),
        2 => (0u8..4, 1usize..9_000).prop_map(|(agent, bytes)| Step::Piece { agent, bytes }),
        1 => Just(Step::Reply),
        1 => (0usize..40).prop_map(Step::Take),
    ];
    prop::collection::vec(step, 0..1_500)
}

/// What a reader knows of each agent: the last number that it was shown or told to be missing.
#[derive(Default)]
struct Reader {
    known: HashMap<u8, u64>,
    replies: u64,
    /// Where the next piece of each agent's message may begin at the earliest.
    heard: HashMap<SessionId, u64>,
}

impl Reader {
    fn read(&mut self, next: Next) {
        match next {
            Next::Frame(Body::Text(text)) if text.starts_with("reply") => {
                let number: u64 = text.split(' ').nth(1).unwrap().parse().unwrap();
                assert!(number > self.replies, "replies out of order");
                self.replies = number;
            }
            Next::Frame(Body::Text(text)) => {
                let mut words = text.split(' ');
                let agent: u8 = words.next().unwrap().parse().unwrap();
                let seq: u64 = words.next().unwrap().parse().unwrap();
                let known = self.known.entry(agent).or_default();
                assert_eq!(seq, *known + 1, "agent {agent}: a hole or a double");
                *known = seq;
            }
            Next::Gap(gap) => {
                let n = u8::try_from(gap.agent.unwrap().0.as_u128()).unwrap();
                let known = self.known.entry(n).or_default();
                assert_eq!(gap.first, *known + 1, "agent {n}: gap starts elsewhere");
                assert_eq!(gap.dropped, gap.last - gap.first + 1, "agent {n}: count");
                *known = gap.last;
            }
            Next::Piece(piece) => {
                let heard = self.heard.entry(piece.agent).or_default();
                assert!(piece.offset >= *heard, "a piece twice");
                *heard = piece.end();
            }
            other @ (Next::Frame(Body::Binary(_))
            | Next::Pong(_)
            | Next::Ping
            | Next::Close(_)
            | Next::Over) => {
                panic!("unexpected {other:?}")
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_event_is_shown_or_told_missing_in_order(steps in steps()) {
        let outbox = Outbox::new();
        let mut reader = Reader::default();
        let mut sent: HashMap<u8, u64> = HashMap::new();
        let mut replies = 0;
        let mut said: HashMap<u8, u64> = HashMap::new();
        for step in steps {
            match step {
                Step::Push { agent, bytes } => {
                    let seq = sent.entry(agent).or_default();
                    *seq += 1;
                    prop_assert!(event(&outbox, agent, *seq, bytes));
                }
                Step::Piece { agent, bytes } => {
                    let offset = said.entry(agent).or_default();
                    let piece = piece(agent, *offset, bytes);
                    *offset = piece.end();
                    outbox.speak(&piece);
                }
                Step::Reply => {
                    replies += 1;
                    let taken = outbox.push(ByteString::from(format!("reply {replies}")), None);
                    prop_assert!(taken);
                }
                Step::Take(count) => {
                    for _ in 0..count {
                        let Some(next) = take(&outbox) else { break };
                        reader.read(next);
                    }
                }
            }
            prop_assert!(outbox.lock().waiting.is_sound());
        }
        while let Some(next) = take(&outbox) {
            reader.read(next);
        }
        prop_assert_eq!(&reader.known, &sent);
        prop_assert_eq!(reader.replies, replies);
    }
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

#[test]
fn gaps_of_very_many_agents_become_one() {
    let outbox = Outbox::new();
    let total = 2_000u64;
    for n in 1..=total {
        let origin = Origin {
            agent: SessionId(Uuid::from_u128(u128::from(n))),
            seq: 1,
            pos: n,
        };
        assert!(outbox.push(ByteString::from("x"), Some(origin)));
    }
    let (mut shown, mut missing, mut gaps) = (0, 0, 0u64);
    while let Some(next) = take(&outbox) {
        match next {
            Next::Frame(Body::Text(_)) => shown += 1,
            Next::Gap(gap) => {
                missing += gap.dropped;
                gaps += 1;
            }
            other @ (Next::Frame(Body::Binary(_))
            | Next::Piece(_)
            | Next::Pong(_)
            | Next::Ping
            | Next::Close(_)
            | Next::Over) => {
                panic!("unexpected {other:?}")
            }
        }
    }
    assert_eq!(shown + missing, total);
    assert_eq!(gaps, 257);
}

#[tokio::test(start_paused = true)]
async fn being_behind_is_remembered_until_there_is_room() {
    let outbox = Outbox::new();
    for seq in 1..=257 {
        event(&outbox, 1, seq, 1);
    }
    let since = Instant::now();
    assert_eq!(outbox.standing(), Standing::Open(Some(since)));
    tokio::time::advance(Duration::from_secs(3)).await;
    event(&outbox, 1, 258, 1);
    assert_eq!(outbox.standing(), Standing::Open(Some(since)));
    // Its gap is the first of these.
    for _ in 0..200 {
        take(&outbox);
    }
    assert_eq!(outbox.standing(), Standing::Open(Some(since)));
    take(&outbox);
    assert_eq!(outbox.standing(), Standing::Open(None));
}

fn commit(seqs: std::ops::RangeInclusive<u64>) -> Vec<(ByteString, Origin)> {
    let origin = |seq| Origin {
        agent: agent(1),
        seq,
        pos: seq * 10,
    };
    seqs.map(|seq| (ByteString::from(format!("1 {seq} x")), origin(seq)))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_does_not_fit_is_no_gap_for_a_reader_that_reads() {
    let outbox = Outbox::new();
    let mut reader = Reader::default();
    assert_eq!(outbox.offer(commit(1..=200)), Offered::Taken);
    // Pieces of messages give way to it.
    outbox.speak(&piece(2, 0, 4));
    assert_eq!(outbox.offer(commit(201..=256)), Offered::Taken);
    let since = Instant::now();
    assert_eq!(outbox.offer(commit(257..=900)), Offered::Later);
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
    assert_eq!(outbox.offer(commit(958..=958)), Offered::Over);
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_never_fits_starts_no_clock_and_takes_no_pieces() {
    let outbox = Outbox::new();
    outbox.speak(&piece(2, 0, 4));
    assert_eq!(outbox.offer(commit(1..=257)), Offered::Later);
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
