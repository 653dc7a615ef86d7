//! A subscription against a floor of memory: it leaves, pages on and comes back, and nothing is
//! missing, doubled or carried by two seats.

mod floor;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::super::close::Close;
use super::super::dialect::{Channels, Start};
use super::super::follow::Follows;
use super::super::outbox::{Body, Next, Outbox, Standing};
use crate::domain::testing::someone;
use floor::{Floor, Plain, SAID, TOLD, Trouble};

/// A connection that follows the one agent of a floor.
struct Stage {
    floor: Floor,
    outbox: Arc<Outbox>,
    follows: Arc<Follows<Plain, Floor>>,
}

impl Stage {
    /// One that follows these channels of the agent, from here on.
    async fn of_agent(channels: Channels) -> Self {
        let stage = Self::new();
        stage.subscribe(channels, Start::Now).await;
        stage.live(1).await;
        stage
    }

    fn new() -> Self {
        let who = someone("a");
        let floor = Floor::new(who.user);
        let outbox = Arc::new(Outbox::new());
        let of = floor.clone();
        let follows = Follows::new(of, who, Arc::new(Plain), Arc::clone(&outbox));
        Self {
            floor,
            outbox,
            follows,
        }
    }

    async fn subscribe(&self, channels: Channels, start: Start) {
        let hello = |_: &_| super::Reply::Pong {
            id: None,
            at: String::new(),
        };
        let id = self.floor.agent();
        let done = self.follows.agent(id, channels, &start, hello).await;
        done.unwrap();
    }

