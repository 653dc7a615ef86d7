//! The waiting tasks of one session in memory: their order, which of them is on offer, and how the
//! session stands.
//!
//! Never offers two at once, and never takes a task for answered that the session has not answered.

use std::collections::VecDeque;

use crate::domain::{Error, LimitKind, Task, TaskId, Timestamp};

use super::super::facade::WhenBusy;

/// Whether the session can take a turn now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::runtime) enum Readiness {
    /// It can.
    Ready,
    /// A turn runs.
    InTurn,
    /// Something else holds it: no process, a pause, an open question.
    Held,
    /// The session has reached a hard stop: nothing new is accepted.
    Spent(LimitKind),
}

/// See the module.
pub(super) struct Line {
    waiting: VecDeque<Task>,
    stand: Readiness,
    /// A task that was offered and of which the session has not said yet what became of it. Its
    /// row still says `queued`.
    offered: Option<TaskId>,
    asleep: bool,
}

impl Line {
    /// Of a session of which nothing is known yet.
    pub(super) fn new(rows: Vec<Task>) -> Self {
        Self {
            waiting: rows.into(),
            stand: Readiness::Held,
            offered: None,
            asleep: false,
        }
    }

    /// Takes the rows as the order, without the task that is on offer.
    pub(super) fn take(&mut self, rows: Vec<Task>) {
        self.waiting = rows
            .into_iter()
            .filter(|task| Some(task.id) != self.offered)
            .collect();
    }

    /// Puts a new task behind the others. `false`: the rows, in this order, are not what is known
    /// with it, and must be read again.
    pub(super) fn join(&mut self, task: Task, rows: &[TaskId]) -> bool {
        self.waiting.push_back(task);
        let rows = rows.iter().filter(|id| Some(**id) != self.offered);
        rows.eq(self.waiting.iter().map(|task| &task.id))
    }

    /// The session stands so now.
    pub(super) fn stands(&mut self, stand: Readiness) {
        self.stand = stand;
    }

    /// The session has taken what was offered, or has given it back.
    pub(super) fn answered(&mut self, task: TaskId) {
        self.offered = self.offered.filter(|offered| *offered != task);
    }

    /// The next task for a session that can take it. It is on offer from now on.
    pub(super) fn next(&mut self) -> Option<Task> {
        if !self.is_free() {
            return None;
        }
        let task = self.waiting.pop_front()?;
        self.offered = Some(task.id);
        Some(task)
    }

    /// Whether the session can take a task, and none is on its way.
    pub(super) fn is_free(&self) -> bool {
        self.stand == Readiness::Ready && self.offered.is_none()
    }

    /// Whether none waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How many wait.
    pub(super) fn depth(&self) -> u32 {
        u32::try_from(self.waiting.len()).unwrap_or(u32::MAX)
    }

    /// When the youngest of them was accepted.
    pub(super) fn newest(&self) -> Option<Timestamp> {
        self.waiting.iter().map(|task| task.created_at).max()
    }

    /// The task that is as good as running.
    pub(super) fn offered(&self) -> Option<TaskId> {
        self.offered
    }

    /// Whether a new task waits for something.
    pub(super) fn is_busy(&self) -> bool {
        !self.is_free() || !self.waiting.is_empty()
    }

    /// Why a new prompt is not taken now: a hard stop, or its sender does not want it to wait.
    pub(super) fn refusal(&self, when_busy: WhenBusy) -> Option<Error> {
        if let Readiness::Spent(limit) = self.stand {
            return Some(limit.refusal());
        }
        let working = self.stand == Readiness::InTurn || self.offered.is_some();
        let refuses = when_busy == WhenBusy::Refuse && (working || !self.waiting.is_empty());
        refuses.then(|| {
            let words = "the agent is busy; it takes queued messages with ?queue=true";
            Error::conflict("agent_busy", words)
        })
    }

    /// Falls asleep, if nothing waits or is on its way; nothing is accepted after that.
    pub(super) fn sleep(&mut self) -> bool {
        self.asleep = self.waiting.is_empty() && self.offered.is_none();
        self.asleep
    }

    /// Whether it sleeps.
    pub(super) fn is_asleep(&self) -> bool {
        self.asleep
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::UserId;
    use crate::domain::testing;

    fn waiting() -> Task {
        testing::waiting(&testing::session(UserId::generate()))
    }

    fn line(count: usize) -> (Line, Vec<Task>) {
        let tasks: Vec<Task> = (0..count).map(|_| waiting()).collect();
        (Line::new(tasks.clone()), tasks)
    }

    #[test]
    fn one_is_offered_at_a_time_in_order() {
        let (mut line, tasks) = line(2);
        assert_eq!(line.next(), None, "it is not known how the session stands");
        line.stands(Readiness::Ready);
        assert_eq!(line.next().as_ref(), Some(&tasks[0]));
        assert_eq!((line.next(), line.depth()), (None, 1));
        line.answered(tasks[0].id);
        assert_eq!(line.next().as_ref(), Some(&tasks[1]));
    }

    /// How the session stood may be on its way when a task is offered: that is no answer.
    #[test]
    fn only_its_own_answer_takes_a_task_from_the_offer() {
        let (mut line, tasks) = line(2);
        line.stands(Readiness::Ready);
        line.next().unwrap();
        for stale in [Readiness::Ready, Readiness::Held, Readiness::Ready] {
            line.stands(stale);
            assert_eq!(line.offered(), Some(tasks[0].id), "{stale:?}");
        }
        line.answered(tasks[1].id);
        assert_eq!((line.offered(), line.next()), (Some(tasks[0].id), None));
        // Its row still says that it waits.
        line.take(tasks.clone());
        assert_eq!(line.depth(), 1);
        line.answered(tasks[0].id);
        line.take(tasks.clone());
        assert_eq!(line.next().as_ref(), Some(&tasks[0]), "it was given back");
    }

    #[test]
    fn a_new_task_joins_what_is_known_or_tells_that_it_is_not_all() {
        let (mut line, tasks) = line(1);
        let (new, ids) = (waiting(), |tasks: &[&Task]| {
            tasks.iter().map(|task| task.id).collect::<Vec<_>>()
        });
        assert!(line.join(new.clone(), &ids(&[&tasks[0], &new])));
        line.stands(Readiness::Ready);
        line.next().unwrap();
        let newer = waiting();
        assert!(line.join(newer.clone(), &ids(&[&tasks[0], &new, &newer])));
        let (back, newest) = (waiting(), waiting());
        assert!(!line.join(newest.clone(), &ids(&[&back, &new, &newer, &newest])));
    }

    #[test]
    fn it_sleeps_when_nothing_waits_and_nothing_is_on_its_way() {
        let (mut line, tasks) = line(1);
        assert!(!line.sleep() && !line.is_asleep());
        line.stands(Readiness::Ready);
        line.next().unwrap();
        assert!(!line.sleep());
        line.answered(tasks[0].id);
        assert!(line.sleep() && line.is_asleep());
    }
}
