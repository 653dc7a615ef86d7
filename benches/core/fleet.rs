//! Many agents of one server: making them, and waiting until all of them take prompts.
//!
//! Never asks for each agent by itself: the questions would be the load.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::Res;
use super::http::{Line, post};
use super::server::Server;

/// Clients that make agents at the same time.
const CLIENTS: usize = 4;
/// Agents of a page, the most that the server gives.
const PAGE: usize = 200;

/// Makes so many script agents that play `hello`, and returns their ids.
pub async fn make(server: &Server, count: usize) -> Res<Vec<String>> {
    let body = json!({"agentType": "script", "scenario": "hello", "cwd": server.dir()});
    let request = post("/api/agents", Some(&server.token), &body);
    let mut clients = Vec::new();
    for client in 0..CLIENTS {
        let (address, request) = (server.address.clone(), request.clone());
        // The first ones take what is left over.
        let own = count / CLIENTS + usize::from(client < count % CLIENTS);
        clients.push(tokio::spawn(async move {
            let mut line = Line::open(&address).await?;
            let mut ids = Vec::new();
            for _agent in 0..own {
                let answer = line.ask(&request).await?;
                let made: Value = serde_json::from_slice(answer.body)?;
                let id = made.get("id").and_then(Value::as_str);
                ids.push(id.ok_or_else(|| made.to_string())?.to_owned());
            }
            Res::Ok(ids)
        }));
    }
    let mut ids = Vec::new();
    for client in clients {
        ids.extend(client.await??);
    }
    Ok(ids)
}

/// Waits until every agent of the server, so many in all, is idle with a process.
pub async fn all_idle(server: &Server, count: usize, within: Duration) -> Res<()> {
    let end = Instant::now() + within;
    loop {
        let idle = idle(server).await?;
        if idle == count {
            return Ok(());
        }
        if Instant::now() > end {
            let seconds = within.as_secs();
            return Err(format!("{idle} of {count} agents were idle in {seconds} s").into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// How many agents are idle, page by page up to the first page with one that is not.
pub async fn idle(server: &Server) -> Res<usize> {
    let mut idle = 0;
    loop {
        let path = format!("/api/agents?limit={PAGE}&offset={idle}");
        let page = server.get(&path).await?;
        let agents = page.get("agents").and_then(Value::as_array);
        let agents = agents.ok_or("a list without agents")?;
        let detail = |agent: &&Value| agent.get("detail").and_then(Value::as_str) == Some("idle");
        let ready = agents.iter().filter(detail).count();
        idle += ready;
        if ready < agents.len() || agents.is_empty() {
            return Ok(idle);
        }
    }
}

/// How many agents have a keeper that the server has found and not taken up yet.
pub async fn unattached(server: &Server) -> Res<u64> {
    let page = server.get("/api/agents?status=unattached&limit=1").await?;
    let total = page.get("total").and_then(Value::as_u64);
    Ok(total.ok_or("a list without a total")?)
}
