//! What runs, as trees: each mission with the sessions that come from it.
//!
//! Never more sessions than a bound, and says so when there are more.

use std::collections::HashMap;

use super::super::{App, Overview};
use super::as_mission;
use crate::domain::{Mission, Principal, Result, SessionId, Timestamp};
use crate::store::sessions::{self, Filter, Order};
use crate::store::{events, sessions::missions};

/// Most sessions of one answer.
const MOST: usize = 1_000;
/// Most generations of it.
const DEPTH: usize = 32;
/// Most missions whose trees one answer shows.
const ROOTS: usize = 200;

/// A session and what comes from it.
#[derive(Debug, Clone)]
pub struct Branch {
    /// The session.
    pub row: Overview,
    /// When its last event was.
    pub active_at: Option<Timestamp>,
    /// What comes from it, oldest first.
    pub children: Vec<Branch>,
}

/// Trees of missions.
#[derive(Debug, Clone)]
pub struct Tree {
    /// Each with what comes from it.
    pub roots: Vec<Branch>,
    /// Whether there are more sessions than are shown.
    pub cut: bool,
}

impl App {
    /// The tree of one mission.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn mission_tree(&self, who: &Principal, id: SessionId) -> Result<Tree> {
        let root = self.agent(who, id).await.map_err(as_mission)?;
        self.grow(who, vec![root]).await
    }

    /// The trees of the person's missions that are under way.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn live_tree(&self, who: &Principal) -> Result<Tree> {
        let roots = self.active_missions(who).await?;
        self.grow(who, roots).await
    }

    /// The person's missions that are under way, last changed first, each with its last activity.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn running_missions(&self, who: &Principal) -> Result<Vec<Branch>> {
        let rows = self.active_missions(who).await?;
        let at = self.activity(&rows).await?;
        let branch = |row: Overview| Branch {
            active_at: at.get(&row.session.id).copied(),
            row,
            children: Vec::new(),
        };
        Ok(rows.into_iter().map(branch).collect())
    }

    async fn active_missions(&self, who: &Principal) -> Result<Vec<Overview>> {
        let filter = Filter {
            owner: self.own_only(who),
            missions: vec![Mission::Active],
            order: Order::Changed,
            ..Filter::default()
        };
        let (mut rows, _) = self.store().session_page(filter.clone(), 0, ROOTS).await?;
        // Those that wait for a place have work, and are pending before their first turn.
        let waiting = Filter {
            missions: vec![Mission::Pending],
            statuses: vec![crate::domain::Status::Waiting],
            ..filter
        };
        let (more, _) = self.store().session_page(waiting, 0, ROOTS).await?;
        rows.extend(more);
        // One that was only opened again does nothing yet.
        rows.retain(|row| !Mission::plain(&row.session.facts).ended());
        Ok(rows)
    }

    async fn activity(&self, rows: &[Overview]) -> Result<HashMap<SessionId, Timestamp>> {
        let last: Vec<(SessionId, u64)> = rows
            .iter()
            .map(|row| (row.session.id, row.last_seq))
            .collect();
        let read = move |conn: &mut crate::store::Connection| events::times(conn, &last);
        Ok(self.store().read(read).await?)
    }

    async fn grow(&self, who: &Principal, roots: Vec<Overview>) -> Result<Tree> {
        let ids: Vec<SessionId> = roots.iter().map(|row| row.session.id).collect();
        let seen = who.clone();
        let below = self
            .store()
            .read(move |conn| {
                let mut found = missions::descendants(conn, &ids, (MOST, DEPTH))?;
                found.retain(|session| seen.may_read(session.owner));
                sessions::with_figures(conn, found)
            })
            .await?;
        let cut = below.len() >= MOST || roots.len() >= ROOTS;
        let at = self.activity(&roots).await?;
        let mut more = self.activity(&below).await?;
        more.extend(at);
        Ok(Tree {
            roots: planted(roots, below, &more),
            cut,
        })
    }
}

/// Puts each session below the one that it comes from. Roots that come from other roots stand below
/// those alone.
fn planted(
    roots: Vec<Overview>,
    below: Vec<Overview>,
    at: &HashMap<SessionId, Timestamp>,
) -> Vec<Branch> {
    let mut tops: Vec<Overview> = Vec::new();
    let mut children: HashMap<SessionId, Vec<Overview>> = HashMap::new();
    let mut placed = std::collections::HashSet::new();
    let under: std::collections::HashSet<SessionId> =
        below.iter().map(|row| row.session.id).collect();
    for row in below {
        if let Some(up) = row.session.parent
            && placed.insert(row.session.id)
        {
            children.entry(up.session).or_default().push(row);
        }
    }
    tops.extend(
        roots
            .into_iter()
            .filter(|row| !under.contains(&row.session.id)),
    );
    tops.into_iter()
        .map(|row| grown(row, &mut children, at))
        .collect()
}

fn grown(
    row: Overview,
    children: &mut HashMap<SessionId, Vec<Overview>>,
    at: &HashMap<SessionId, Timestamp>,
) -> Branch {
    let id = row.session.id;
    let below = children.remove(&id).unwrap_or_default();
    Branch {
        active_at: at.get(&id).copied(),
        row,
        children: below
            .into_iter()
            .map(|row| grown(row, children, at))
            .collect(),
    }
}