    /// Waits for the end of an attach.
    async fn live(&self, attaches: usize) {
        while self.floor.attaches() < attaches {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// The number of the next frame; `None`: none comes.
    async fn next(&self) -> Option<u64> {
        let next = std::future::poll_fn(|cx| self.outbox.poll(cx));
        match tokio::time::timeout(Duration::from_secs(2), next).await {
            Ok(Next::Frame(Body::Text(text))) => Some(text.parse().unwrap()),
            Ok(other) => panic!("unexpected {other:?}"),
            Err(_quiet) => None,
        }
    }

    async fn reads(&self, numbers: impl IntoIterator<Item = u64>) {
        for number in numbers {
            assert_eq!(self.next().await, Some(number));
        }
    }
}

/// Behind this number.
fn from(number: u64) -> Start {
    Start::After {
        number,
        epoch: None,
    }
}

async fn local(test: impl Future<Output = ()>) {
    tokio::task::LocalSet::new().run_until(test).await;
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_is_paged_and_then_it_is_live_again() {
    local(async {
        let stage = Stage::of_agent(Channels::ALL).await;
        stage.floor.commit(700, SAID);
        assert_eq!(stage.floor.seats(), 0, "it left its publisher");
        stage.reads(1..=700).await;
        stage.live(2).await;
        stage.floor.commit(2, SAID);
        assert_eq!(stage.floor.seats(), 1);
        stage.reads(701..=702).await;
        assert_eq!(stage.next().await, None);
        assert_eq!((stage.floor.attaches(), stage.floor.seats()), (2, 1));
        assert_eq!(stage.outbox.standing(), Standing::Open(None));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_the_publisher_still_holds_is_not_read_again() {
    local(async {
        let stage = Stage::of_agent(Channels::ALL).await;
        let pages = stage.floor.pages();
        stage.floor.commit(200, SAID);
        stage.floor.commit(100, SAID);
        stage.floor.commit(90, SAID);
        assert_eq!(stage.floor.seats(), 0);
        stage.reads(1..=390).await;
        stage.live(2).await;
        stage.floor.commit(1, SAID);
        stage.reads([391]).await;
        assert_eq!((stage.floor.seats(), stage.floor.pages()), (1, pages));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_stream_over_all_pages_on_as_well() {
    local(async {
        let stage = Stage::new();
        stage.follows.all(Channels::ALL, &Start::Now).unwrap();
        stage.live(1).await;
        stage.floor.commit(200, SAID);
        stage.floor.commit(100, SAID);
        stage.floor.commit(300, SAID);
        stage.reads(1..=600).await;
        stage.live(2).await;
        stage.floor.commit(1, SAID);
        stage.reads([601]).await;
        assert_eq!((stage.floor.attaches(), stage.floor.seats()), (2, 1));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_filter_holds_while_it_pages() {
    local(async {
        let stage = Stage::of_agent(TOLD).await;
        // Its frames fit, though the events are more than an outbox holds.
        stage.floor.commit(300, SAID);
        assert_eq!(stage.floor.seats(), 1);
        stage.floor.commit(300, TOLD);
        assert_eq!(stage.floor.seats(), 0);
        stage.floor.commit(300, SAID);
        stage.floor.commit(1, TOLD);
        stage.reads(301..=600).await;
        stage.reads([901]).await;
        stage.live(2).await;
        stage.floor.commit(1, SAID);
        stage.floor.commit(1, TOLD);
        stage.reads([903]).await;
        assert_eq!(stage.next().await, None);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_subscribes_again_while_behind_is_carried_once() {
    local(async {
        let stage = Stage::of_agent(Channels::ALL).await;
        stage.floor.commit(200, SAID);
        stage.floor.commit(100, SAID);
        assert_eq!(stage.floor.seats(), 0);
        // From here on: the one that pages goes on.
        stage.subscribe(Channels::ALL, Start::Now).await;
        stage.reads(1..=100).await;
        // From a cursor: that one begins anew, and the other has ended.
        stage.subscribe(Channels::ALL, from(50)).await;
        let mut last = 100;
        while let Some(number) = stage.next().await {
            if number == 51 {
                break;
            }
            assert_eq!(number, last + 1);
            last = number;
        }
        stage.reads(52..=300).await;
        stage.live(2).await;
        stage.floor.commit(1, SAID);
        stage.reads([301]).await;
        assert_eq!(stage.next().await, None);
        assert_eq!(stage.floor.seats(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_unsubscribes_while_behind_gets_no_more_than_waits() {
    local(async {
        let stage = Stage::of_agent(Channels::ALL).await;
        stage.floor.commit(200, SAID);
        stage.floor.commit(100, SAID);
        stage.follows.leave(Channels::ALL, &[stage.floor.agent()]);
        stage.reads(1..=200).await;
        assert_eq!(stage.next().await, None);
        stage.floor.commit(1, SAID);
        assert_eq!((stage.floor.attaches(), stage.floor.seats()), (1, 0));
        // And may come again.
        stage.subscribe(Channels::ALL, Start::Now).await;
        stage.live(2).await;
        stage.floor.commit(1, SAID);
        stage.reads([302]).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_ends_while_behind_leaves_nothing() {
    local(async {
        for closes in [true, false] {
            let stage = Stage::of_agent(Channels::ALL).await;
            stage.floor.commit(200, SAID);
            stage.floor.commit(100, SAID);
            assert_eq!(
                stage.outbox.standing(),
                Standing::Open(Some(Instant::now()))
            );
            if closes {
                stage.outbox.close(Close::TooSlow);
            } else {
                stage.outbox.finish();
            }
            while Arc::strong_count(&stage.follows) > 1 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            stage.floor.commit(1, SAID);
            assert_eq!((stage.floor.attaches(), stage.floor.seats()), (1, 0));
        }
    })
    .await;
}

/// Nobody knows what became of an attach that got no answer. Whatever it was, the next one counts
/// alone.
#[tokio::test(start_paused = true)]
async fn an_attach_whose_answer_is_lost_carries_nobody_twice() {
    local(async {
        for (trouble, first) in [(Trouble::LeftAndLost, 310), (Trouble::SeatedAndLost, 10)] {
            let stage = Stage::new();
            stage.floor.commit(10, SAID);
            stage.floor.next_attach(trouble);
            stage.subscribe(Channels::ALL, from(0)).await;
            stage.reads(1..=first).await;
            stage.live(1).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            stage.floor.commit(5, SAID);
            assert_eq!(stage.floor.seats(), 1, "{trouble:?}");
            stage.floor.commit(500, SAID);
            stage.floor.commit(5, SAID);
            stage.reads(first + 1..=first + 510).await;
            assert_eq!(stage.next().await, None, "{trouble:?}");
            stage.floor.commit(1, SAID);
            assert_eq!(stage.floor.seats(), 1, "{trouble:?}");
            stage.reads([first + 511]).await;
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_publisher_that_goes_is_found_again() {
    local(async {
        let stage = Stage::of_agent(Channels::ALL).await;
        stage.floor.commit(3, SAID);
        stage.floor.restart();
        stage.floor.commit(250, SAID);
        stage.reads(1..=253).await;
        stage.live(2).await;
        stage.floor.commit(1, SAID);
        stage.reads([254]).await;
        assert_eq!(stage.floor.seats(), 1);
    })
    .await;
}

/// However often it subscribes, a reader that does not read has one page held for it.
#[tokio::test(start_paused = true)]
async fn one_page_is_held_however_many_replays_wait() {
    local(async {
        let stage = Stage::new();
        stage.floor.commit(5_000, SAID);
        for _ in 0..20 {
            stage.subscribe(Channels::ALL, from(0)).await;
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
        // The first fills the outbox; the last one alone goes on, when there is room.
        let pages = stage.floor.pages();
        assert!(pages <= 4, "{pages} pages are read for nobody");
        assert!(Arc::strong_count(&stage.follows) <= 3, "an ended one waits");
        let mut last = 0;
        while let Some(number) = stage.next().await {
            last = number;
        }
        assert_eq!(last, 5_000);
    })
    .await;
}

/// What it says may take the grace of a reader, no longer: it is behind from its first page on.
#[tokio::test(start_paused = true)]
async fn a_reader_that_never_reads_its_replay_is_behind() {
    local(async {
        let stage = Stage::new();
        stage.floor.commit(5_000, SAID);
        stage.subscribe(Channels::ALL, from(0)).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(matches!(stage.outbox.standing(), Standing::Open(Some(_))));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_agent_whose_own_subscription_failed_is_carried_by_the_one_over_all() {
    local(async {
        let stage = Stage::new();
        stage.floor.commit(5, SAID);
        stage.follows.all(Channels::ALL, &Start::Now).unwrap();
        stage.live(1).await;
        stage.floor.no_pages();
        stage.subscribe(Channels::ALL, from(0)).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        stage.floor.commit(1, SAID);
        stage.reads([6]).await;
    })
    .await;
}
