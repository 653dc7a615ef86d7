//! The outbox against a simple model: order, bounds, and nothing missing.
//!
//! Commits are offered as a publisher does it; who cannot take one pages on as a subscription does.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    /// A commit of so many events.
    Commit {
        agent: u8,
        count: u64,
        bytes: usize,
    },
    /// Who is behind pages on, at most so far.
    Page {
        agent: u8,
        most: u64,
    },
    Piece {
        agent: u8,
        bytes: usize,
    },
    Reply,
    Take(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let bytes = || prop_oneof![4 => Just(10_usize), 2 => Just(200), 1 => Just(60_000)];
    let count = prop_oneof![8 => 1_u64..4, 2 => 4_u64..60, 1 => 200_u64..400];
    let step = prop_oneof![
        6 => (0_u8..4, count, bytes())
            .prop_map(|(agent, count, bytes)| Step::Commit { agent, count, bytes }),
        3 => (0_u8..4, 0_u64..300).prop_map(|(agent, most)| Step::Page { agent, most }),
        2 => (0_u8..4, 1_usize..9_000).prop_map(|(agent, bytes)| Step::Piece { agent, bytes }),
        1 => Just(Step::Reply),
        2 => (0_usize..90).prop_map(Step::Take),
    ];
    prop::collection::vec(step, 0..400)
}

/// What a reader knows of each agent: the last number that it was shown.
#[derive(Default)]
pub(super) struct Reader {
    pub(super) known: HashMap<u8, u64>,
    pub(super) replies: u64,
    /// Where the next piece of each agent's message may begin at the earliest.
    heard: HashMap<SessionId, u64>,
}

impl Reader {
    pub(super) fn read(&mut self, next: Next) {
        match next {
            Next::Frame(Body::Text(text)) if text.starts_with("reply") => {
                let number: u64 = text.split(' ').nth(1).unwrap().parse().unwrap();
                assert_eq!(number, self.replies + 1, "a reply is missing");
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

/// A subscription: what its agent has committed, and how far that was brought.
#[derive(Default)]
struct Source {
    committed: Vec<usize>,
    brought: usize,
}

impl Source {
    fn level(&self) -> bool {
        self.brought == self.committed.len()
    }

    fn texts(&self, n: u8, most: usize) -> Vec<ByteString> {
        let rest = self.committed.iter().zip(1_u64..).skip(self.brought);
        let rest = rest.take(most);
        rest.map(|(bytes, seq)| text(n, seq, *bytes)).collect()
    }

    /// Its publisher commits; who is behind hears of it later.
    fn commit(&mut self, outbox: &Outbox, n: u8, sizes: impl Iterator<Item = usize>) {
        let live = self.level();
        self.committed.extend(sizes);
        if !live {
            return;
        }
        let texts = self.texts(n, usize::MAX);
        let ((frames, bytes), (replies, of_replies)) = outbox.lock().waiting.load(true);
        let own: usize = texts.iter().map(|text| text.len()).sum();
        let fits =
            frames + replies + texts.len() <= MAX_FRAMES && bytes + of_replies + own <= MAX_BYTES;
        let offered = outbox.offer(texts, || true);
        assert_eq!(offered == Offered::Taken, fits, "{offered:?}");
        if fits {
            self.brought = self.committed.len();
        }
    }

    /// Pages on while there is room.
    fn page(&mut self, outbox: &Outbox, n: u8, most: u64) {
        for _ in 0..most {
            if self.level() || outbox.wait_room_behind().now_or_never().is_none() {
                return;
            }
            let next = self.texts(n, 1).remove(0);
            assert!(outbox.push(next));
            self.brought += 1;
        }
    }
}

fn bounded(outbox: &Outbox) {
    let inner = outbox.lock();
    let ((frames, bytes), (replies, of_replies)) = inner.waiting.load(false);
    assert!(frames <= MAX_FRAMES && bytes <= MAX_BYTES);
    assert!(replies <= MAX_REPLIES && of_replies <= MAX_REPLY_BYTES);
    if inner.waiting.has_room() {
        assert!(inner.behind_since.is_none(), "a clock runs for no reason");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_event_and_reply_is_shown_once_and_in_order(steps in steps()) {
        let outbox = Outbox::new();
        let mut reader = Reader::default();
        let mut sources: [Source; 4] = Default::default();
        let mut replies = 0;
        let mut said: HashMap<u8, u64> = HashMap::new();
        for step in steps {
            match step {
                Step::Commit { agent, count, bytes } => {
                    let sizes = (0..count).map(|_| bytes);
                    sources[usize::from(agent)].commit(&outbox, agent, sizes);
                }
                Step::Page { agent, most } => {
                    sources[usize::from(agent)].page(&outbox, agent, most);
                }
                Step::Piece { agent, bytes } => {
                    let offset = said.entry(agent).or_default();
                    let piece = piece(agent, *offset, bytes);
                    *offset = piece.end();
                    outbox.speak(&piece);
                }
                Step::Reply => {
                    replies += 1;
                    let taken = outbox.reply(ByteString::from(format!("reply {replies}")));
                    prop_assert!(taken);
                }
                Step::Take(count) => {
                    for _ in 0..count {
                        let Some(next) = take(&outbox) else { break };
                        reader.read(next);
                    }
                }
            }
            bounded(&outbox);
        }
        while let Some(next) = take(&outbox) {
            reader.read(next);
            if outbox.lock().waiting.has_room() {
                for (source, n) in sources.iter_mut().zip(0_u8..) {
                    source.page(&outbox, n, 1);
                }
            }
        }
        for (source, n) in sources.iter_mut().zip(0_u8..) {
            source.page(&outbox, n, u64::MAX);
            while let Some(next) = take(&outbox) {
                reader.read(next);
                source.page(&outbox, n, u64::MAX);
            }
            let known = reader.known.get(&n).copied().unwrap_or_default();
            prop_assert_eq!(known, u64::try_from(source.committed.len()).unwrap());
        }
        prop_assert_eq!(reader.replies, replies);
        prop_assert_eq!(outbox.standing(), Standing::Open(None));
    }
}
