//! What waits in the queues of all of a person's missions.
//!
//! Never a task of somebody else, and never one that was moved to another mission.

use std::collections::HashMap;

use super::super::{App, Page, Queue, TaskView};
use super::as_mission;
use crate::domain::prompt::IdempotencyKey;
use crate::domain::{Error, Placement, Principal, Result, SessionId, Task, TaskId};
use crate::store::{Connection, listed, tasks, waiting};

/// A prompt that waits.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// Its place in its mission's queue, from 1.
    pub position: usize,
    /// The task.
    pub task: Task,
    /// Whether only the beginning of its words is here.
    pub cut: bool,
}

impl App {
    /// A page of the prompts that wait for the person's own missions, in the order of each queue; of
    /// one mission when it is named.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn waiting(
        &self,
        who: &Principal,
        mission: Option<SessionId>,
        (offset, limit): (usize, usize),
    ) -> Result<Page<Waiting>> {
        let all = self.waiting_order(who, mission).await?;
        let total = u64::try_from(all.len()).unwrap_or(u64::MAX);
        let page = all.into_iter().skip(offset).take(limit);
        let places: HashMap<TaskId, usize> =
            page.clone().map(|(place, _, id)| (id, place)).collect();
        let ids: Vec<TaskId> = page.map(|(_, _, id)| id).collect();
        let read = move |conn: &mut Connection| listed::read(conn, &ids);
        let listed = self.store().read(read).await?;
        let items = listed.tasks.into_iter().map(|task| Waiting {
            position: places.get(&task.id).copied().unwrap_or_default(),
            cut: listed.cut.contains(&task.id),
            task,
        });
        Ok(Page {
            items: items.collect(),
            total,
        })
    }

    /// What waits: its place, whose it is, and its id.
    async fn waiting_order(
        &self,
        who: &Principal,
        mission: Option<SessionId>,
    ) -> Result<Vec<(usize, SessionId, TaskId)>> {
        if let Some(id) = mission {
            self.readable(who, id).await.map_err(as_mission)?;
            let read = move |conn: &mut Connection| waiting::order(conn, id);
            let order = self.store().read(read).await?;
            let placed = (1..).zip(order);
            return Ok(placed.map(|(place, task)| (place, id, task)).collect());
        }
        let owner = who.user;
        let all = self
            .store()
            .read(move |conn| waiting::of(conn, owner))
            .await?;
        let mut placed = Vec::with_capacity(all.len());
        let mut last: Option<(SessionId, usize)> = None;
        for (session, task) in all {
            let before = last.filter(|(other, _)| *other == session);
            let place = before.map_or(1, |(_, place)| place.saturating_add(1));
            last = Some((session, place));
            placed.push((place, session, task));
        }
        Ok(placed)
    }

    /// The mission in whose queue a task is, or was.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn mission_of_task(&self, who: &Principal, task: TaskId) -> Result<SessionId> {
        let found = self
            .store()
            .read(move |conn| tasks::by_id(conn, task))
            .await?;
        let missing = || Error::not_found("task", task);
        let session = found.ok_or_else(missing)?.session;
        match self.readable(who, session).await {
            Ok(session) => Ok(session.id),
            Err(Error::NotFound { .. }) => Err(missing()),
            Err(error) => Err(error),
        }
    }

    /// Where an earlier request with this key put its prompt, and in which mission, whatever became
    /// of that.
    ///
    /// # Errors
    /// `idempotency_key_reused`.
    pub async fn placed_before(
        &self,
        who: &Principal,
        key: &IdempotencyKey,
    ) -> Result<Option<(SessionId, Placement)>> {
        let (owner, key, now) = (who.user, key.clone(), self.now());
        let read = move |conn: &mut Connection| {
            let Some(placement) = tasks::placed(conn, (owner, &key), now)? else {
                return Ok(None);
            };
            let task = tasks::by_id(conn, placement.task)?;
            Ok(task.map(|task| (task.session, placement)))
        };
        Ok(self.store().read(read).await?)
    }

    /// A task of any of the person's missions.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn any_task(&self, who: &Principal, task: TaskId) -> Result<TaskView> {
        let mission = self.mission_of_task(who, task).await?;
        self.task(who, mission, task).await
    }

    /// Withdraws what waits: of one mission, or of all of the person's own. Returns how many.
    ///
    /// # Errors
    /// `not_found`, `forbidden`.
    pub async fn clear_waiting(
        &self,
        who: &Principal,
        mission: Option<SessionId>,
    ) -> Result<usize> {
        match mission {
            Some(id) => drop(self.writable(who, id).await.map_err(as_mission)?),
            None => self.may_drive_own(who, "queue").await?,
        }
        let mut cleared = 0_usize;
        for (_, session, task) in self.waiting_order(who, mission).await? {
            match self.cancel_task(who, session, task).await {
                Ok(()) => cleared = cleared.saturating_add(1),
                // It left the queue by itself.
                Err(Error::Conflict { .. } | Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(cleared)
    }

    /// Puts the waiting tasks of one mission into another order; which mission the tasks say.
    ///
    /// # Errors
    /// `bad_order`, `not_found`.
    pub async fn reorder_waiting(&self, who: &Principal, order: Vec<TaskId>) -> Result<Queue> {
        let Some(first) = order.first().copied() else {
            let text = "the order names no task";
            let expected = "every waiting task of one mission once";
            return Err(Error::invalid("bad_order", "order", text, expected));
        };
        let mission = self.mission_of_task(who, first).await?;
        self.reorder(who, mission, order).await
    }
}
