//! Rows of plain requests: lists and polls.
//!
//! Never with fewer bytes on the bare side than on ours.

use std::time::Duration;

use super::{Run, settings};
use crate::Res;
use crate::ceiling::Same;
use crate::finding::{Finding, Target};
use crate::http::{Line, get, load};
use crate::seed;
use crate::server::{Bare, Server, processor};
use crate::stats::{in_turns, median, real_len};

/// Kept connections of a load.
const LINES: usize = 16;
/// Events of the session that is polled; the ring holds 200 of them.
const EVENTS: u64 = 210;
/// Share of the bare server.
const AIM: Target = Target::AtLeast(0.6);
const LIST: &str = "/api/agents?limit=50";
const MISSIONS: &str = "/api/control/missions?limit=50";

/// What a request costs before its work: nothing asked, who asks, one entry of a list.
pub async fn floor(run: &Run<'_>) -> Res<Vec<Finding>> {
    let place = run.database.place()?;
    seed::fill(&place, 100, 2, 2).await?;
    let server = Server::start(&place, &settings("")).await?;
    let mut found = Vec::new();
    for (path, what) in [
        ("/health/live", "an answer without token and rows"),
        ("/api/auth/me", "an answer with token and one row"),
        ("/api/agents?limit=1", "a list of one of 100 sessions"),
    ] {
        let mut finding = beside(&server, path, run.quick).await?.named(what);
        finding.target = Target::None;
        found.push(finding);
    }
    server.stop().await?;
    Ok(found)
}

/// 50 of 100 sessions.
pub async fn list(run: &Run<'_>) -> Res<Vec<Finding>> {
    of_100(run, LIST, "list 50 of 100 sessions").await
}

/// 50 of 100 missions.
pub async fn missions(run: &Run<'_>) -> Res<Vec<Finding>> {
    of_100(run, MISSIONS, "list 50 of 100 missions").await
}

async fn of_100(run: &Run<'_>, path: &str, what: &str) -> Res<Vec<Finding>> {
    let place = run.database.place()?;
    seed::fill(&place, 100, 2, 2).await?;
    let server = Server::start(&place, &settings("")).await?;
    let found = beside(&server, path, run.quick).await;
    server.stop().await?;
    Ok(vec![found?.named(what)])
}

/// 10 new events.
pub async fn poll(run: &Run<'_>) -> Res<Vec<Finding>> {
    let place = run.database.place()?;
    let id = seed::fill(&place, 100, 2, EVENTS).await?;
    let server = Server::start(&place, &settings("")).await?;
    let path = format!("/api/agents/{id}/events?after={}", EVENTS - 10);
    let page = server.get(&path).await?;
    let count = page.get("events").and_then(|events| events.as_array());
    if count.map(Vec::len) != Some(10) {
        return Err(format!("no page of 10 events: {page}").into());
    }
    let found = beside(&server, &path, run.quick).await;
    server.stop().await?;
    Ok(vec![found?.named("cursor poll, 10 events of 200 bytes")])
}

/// A path of the server beside the bare one.
async fn beside(server: &Server, path: &str, quick: bool) -> Res<Finding> {
    let request = get(path, Some(&server.token));
    let same = {
        let mut line = Line::open(&server.address).await?;
        let answer = line.ask(&request).await?;
        Same::of(answer.head, answer.body)?
    };
    let file = server.dir().join("same.json");
    std::fs::write(&file, serde_json::to_vec(&same)?)?;
    let bare = Bare::start(&["bytes", &file.to_string_lossy()])?;
    let (rounds, time) = if quick { (3, 1) } else { (7, 2) };
    let time = Duration::from_secs(time);
    let (mut bare_cost, mut our_cost, mut p50) = (Vec::new(), Vec::new(), Vec::new());
    let pair = in_turns(
        rounds,
        async || {
            let (rate, cost, _) = loaded(&bare.address, bare.pid(), &request, time).await?;
            bare_cost.push(cost);
            Ok(rate)
        },
        async || {
            let (rate, cost, half) = loaded(&server.address, server.pid(), &request, time).await?;
            our_cost.push(cost);
            p50.push(half);
            Ok(rate)
        },
    )
    .await?;
    let cost = median(&our_cost) / median(&bare_cost);
    let note = format!(
        "{} bytes an answer; processor time of an answer {cost:.1} times the bare one's; \
         p50 {:.2} ms",
        same.body.len(),
        median(&p50)
    );
    Ok(Finding::ratio("", &pair, "answers/s", AIM).noting(note))
}

/// Rate, processor time of an answer in microseconds, and p50.
async fn loaded(address: &str, pid: u32, request: &[u8], time: Duration) -> Res<(f64, f64, f64)> {
    let before = processor(pid)?;
    let load = load(address, request, LINES, time).await?;
    let spent = (processor(pid)? - before) * 1e6;
    Ok((load.rate, spent / real_len(load.answers), load.p50))
}

/// 100,000 sessions beside 100: one client, one request at a time.
pub async fn growth(run: &Run<'_>) -> Res<Vec<Finding>> {
    let many = if run.quick { 10_000 } else { 100_000 };
    let (small, large) = (run.database.place()?, run.database.place()?);
    let few_id = seed::fill(&small, 100, 2, EVENTS).await?;
    let many_id = seed::fill(&large, many, 2, EVENTS).await?;
    let few = Server::start(&small, &settings("")).await?;
    let full = Server::start(&large, &settings("")).await?;
    let after = EVENTS - 10;
    let mut found = Vec::new();
    for (what, few_path, many_path) in [
        ("list", LIST.to_owned(), LIST.to_owned()),
        (
            "poll",
            format!("/api/agents/{few_id}/events?after={after}"),
            format!("/api/agents/{many_id}/events?after={after}"),
        ),
    ] {
        let time = Duration::from_secs(if run.quick { 1 } else { 2 });
        let (few_ask, many_ask) = (
            get(&few_path, Some(&few.token)),
            get(&many_path, Some(&full.token)),
        );
        let pair = in_turns(
            if run.quick { 3 } else { 7 },
            async || Ok(load(&few.address, &few_ask, 1, time).await?.p50),
            async || Ok(load(&full.address, &many_ask, 1, time).await?.p50),
        )
        .await?;
        let name = format!("p50 of {what}, {many} sessions to 100");
        found.push(Finding::ratio(&name, &pair, "ms", Target::AtMost(1.2)));
    }
    few.stop().await?;
    full.stop().await?;
    Ok(found)
}
