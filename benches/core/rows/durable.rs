//! A flood of one agent to the journal, beside the bare database that writes the same rows.
//!
//! Never counts an event that cannot be read again afterwards.

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Run, settings};
use crate::Res;
use crate::ceiling::rows;
use crate::finding::{Finding, Target};
use crate::seed;
use crate::server::Server;
use crate::stats::{in_turns, real, real_len};

/// Bytes of a line's text.
const WIDTH: usize = 200;
/// Events a second that are aimed at.
const AIM: f64 = 50_000.0;

/// One agent, whole pipeline: its pipe, the keeper's log, the codec, the journal's commits.
pub async fn run(run: &Run<'_>) -> Res<Vec<Finding>> {
    let lines: u64 = if run.quick { 20_000 } else { 100_000 };
    let (place, other) = (run.database.place()?, run.database.place()?);
    seed::empty(&place).await?;
    seed::empty(&other).await?;
    let server = Server::start(&place, &settings("")).await?;
    let turns = json!([[{"flood": {"lines": lines, "bytes": WIDTH}}]]);
    let id = server.player("flood", &turns).await?;

    server.turn(&id, "warm up").await?;
    let page = format!("/api/agents/{id}/events?after=20&limit=1");
    let one = server.get(&page).await?;
    let data = one.pointer("/events/0/data").ok_or("no event")?.to_string();
    let mut conn = rows::connect(&other.database())?;
    let (mut last, mut turns) = (0, 1);
    let rounds = if run.quick { 2 } else { 5 };
    let count = usize::try_from(lines)?;
    let pair = in_turns(
        rounds,
        async || {
            let begun = Instant::now();
            let from = last;
            last = rows::write(&mut conn, (&id, &data), from, count)?;
            let written = real(u64::try_from(last - from)?);
            Ok(written / begun.elapsed().as_secs_f64())
        },
        async || {
            let begun = Instant::now();
            server.turn(&id, "more").await?;
            turns += 1;
            Ok(real(lines) / begun.elapsed().as_secs_f64())
        },
    )
    .await?;
    let lost = missing(&server, &id, lines, turns).await?;
    server.stop().await?;
    drop(conn);
    let share = pair.ours / AIM;
    Ok(vec![
        Finding::ratio(
            "durable events of one agent",
            &pair,
            "events/s",
            Target::None,
        )
        .noting("the ceiling writes the same rows in transactions of 1 MiB and nothing else"),
        Finding::figure(
            "durable events of one agent, share of 50,000 a second",
            share,
            "x",
            Target::AtLeast(1.0),
        ),
        Finding::figure("events lost", real_len(lost), "events", Target::AtMost(0.0)),
    ])
}

/// How many lines of all floods are not in the journal, in order, once each.
async fn missing(server: &Server, id: &str, lines: u64, turns: u64) -> Res<usize> {
    let (mut after, mut expected, mut found) = (0_u64, 1_u64, 0_u64);
    loop {
        let page = server
            .get(&format!("/api/agents/{id}/events?after={after}"))
            .await?;
        let events = page.get("events").and_then(Value::as_array);
        for event in events.into_iter().flatten() {
            let seq = event.get("seq").and_then(Value::as_u64);
            if seq != Some(after + 1) {
                return Err(format!("a hole in the numbers behind {after}").into());
            }
            after += 1;
            if let Some(line) = event.pointer("/data/line").and_then(Value::as_u64)
                && line == expected
            {
                found += 1;
                expected = if line == lines { 1 } else { line + 1 };
            }
        }
        if page.get("hasMore") != Some(&Value::Bool(true)) {
            let all = lines * turns;
            return Ok(usize::try_from(all.abs_diff(found))?);
        }
    }
}
