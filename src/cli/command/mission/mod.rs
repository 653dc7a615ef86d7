//! `mission`: makes, drives and shows missions.
//!
//! Never means another mission than the one that is named, or the loaded one.

mod create;
mod follow;
mod many;

use reqwest::Method;
use serde_json::{Value, json};

use super::super::args::{
    EventsArgs, EventsMissionArgs, ListMissionsArgs, MissionAction, MissionArgs, MissionIdArgs,
    ResumeMissionArgs, SendMissionArgs,
};
use super::super::client::{Client, Request};
use super::super::failure::{Exit, Failure};
use super::super::render::{self, at};
use super::super::{clock, find, out, plain, terminal};
use super::steer::LADDER;
use super::watch;
use follow::From;

/// Where missions are.
const MISSIONS: &str = "/api/control/missions";
/// Longest title of a table, in characters.
const TITLE: usize = 48;

/// Does what was asked.
pub fn mission(client: &Client, args: MissionArgs) -> Result<Exit, Failure> {
    match args.action {
        MissionAction::Create(args) => create::create(client, &args),
        MissionAction::List(args) => list(client, &args),
        MissionAction::Show(args) => show(client, &args),
        MissionAction::Send(args) => send(client, &args),
        MissionAction::Follow(args) if args.all => many::follow(client, &args),
        MissionAction::Follow(args) => follow::follow(client, &args),
        MissionAction::Load(args) => {
            let request = Request::post(path(&find::agent(client, &args.id)?, "/load"));
            let loaded: Value = client.json(&request)?;
            told(&loaded, args.json, || format!("loaded: {}", named(&loaded)))
        }
        MissionAction::Cancel(args) => cancel(client, &args),
        MissionAction::Resume(args) => resume(client, &args),
        MissionAction::Status(args) => {
            let id = find::agent(client, &args.id)?;
            let request = Request::post(path(&id, "/status")).waits(LADDER);
            let said: Value = client.json(&request.body(json!({"status": args.status})))?;
            told(&said, args.json, || standing(at(&said, "mission")))
        }
        MissionAction::Events(args) => events(client, args),
        MissionAction::Tree(args) => tree(client, &args),
        MissionAction::Rm(args) => {
            let id = find::agent(client, &args.id)?;
            let request = Request::of(Method::DELETE, path(&id, "")).waits(LADDER);
            let gone: Value = client.json(&request)?;
            told(&gone, args.json, || format!("removed {id}"))
        }
    }
}

fn path(id: &str, below: &str) -> String {
    format!("{MISSIONS}/{id}{below}")
}

/// The id of the mission that was named, else of the loaded one.
fn which(client: &Client, typed: Option<&str>) -> Result<String, Failure> {
    if let Some(typed) = typed {
        return find::agent(client, typed);
    }
    let current: Value = client.json(&Request::get(path("current", "")))?;
    render::field(&current, &["id"]).ok_or_else(|| {
        Failure::new(Exit::NotFound, "no mission is loaded")
            .mend("name one, load one with `callboard mission load ID`, or make one")
    })
}

fn list(client: &Client, args: &ListMissionsArgs) -> Result<Exit, Failure> {
    let mut request = Request::get(MISSIONS).with("limit", args.limit);
    if let Some(status) = &args.status {
        request = request.with("status", status);
    }
    let reply = client.send(&request)?;
    let missions: Vec<Value> = reply.json()?;
    if args.json {
        out::json(&Value::Array(missions))?;
        return Ok(Exit::Completed);
    }
    let shown = missions.len();
    out::line(&table(&missions))?;
    let total = reply.number("x-total-count").unwrap_or_default();
    if u64::try_from(shown).is_ok_and(|shown| shown < total) {
        out::note(&format!("{shown} of {total}; --limit shows more"));
    }
    Ok(Exit::Completed)
}

fn table(missions: &[Value]) -> String {
    let text = |mission: &Value, key: &str| render::field(mission, &[key]).unwrap_or_default();
    let rows = missions.iter().map(|mission| {
        vec![
            find::short(&text(mission, "id")).to_owned(),
            text(mission, "status"),
            text(mission, "detail"),
            text(mission, "backend"),
            at(mission, "queue_len").to_string(),
            clock::age(&text(mission, "updated_at")),
            render::cut(&plain::cell(&title(mission)), TITLE),
        ]
    });
    let header = [
        "ID", "STATUS", "DETAIL", "BACKEND", "QUEUE", "CHANGED", "TITLE",
    ];
    out::table(&header, rows.collect())
}

/// What people call it.
fn title(mission: &Value) -> String {
    render::field(mission, &["title", "name"]).unwrap_or_else(|| String::from("-"))
}

/// Its short id and what people call it.
fn named(mission: &Value) -> String {
    let id = render::field(mission, &["id", "mission_id"]).unwrap_or_default();
    match render::field(mission, &["title", "name"]) {
        Some(title) => format!("{} ({})", find::short(&id), plain::cell(&title)),
        None => find::short(&id).to_owned(),
    }
}

fn standing(mission: &Value) -> String {
    let status = render::field(mission, &["status"]).unwrap_or_default();
    let detail = render::field(mission, &["detail"]).unwrap_or_default();
    format!("{}: {status}, {detail}", named(mission))
}

