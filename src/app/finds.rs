//! Finding sessions and tasks by conditions, and by the beginnings of their ids.
//!
//! Never one of a stranger: whose rows they are is the store's first condition.

use std::collections::HashMap;

use super::{App, Overview, Page, TaskView};
use crate::domain::find::{Find, SessionField, TaskField};
use crate::domain::{
    Error, Principal, Result, Session, SessionId, Task, TaskId, TaskState, UserId,
};
use crate::store::{finds, sessions, tasks, waiting};

/// Most children that a session tells of.
const MOST_CHILDREN: usize = 1_000;
/// Most sessions that stand above one.
const MOST_ABOVE: usize = 64;

/// Where a session comes from, and what comes from it.
#[derive(Debug, Clone)]
pub struct Family {
    /// The session.
    pub session: Overview,
    /// Those that it comes from, the nearest first.
    pub ancestors: Vec<Overview>,
    /// Those that come from it, the oldest first.
    pub children: Vec<Overview>,
}

impl App {
    /// Sessions that match.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn find_sessions(
        &self,
        who: &Principal,
        find: Find<SessionField>,
    ) -> Result<Page<Overview>> {
        let owner = whose(who);
        let page = move |conn: &mut _| finds::sessions::page(conn, owner, &find);
        let (items, total) = self.store().read(page).await?;
        Ok(Page { items, total })
    }

    /// Tasks that match.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn find_tasks(
        &self,
        who: &Principal,
        find: Find<TaskField>,
    ) -> Result<Page<TaskView>> {
        let owner = whose(who);
        let read = move |conn: &mut _| {
            let (listed, total) = finds::tasks::page(conn, owner, &find)?;
            let mut of: HashMap<SessionId, (Session, Vec<TaskId>)> = HashMap::new();
            for task in &listed.tasks {
                if !of.contains_key(&task.session)
                    && let Some(session) = sessions::by_id(conn, task.session)?
                {
                    of.insert(task.session, (session, Vec::new()));
                }
                let waits = task.state == TaskState::Queued;
                if let Some((_, line)) = of.get_mut(&task.session)
                    && waits
                    && line.is_empty()
                {
                    *line = waiting::order(conn, task.session)?;
                }
            }
            Ok((listed, of, total))
        };
        let (listed, of, total) = self.store().read(read).await?;
        let view = |task: Task| {
            let (session, line) = of.get(&task.session)?;
            let place = line.iter().position(|id| *id == task.id);
            Some(TaskView {
                session: session.clone(),
                position: place.and_then(|place| place.checked_add(1)),
                cut: listed.cut.contains(&task.id),
                task,
            })
        };
        let items = listed.tasks.into_iter().filter_map(view).collect();
        Ok(Page { items, total })
    }

    /// The session with this id, or the only one whose id begins so.
    ///
    /// # Errors
    /// `not_found`, `ambiguous_id`.
    pub async fn which_session(&self, who: &Principal, text: &str) -> Result<SessionId> {
        if let Ok(id) = text.parse() {
            return Ok(id);
        }
        let missing = || Error::not_found("session", text.chars().take(64).collect::<String>());
        let (owner, start) = (whose(who), text.to_owned());
        let read = move |conn: &mut _| sessions::by_prefix(conn, owner, &start);
        let found = self.store().read(read).await?;
        match found.as_slice() {
            [] => Err(missing()),
            [only] => Ok(*only),
            several => {
                let ids: Vec<String> = several.iter().map(ToString::to_string).collect();
                let message = "the ids of several sessions begin so";
                Err(Error::invalid(
                    "ambiguous_id",
                    "id",
                    message,
                    ids.join(", "),
                ))
            }
        }
    }

    /// A task by its id alone.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn task_alone(&self, who: &Principal, id: TaskId) -> Result<TaskView> {
        let missing = || Error::not_found("task", id);
        let found = self
            .store()
            .read(move |conn| tasks::by_id(conn, id))
            .await?
            .ok_or_else(missing)?;
        let view = self.task(who, found.session, id).await;
        // Neither whose session it is in nor its id is told to strangers.
        view.map_err(|error| match matches!(error, Error::NotFound { .. }) {
            true => missing(),
            false => error,
        })
    }

    /// The children of each of these sessions, as far as they may be seen.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn children(&self, of: Vec<SessionId>) -> Result<HashMap<SessionId, Vec<SessionId>>> {
        let read = move |conn: &mut _| finds::sessions::children(conn, &of, MOST_CHILDREN);
        let mut all: HashMap<SessionId, Vec<SessionId>> = HashMap::new();
        for (parent, child) in self.store().read(read).await? {
            all.entry(parent).or_default().push(child);
        }
        Ok(all)
    }

    /// Where a session comes from, and what comes from it.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn family(&self, who: &Principal, id: SessionId) -> Result<Family> {
        let session = self.agent(who, id).await?;
        let mut ancestors: Vec<Overview> = Vec::new();
        let mut above = session.session.parent;
        while let Some(parent) = above
            && ancestors.len() < MOST_ABOVE
        {
            // One that is gone or a stranger's ends the line.
            let Ok(found) = self.agent(who, parent.session).await else {
                break;
            };
            above = found.session.parent;
            ancestors.push(found);
        }
        let read = move |conn: &mut _| {
            let pairs = finds::sessions::children(conn, &[id], MOST_CHILDREN)?;
            let mut found = Vec::new();
            for (_, child) in pairs {
                found.extend(sessions::by_id(conn, child)?);
            }
            sessions::with_figures(conn, found)
        };
        let below = self.store().read(read).await?.into_iter();
        let children = below.filter(|row| who.may_read(row.session.owner));
        Ok(Family {
            session,
            ancestors,
            children: children.collect(),
        })
    }
}

/// Whose rows may be seen; `None`: everybody's.
fn whose(who: &Principal) -> Option<UserId> {
    (!who.is_admin()).then_some(who.user)
}
