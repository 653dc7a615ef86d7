//! From what a person typed to one agent, approval or task.
//!
//! Never guesses: what fits several is refused with the candidates.

use serde_json::Value;

use super::client::{Client, Request};
use super::failure::{Exit, Failure};
use super::wire::{Agent, AgentPage, Approval, Approvals};

/// Agents that one request lists at most.
const PAGE: usize = 200;
/// Candidates that are shown.
const SHOWN: usize = 8;

/// The id of the agent that `typed` means: its id, its name, or the beginning of its id.
///
/// # Errors
/// `NotFound` when nothing fits, `Usage` when several do.
pub fn agent(client: &Client, typed: &str) -> Result<String, Failure> {
    if let Ok(id) = uuid::Uuid::parse_str(typed) {
        return Ok(id.to_string());
    }
    let agents = all_agents(client)?;
    let agents: Vec<Agent> = agents.into_iter().filter_map(read).collect();
    pick_agent(&agents, typed).map(str::to_owned)
}

/// Every agent as the server shows it, newest first.
///
/// # Errors
/// Those of the requests.
pub fn all_agents(client: &Client) -> Result<Vec<Value>, Failure> {
    let mut agents = Vec::new();
    loop {
        let request = Request::get("/api/agents")
            .with("limit", PAGE)
            .with("offset", agents.len());
        let page: AgentPage = client.json(&request)?;
        let last = page.agents.is_empty() || !page.has_more;
        agents.extend(page.agents);
        if last {
            return Ok(agents);
        }
    }
}

/// An agent as far as the client reads it; `None` when it is no such object.
#[must_use]
pub fn read(value: Value) -> Option<Agent> {
    serde_json::from_value(value).ok()
}

/// The open questions.
///
/// # Errors
/// Those of the request.
pub fn approvals(client: &Client) -> Result<Vec<Approval>, Failure> {
    let page: Approvals = client.json(&Request::get("/api/chat/approvals/pending"))?;
    Ok(page.approvals)
}

/// The open question that `typed` means.
///
/// # Errors
/// `NotFound` when nothing fits, `Usage` when several do.
pub fn approval(client: &Client, typed: &str) -> Result<String, Failure> {
    if uuid::Uuid::parse_str(typed).is_ok() {
        return Ok(typed.to_owned());
    }
    let open = approvals(client)?;
    let ids: Vec<&str> = open.iter().map(|one| one.request_id.as_str()).collect();
    pick(&ids, typed, "open question")
        .map(str::to_owned)
        .map_err(|failure| failure.mend("list them with `callboard approve`"))
}

/// The one id of `ids` that begins or ends with `typed`. UUIDv7 of one moment begin alike, so
/// people type their ends.
///
/// # Errors
/// `NotFound` when nothing fits, `Usage` when several do.
pub fn pick<'a>(ids: &[&'a str], typed: &str, what: &str) -> Result<&'a str, Failure> {
    let typed = typed.to_ascii_lowercase();
    let fits: Vec<&str> = ids
        .iter()
        .copied()
        .filter(|id| !typed.is_empty() && (id.starts_with(&typed) || id.ends_with(&typed)))
        .collect();
    match fits.as_slice() {
        [one] => Ok(one),
        [] => Err(Failure::new(
            Exit::NotFound,
            format!("there is no {what} `{typed}`"),
        )),
        several => Err(ambiguous(what, &typed, several)),
    }
}

fn pick_agent<'a>(agents: &'a [Agent], typed: &str) -> Result<&'a str, Failure> {
    let named: Vec<&Agent> = agents
        .iter()
        .filter(|agent| agent.name.as_deref() == Some(typed))
        .collect();
    match named.as_slice() {
        [one] => return Ok(&one.id),
        [] => {}
        // An admin sees the agents of all owners; names are unique for each owner only.
        several => {
            let ids: Vec<&str> = several.iter().map(|agent| agent.id.as_str()).collect();
            return Err(ambiguous("agent", typed, &ids));
        }
    }
    let fits: Vec<&Agent> = agents
        .iter()
        .filter(|agent| !typed.is_empty() && agent.id.starts_with(&typed.to_ascii_lowercase()))
        .collect();
    match fits.as_slice() {
        [one] => Ok(&one.id),
        [] => Err(
            Failure::new(Exit::NotFound, format!("there is no agent `{typed}`"))
                .mend("list them with `callboard ps --all`"),
        ),
        several => {
            let ids: Vec<&str> = several.iter().map(|agent| agent.id.as_str()).collect();
            Err(ambiguous("agent", typed, &ids))
        }
    }
}

fn ambiguous(what: &str, typed: &str, ids: &[&str]) -> Failure {
    let shown: Vec<&str> = ids.iter().copied().take(SHOWN).collect();
    let rest = ids.len().saturating_sub(shown.len());
    let mut list = shown.join(", ");
    if rest > 0 {
        list.push_str(&format!(" and {rest} more"));
    }
    Failure::new(Exit::Usage, format!("`{typed}` fits more than one {what}"))
        .because(list)
        .mend("type more of it")
}

/// The first eight characters of an id, as people see agents.
#[must_use]
pub fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

/// The last eight characters of an id, as people see tasks and questions: ids that sort by time
/// begin alike.
#[must_use]
pub fn tail(id: &str) -> &str {
    id.len()
        .checked_sub(8)
        .and_then(|at| id.get(at..))
        .unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agents() -> Vec<Agent> {
        [
            ("aa11", None),
            ("aa22", Some("build")),
            ("bb33", Some("aa1")),
        ]
        .into_iter()
        .map(|(id, name)| Agent {
            id: id.into(),
            name: name.map(str::to_owned),
            ..Agent::default()
        })
        .collect()
    }

    #[test]
    fn a_name_wins_over_the_beginning_of_an_id() {
        assert_eq!(pick_agent(&agents(), "aa1"), Ok("bb33"));
        assert_eq!(pick_agent(&agents(), "build"), Ok("aa22"));
        assert_eq!(pick_agent(&agents(), "AA11"), Ok("aa11"));
    }

    #[test]
    fn several_fits_are_refused_with_the_candidates() {
        let failure = pick_agent(&agents(), "aa").unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert_eq!(failure.why.as_deref(), Some("aa11, aa22"));
    }

    #[test]
    fn nothing_fits_is_not_found_also_for_an_empty_word() {
        assert_eq!(
            pick_agent(&agents(), "cc").unwrap_err().exit,
            Exit::NotFound
        );
        assert_eq!(pick_agent(&agents(), "").unwrap_err().exit, Exit::NotFound);
        assert_eq!(
            pick(&["0192-77"], "", "task").unwrap_err().exit,
            Exit::NotFound
        );
    }

    #[test]
    fn ids_by_time_are_found_by_their_end() {
        let ids = ["01929f3a-1111", "01929f3a-2222"];
        assert_eq!(pick(&ids, "2222", "task"), Ok("01929f3a-2222"));
        assert_eq!(
            pick(&ids, "01929f3a", "task").unwrap_err().exit,
            Exit::Usage
        );
    }

    #[test]
    fn ids_are_cut_without_panic() {
        assert_eq!(short("abc"), "abc");
        assert_eq!(tail("0123456789"), "23456789");
        assert_eq!(tail("\u{e4}bcdefgh"), "\u{e4}bcdefgh");
    }
}