fn show(client: &Client, args: &MissionIdArgs) -> Result<Exit, Failure> {
    let id = which(client, args.id.as_deref())?;
    let mission: Value = client.json(&Request::get(path(&id, "")))?;
    if args.json {
        out::json(&mission)?;
        return Ok(Exit::Completed);
    }
    out::line(&standing(&mission))?;
    for said in at(&mission, "history").as_array().into_iter().flatten() {
        let role = render::field(said, &["role"]).unwrap_or_default();
        let words = render::field(said, &["content"]).unwrap_or_default();
        let mark = if role == "user" { "> " } else { "" };
        out::line(&plain::line(&format!("{mark}{words}")))?;
    }
    Ok(Exit::Completed)
}

fn send(client: &Client, args: &SendMissionArgs) -> Result<Exit, Failure> {
    let mission = args.mission.as_deref();
    let named = mission
        .map(|typed| find::agent(client, typed))
        .transpose()?;
    let text = terminal::text_or_stdin(&args.text)?;
    let key = args.idempotency_key.clone();
    let key = key.unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
    let body = json!({"content": text, "mission_id": named, "agent": args.agent});
    let request = Request::post("/api/control/message").body(body).key(key);
    let sent: Value = client.json(&request)?;
    if args.follow {
        let id = render::field(&sent, &["mission_id"]).unwrap_or_default();
        let task = render::field(&sent, &["id"]);
        return follow::watch(client, (&id, From::Now, task), args.json);
    }
    told(&sent, args.json, || match at(&sent, "position").as_u64() {
        Some(place) if place > 0 => format!("queued at {place}: {}", target(&sent)),
        Some(_) | None => format!("running: {}", target(&sent)),
    })
}

fn target(sent: &Value) -> String {
    let id = render::field(sent, &["mission_id"]).unwrap_or_default();
    format!("mission {}", find::short(&id))
}

fn cancel(client: &Client, args: &MissionIdArgs) -> Result<Exit, Failure> {
    let id = which(client, args.id.as_deref())?;
    let request = Request::post(path(&id, "/cancel")).waits(LADDER);
    let reply: Value = client.json(&request)?;
    let count = at(&reply, "ended").as_array().map_or(0, Vec::len);
    told(&reply, args.json, || match count {
        0 | 1 => format!("cancelled {}", find::short(&id)),
        more => format!(
            "cancelled {} and {} below it",
            find::short(&id),
            more.saturating_sub(1)
        ),
    })
}

fn resume(client: &Client, args: &ResumeMissionArgs) -> Result<Exit, Failure> {
    let id = which(client, args.id.as_deref())?;
    let body = json!({"content": args.message, "skip_message": args.quiet});
    let request = Request::post(path(&id, "/resume")).body(body).waits(LADDER);
    let mission: Value = client.json(&request.key(uuid::Uuid::new_v4().to_string()))?;
    told(&mission, args.json, || standing(&mission))
}

fn events(client: &Client, args: EventsMissionArgs) -> Result<Exit, Failure> {
    let asked = EventsArgs {
        id: which(client, args.id.as_deref())?,
        after: args.after,
        types: args.types,
        follow: args.follow,
        json: args.json,
    };
    watch::events(client, &asked)
}

fn tree(client: &Client, args: &MissionIdArgs) -> Result<Exit, Failure> {
    let request = match &args.id {
        Some(typed) => Request::get(path(&find::agent(client, typed)?, "/tree")),
        None => Request::get("/api/control/tree"),
    };
    let root: Value = client.json(&request)?;
    if args.json {
        out::json(&root)?;
        return Ok(Exit::Completed);
    }
    out::line(&super::list::drawn(&root, node))?;
    Ok(Exit::Completed)
}

/// One line of a tree.
fn node(node: &Value) -> String {
    let text = |key: &str| render::field(node, &[key]).unwrap_or_default();
    let id = text("id");
    let mut words = vec![find::short(&id).to_owned(), text("status"), text("phase")];
    words.extend(render::field(node, &["name"]).map(|name| plain::cell(&name)));
    if let Some(tokens) = node.pointer("/usage/tokens").and_then(Value::as_u64)
        && tokens > 0
    {
        words.push(format!("{tokens} tokens"));
    }
    words.retain(|word| !word.is_empty());
    words.join("  ")
}

fn told(reply: &Value, json: bool, words: impl FnOnce() -> String) -> Result<Exit, Failure> {
    if json {
        out::json(reply)?;
    } else {
        out::note(&plain::line(&words()));
    }
    Ok(Exit::Completed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_drawn_with_status_phase_and_usage() {
        let root = json!({
            "id": "root", "status": "active", "name": "ada", "children": [
                {"id": "0123456789", "status": "active", "phase": "busy", "name": "Build\u{7}",
                 "usage": {"tokens": 12}, "children": []},
            ],
        });
        let drawn = super::super::list::drawn(&root, node);
        assert_eq!(
            drawn,
            "root  active  ada\n\u{2514}\u{2500} 01234567  active  busy  Build  12 tokens"
        );
    }

    #[test]
    fn a_mission_is_called_by_its_title_and_short_id() {
        let mission =
            json!({"id": "0123456789ab", "title": "Build", "status": "active", "detail": "busy"});
        assert_eq!(standing(&mission), "01234567 (Build): active, busy");
        assert_eq!(named(&json!({"id": "0123456789ab"})), "01234567");
    }
}
