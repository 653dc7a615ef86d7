//! From the start of the process to the first good answer, or until all agents are taken up.
//!
//! Never with a warm process: each round starts anew on the same files.

use std::time::Duration;

use tokio::time::Instant;

use super::{Run, attach, settings};
use crate::Res;
use crate::database::Place;
use crate::finding::{Finding, Target};
use crate::seed;
use crate::server::{Bare, Server};
use crate::stats::{Pair, in_turns, median, ms};

/// Empty, with 10,000 sessions, the very first start, and one that finds agents alive.
pub async fn run(run: &Run<'_>) -> Res<Vec<Finding>> {
    let rounds = if run.quick { 3 } else { 7 };
    let (empty, full) = (run.database.place()?, run.database.place()?);
    seed::empty(&empty).await?;
    seed::fill(&full, 10_000, 2, 2).await?;
    let mut found = Vec::new();
    for (what, place, most) in [
        ("start to ready, empty", &empty, 200.0),
        ("start to ready, 10,000 sessions", &full, 1_000.0),
    ] {
        let pair = beside(place, rounds).await?;
        found.push(Finding::figure(what, pair.ours, "ms", Target::AtMost(most)));
        let what = format!("{what}, to a process that opens the database");
        found.push(Finding::ratio(&what, &pair, "ms", Target::None));
    }
    let mut first = Vec::new();
    for _round in 0..rounds {
        let place = run.database.place()?;
        first.push(started(&place).await?);
    }
    let name = "the very first start: schema, keys, first admin";
    found.push(Finding::figure(name, median(&first), "ms", Target::None));
    found.push(attach::run(run).await?);
    Ok(found)
}

async fn beside(place: &Place, rounds: usize) -> Res<Pair> {
    let database = place.database();
    in_turns(
        rounds,
        async || {
            let begun = Instant::now();
            let bare = Bare::start(&["open", &database])?;
            let time = begun.elapsed();
            if !bare.address.ends_with("sessions") {
                return Err("the database was not opened".into());
            }
            Ok(ms(time))
        },
        async || started(place).await,
    )
    .await
}

async fn started(place: &Place) -> Res<f64> {
    let begun = Instant::now();
    let mut server = Server::spawn(place, &settings(""))?;
    server.ready().await?;
    let time: Duration = begun.elapsed();
    server.stop().await?;
    Ok(ms(time))
}
