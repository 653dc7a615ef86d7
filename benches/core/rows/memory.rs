//! Memory: of the server idle, of a session without a process, of a keeper.
//!
//! Never a peak where the claim is about what stays.

use std::time::Duration;

use callboard::domain::SessionId;
use callboard::keeper::Dir;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Run, settings};
use crate::Res;
use crate::finding::{Finding, Target};
use crate::http::{get, load};
use crate::seed;
use crate::server::{Server, kib, private_kib};
use crate::stats::{median, real, real_len};

/// A session gives its actors back so soon here.
const LINGER: &str = "agents.linger = \"1s\"";

/// All of them.
pub async fn run(run: &Run<'_>) -> Res<Vec<Finding>> {
    let sessions = if run.quick { 1_000 } else { 10_000 };
    let woken = if run.quick { 200 } else { 1_000 };
    let mut found = Vec::new();

    let empty = run.database.place()?;
    seed::empty(&empty).await?;
    let server = Server::start(&empty, &settings(LINGER)).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let idle = kib(server.pid(), "VmRSS")?;
    let aim = Target::AtMost(25.0 * 1024.0);
    found.push(Finding::figure("server idle, resident", idle, "KiB", aim));
    let bare = listed(&server).await?;
    if run.first {
        // A keeper has no database.
        found.extend(keepers(&server, if run.quick { 3 } else { 10 }).await?);
    }
    server.stop().await?;

    let full = run.database.place()?;
    seed::fill(&full, sessions, 2, 2).await?;
    let server = Server::start(&full, &settings(LINGER)).await?;
    let rows = (listed(&server).await? - bare) / real_len(sessions);
    let aim = Target::AtMost(20.0);
    let name = "a passive session that was never awake, private";
    found.push(Finding::figure(name, rows.max(0.0), "KiB", aim));
    let before = kib(server.pid(), "RssAnon")?;
    wake(&server, woken).await?;
    let slept = kib(server.pid(), "RssAnon")? - before;
    let name = "a passive session that was awake, private";
    let each = slept.max(0.0) / real_len(woken);
    found.push(Finding::figure(name, each, "KiB", aim));
    wake(&server, woken).await?;
    let again = kib(server.pid(), "RssAnon")? - before;
    let name = "the same after every one was awake twice";
    let each = again.max(0.0) / real_len(woken);
    found.push(Finding::figure(name, each, "KiB", aim));
    server.stop().await?;
    Ok(found)
}

/// Private memory after some lists, which fill the caches of the readers.
async fn listed(server: &Server) -> Res<f64> {
    let request = get("/api/agents?limit=200", Some(&server.token));
    load(&server.address, &request, 4, Duration::from_secs(1)).await?;
    kib(server.pid(), "RssAnon")
}

/// Polls so many sessions, which wakes them, and waits until they sleep again.
async fn wake(server: &Server, count: usize) -> Res<()> {
    let mut woken = 0;
    while woken < count {
        let path = format!("/api/agents?limit=200&offset={woken}");
        let page = server.get(&path).await?;
        let agents = page.get("agents").and_then(Value::as_array);
        let agents = agents.ok_or("a list without agents")?;
        for agent in agents {
            let id = agent.get("id").and_then(Value::as_str).unwrap_or_default();
            let path = format!("/api/agents/{id}/events?after=0");
            server.get(&path).await?;
            woken += 1;
        }
        if agents.is_empty() {
            break;
        }
    }
    if asleep(server).await? {
        return Err("a poll woke no session".into());
    }
    let end = Instant::now() + Duration::from_secs(60);
    while Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(500)).await;
        if asleep(server).await? {
            tokio::time::sleep(Duration::from_secs(1)).await;
            return Ok(());
        }
    }
    Err("the sessions did not go to sleep".into())
}

/// Whether no session has a feed.
async fn asleep(server: &Server) -> Res<bool> {
    let tree = server.get("/api/supervisor/tree").await?.to_string();
    Ok(!tree.contains("feed"))
}

/// Private memory of keepers, alone and with the init of their namespace.
async fn keepers(server: &Server, count: usize) -> Res<Vec<Finding>> {
    let (mut alone, mut both) = (Vec::new(), Vec::new());
    let mut ids = Vec::new();
    for _agent in 0..count {
        let body = json!({"agentType": "script", "scenario": "hello", "cwd": server.dir()});
        let id = server.agent(&body).await?;
        server.idle(&id).await?;
        ids.push(id);
    }
    let root = server.dir().join("keepers");
    for id in &ids {
        let session: SessionId = id.parse()?;
        let keeper = Dir::new(&root, session, 1).keeper();
        let pid = keeper.ok_or("an agent without a keeper")?.0;
        let own = real(private_kib(pid)?);
        alone.push(own);
        both.push(own + inits(pid)?);
    }
    for id in &ids {
        let path = format!("/api/agents/{id}/kill");
        server.post(&path, &json!({})).await?;
    }
    let aim = Target::AtMost(256.0);
    Ok(vec![
        Finding::figure("a keeper, private", median(&alone), "KiB", aim),
        Finding::figure("a keeper with its init, private", median(&both), "KiB", aim),
    ])
}

/// Private memory of the child that is the init of the program's namespace.
fn inits(keeper: u32) -> Res<f64> {
    let children = std::fs::read_to_string(format!("/proc/{keeper}/task/{keeper}/children"))?;
    let mut sum = 0.0;
    for child in children.split_whitespace() {
        let name = std::fs::read_to_string(format!("/proc/{child}/comm"))?;
        if name.trim() == "callboard-init" {
            sum += real(private_kib(child.parse()?)?);
        }
    }
    Ok(sum)
}
