//! The cursor over cuts, repeats, gaps and lost histories.

use super::super::testing::{Answer, Fake, Got};
use super::*;
use serde_json::{Value, json};

fn page(epoch: &str, seqs: &[u64], next: u64) -> Answer {
    let events: Vec<Value> = seqs
        .iter()
        .map(|seq| json!({"seq": seq, "type": "status", "data": {"n": seq}}))
        .collect();
    let page = json!({"epoch": epoch, "events": events, "nextCursor": next, "hasMore": false});
    Answer::Json(200, page.to_string())
}

fn asked(got: &Got, name: &str) -> Option<String> {
    let query = got.line.split_once('?')?.1;
    query
        .split('&')
        .find_map(|pair| pair.strip_prefix(&format!("{name}=")))
        .map(str::to_owned)
}

fn seqs(batch: &Batch) -> Vec<u64> {
    batch.events.iter().map(|seen| seen.event.seq).collect()
}

#[test]
fn it_goes_on_behind_what_it_has_over_a_lost_server() {
    let fake = Fake::start(|number, _| match number {
        0 => page("e1", &[1, 2], 2),
        1 | 2 => Answer::Cut,
        // Repeats what was given already.
        _ => page("e1", &[2, 3, 4], 4),
    });
    let client = Client::new(&fake.url, None).unwrap();
    let mut follower = Follower::new(&client, "a", "0");
    let mut all = Vec::new();
    while all.len() < 4 {
        let batch = follower.next(Duration::ZERO, Patience::Endless).unwrap();
        all.extend(seqs(&batch));
    }
    assert_eq!(all, [1, 2, 3, 4]);
    let last = fake.seen().pop().unwrap();
    assert_eq!(asked(&last, "after").as_deref(), Some("2"));
    assert_eq!(asked(&last, "epoch").as_deref(), Some("e1"));
}

#[test]
fn a_server_that_was_never_there_is_an_error() {
    let fake = Fake::start(|_, _| Answer::Cut);
    let client = Client::new(&fake.url, None).unwrap();
    let mut follower = Follower::new(&client, "a", "0");
    let failure = follower
        .next(Duration::ZERO, Patience::Endless)
        .unwrap_err();
    assert_eq!(failure.exit, Exit::Unreachable);
}

#[test]
fn the_cursor_moves_also_when_a_filter_matched_nothing() {
    let fake = Fake::start(|number, _| match number {
        0 => page("e1", &[], 40),
        _ => page("e1", &[41], 41),
    });
    let client = Client::new(&fake.url, None).unwrap();
    let mut follower = Follower::new(&client, "a", "latest").only(Some("status".into()));
    assert!(seqs(&follower.next(Duration::ZERO, Patience::None).unwrap()).is_empty());
    let batch = follower.next(Duration::ZERO, Patience::None).unwrap();
    assert_eq!(seqs(&batch), [41]);
    let last = fake.seen().pop().unwrap();
    assert_eq!(asked(&last, "after").as_deref(), Some("40"));
    assert_eq!(asked(&last, "types").as_deref(), Some("status"));
}

#[test]
fn a_lost_history_is_a_gap_and_the_new_one_goes_on() {
    let gone = json!({"error":"x","code":"epoch_changed","latestSeq":3,"epoch":"e2"}).to_string();
    let fake = Fake::start(move |number, got| match number {
        0 => page("e1", &[7, 8], 8),
        1 => Answer::Json(410, gone.clone()),
        _ if asked(got, "epoch").as_deref() == Some("e2") => page("e2", &[4], 4),
        _ => Answer::Cut,
    });
    let client = Client::new(&fake.url, None).unwrap();
    let mut follower = Follower::new(&client, "a", "6");
    follower.next(Duration::ZERO, Patience::None).unwrap();
    let batch = follower.next(Duration::ZERO, Patience::None).unwrap();
    assert_eq!(batch.gap.unwrap().reason.as_deref(), Some("epoch_changed"));
    let batch = follower.next(Duration::ZERO, Patience::None).unwrap();
    assert_eq!(seqs(&batch), [4]);
}

#[test]
fn a_cursor_ahead_of_the_log_is_wrong_usage() {
    let fake = Fake::start(|_, _| {
        let body = json!({"error":"ahead","code":"epoch_changed","latestSeq":3,"epoch":"e1"});
        Answer::Json(410, body.to_string())
    });
    let client = Client::new(&fake.url, None).unwrap();
    let mut follower = Follower::new(&client, "a", "99");
    let failure = follower
        .next(Duration::ZERO, Patience::Endless)
        .unwrap_err();
    assert_eq!(failure.exit, Exit::Usage);
    assert_eq!(failure.why.as_deref(), Some("the last one is 3"));
}
