//! A start after a crash with many agents alive: until each is taken up from its keeper.
//!
//! Never more agents than the machine has room for: then fewer, and the finding says so.

use std::time::Duration;

use tokio::time::Instant;

use super::{Run, settings};
use crate::finding::{Finding, Target};
use crate::server::Server;
use crate::stats::{ms, real_len};
use crate::{Res, fleet, room, say, seed};

/// Agents that tell how much room one takes.
const FIRST: usize = 10;
/// Longest wait until all are made, and until all are taken up again.
const MAKING: Duration = Duration::from_secs(180);
const TAKING_UP: Duration = Duration::from_secs(60);
/// 1,000 in 5 s; few of them still need a start.
const AIM: f64 = 5.0;
const LEAST: f64 = 500.0;

/// 1,000 agents.
pub async fn run(run: &Run<'_>) -> Res<Finding> {
    let wanted = if run.quick { 100 } else { 1_000 };
    let place = run.database.place()?;
    seed::empty(&place).await?;
    let server = Server::start(&place, &settings("")).await?;
    let (agents, short) = grow(&server, wanted).await?;
    let token = server.token.clone();
    server.crash()?;
    let begun = Instant::now();
    let mut server = Server::spawn(&place, &settings(""))?;
    server.token = token;
    server.ready().await?;
    let ready = ms(begun.elapsed());
    let time = taken_up(&server, agents, begun).await?;
    server.stop().await?;
    let aim = Target::AtMost((AIM * real_len(agents)).max(LEAST));
    let name = format!("start after a crash, {agents} keepers attached again");
    let mut note = format!("ready after {ready:.0} ms");
    if let Some(short) = short {
        note.push_str(&format!("; {short}"));
    }
    Ok(Finding::figure(&name, time, "ms", aim).noting(note))
}

/// Makes so many agents, or as many as there is room for; why, if these are fewer.
async fn grow(server: &Server, wanted: usize) -> Res<(usize, Option<String>)> {
    let files = room::open_files(server)?;
    fleet::make(server, FIRST).await?;
    fleet::all_idle(server, FIRST, MAKING).await?;
    let share = room::Share::of(server, files)?;
    let (more, lack) = share.fits(server)?;
    let agents = wanted.min(FIRST + more);
    let short = (agents < wanted)
        .then(|| format!("not {wanted}: the machine has {lack} for no more than {agents}"));
    if let Some(short) = &short {
        say(&format!("    {short}"));
    }
    let minutes = (MAKING + TAKING_UP + Server::END).as_secs().div_ceil(60);
    say(&format!(
        "    {agents} agents are made, taken up and ended: mostly a minute, {minutes} at most"
    ));
    fleet::make(server, agents - FIRST).await?;
    fleet::all_idle(server, agents, MAKING).await?;
    Ok((agents, short))
}

/// Milliseconds since `begun` until no agent is left to its keeper. The rows say so of each before
/// the server is ready.
async fn taken_up(server: &Server, agents: usize, begun: Instant) -> Res<f64> {
    loop {
        let left = fleet::unattached(server).await?;
        let time = begun.elapsed();
        if left == 0 && fleet::idle(server).await? == agents {
            return Ok(ms(time));
        }
        if time > TAKING_UP {
            let idle = fleet::idle(server).await?;
            return Err(format!("{idle} of {agents} agents were taken up, {left} are left").into());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
