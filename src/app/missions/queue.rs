//! What waits in the queues of all of a person's missions.
//!
//! Never a task of somebody else, and never one that was moved to another mission.

use super::super::{App, Queue, TaskView};
use super::as_mission;
use crate::domain::{Error, Principal, Result, SessionId, Task, TaskId};
use crate::store::{tasks, waiting};

impl App {
    /// Every prompt that waits for one of the person's own missions, in the order of each queue; of
    /// one mission when it is named.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn waiting(
        &self,
        who: &Principal,
        mission: Option<SessionId>,
    ) -> Result<Vec<(usize, Task)>> {
        if let Some(id) = mission {
            let queue = self.queue(who, id).await.map_err(as_mission)?;
            return Ok((1..).zip(queue.waiting).collect());
        }
        let owner = who.user;
        let all = self
            .store()
            .read(move |conn| waiting::of(conn, owner))
            .await?;
        let mut placed = Vec::with_capacity(all.len());
        let mut last: Option<(SessionId, usize)> = None;
        for task in all {
            let before = last.filter(|(session, _)| *session == task.session);
            let place = before.map_or(1, |(_, place)| place.saturating_add(1));
            last = Some((task.session, place));
            placed.push((place, task));
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
        for (_, task) in self.waiting(who, mission).await? {
            match self.cancel_task(who, task.session, task.id).await {
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
