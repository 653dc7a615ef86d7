//! The moves of a session's process: start, ready, end, restart, stop.
//!
//! Never restarts what a person ended, and never without the back-off.

use std::time::Duration;

use crate::domain::status::Intent;
use crate::domain::{
    Change, ExitReason, ExitReport, Incarnation, NewIncarnation, Process, Progress, Timestamp,
};

use super::super::facade::Force;
use super::super::ledger::Line;
use super::core::Core;
use super::exits::{Ending, OWNER_DELETED, START_CANCELLED, WORKSPACE_GONE};
use super::step::{Alarm, Effect, Step};

impl Core {
    /// Whether there is reason and leave to start a process now.
    pub(super) fn may_start(&self, by_person: bool) -> bool {
        let facts = &self.session.facts;
        let free =
            self.session.archived_at.is_none() && facts.uncertain.is_none() && !self.is_spent();
        let down = match facts.process {
            Process::None => by_person || facts.intent == Intent::Run,
            Process::CrashLoop | Process::Failed { .. } => by_person,
            Process::Waiting { .. }
            | Process::Starting { .. }
            | Process::Live { .. }
            | Process::Unattached { .. }
            | Process::Backoff { .. } => false,
        };
        free && down
    }

    /// Whether a task of this time was accepted after whatever holds the session down.
    pub(super) fn is_news(&self, newest: Option<Timestamp>) -> bool {
        let down = self.session.facts.down_at;
        newest.is_some_and(|newest| down.is_some_and(|down| newest > down))
    }

    /// A person wants it to run (again): what was counted against it is forgotten.
    pub(super) fn forgive(&mut self) {
        let facts = &mut self.session.facts;
        facts.intent = Intent::Run;
        facts.down_at = None;
        facts.completed = None;
        facts.limited_until = None;
        if matches!(facts.process, Process::CrashLoop | Process::Failed { .. }) {
            facts.process = Process::None;
            facts.short_lives = 0;
            facts.restarts = 0;
        }
    }

    /// A person wants a start, and the process before it is not gone yet: it follows the end.
    pub(super) fn start_after_the_end(&mut self, now: Timestamp) -> Step {
        self.run(now, |core, _| core.session.facts.again = true)
    }

    /// Whether only the back-off stands between it and its next process.
    pub(super) fn waits_to_restart(&self) -> bool {
        let waits = matches!(self.session.facts.process, Process::Backoff { .. });
        let free = self.session.archived_at.is_none() && !self.is_spent();
        waits && free && self.session.facts.uncertain.is_none()
    }

    /// Whether a process is there that is being ended.
    pub(super) fn is_ending(&self) -> bool {
        let facts = &self.session.facts;
        facts.process.held() && (facts.ending.is_some() || facts.intent == Intent::Stop)
    }

    /// There is no place among the live agents yet.
    pub(super) fn wait_for_place(&mut self, now: Timestamp) -> Step {
        self.run(now, |core, step| {
            core.session.facts.process = Process::Waiting { since: now };
            step.effects.push(Effect::Admit);
        })
    }

    /// A new incarnation: committed as starting before the keeper is started.
    pub(super) fn launch(&mut self, nonce: String, now: Timestamp) -> Step {
        self.run(now, |core, step| {
            let incarnation = core.session.facts.incarnation.next();
            let takes_over = core.rules.resumable && !core.session.facts.fresh;
            let resume = (takes_over && !core.progress.snapshot.is_empty())
                .then(|| core.progress.snapshot.clone());
            if std::mem::take(&mut core.session.facts.fresh) {
                core.session.facts.conversation = None;
            }
            core.session.facts.incarnation = incarnation;
            core.session.facts.process = Process::Starting {
                since: now,
                pid: None,
            };
            core.session.facts.ready = false;
            core.session.facts.ending = None;
            core.session.facts.again = false;
            core.progress = Progress {
                incarnation,
                offset: 0,
                snapshot: String::new(),
            };
            core.nonce.clone_from(&nonce);
            core.started_at = now;
            step.changes.push(Change::Started(Box::new(NewIncarnation {
                incarnation,
                nonce,
                snapshot: String::new(),
                started_at: now,
            })));
            step.effects.push(Effect::Launch {
                incarnation,
                resume,
            });
            step.effects.push(Effect::After(
                core.rules.start_timeout,
                Alarm::Start(incarnation),
            ));
        })
    }

    /// The keeper runs the program.
    pub(super) fn launched(&mut self, incarnation: Incarnation, pid: u32, now: Timestamp) -> Step {
        self.run(now, |core, step| {
            if core.session.facts.incarnation == incarnation {
                core.session.facts.process = Process::Starting {
                    since: now,
                    pid: Some(pid),
                };
                step.effects.push(Effect::Log(
                    core.line("process_started", Some(pid.to_string())),
                ));
            }
        })
    }

    /// The program could not be started. `lasting`: another try would fail alike.
    pub(super) fn launch_failed(&mut self, code: &str, text: &str, now: Timestamp) -> Step {
        let lasting = matches!(
            code,
            "program_not_found"
                | "not_executable"
                | "cwd_missing"
                | "cwd_denied"
                | OWNER_DELETED
                | WORKSPACE_GONE
        );
        self.run(now, |core, step| {
            let ending = Ending {
                by: core.session.facts.ending.clone(),
                at: now,
                ..Ending::default()
            };
            let reason = if code == START_CANCELLED {
                super::exits::reason(&ending)
            } else {
                step.error(now, code, text);
                ExitReason::SpawnFailed
            };
            let report = core.report(ending, reason);
            core.ended(report, now, step);
            if core.begin_again(now, step) || core.session.facts.intent == Intent::Stop {
                return;
            }
            if lasting {
                let (code, text) = (code.to_owned(), text.to_owned());
                core.session.facts.process = Process::Failed { code, text };
                core.session.facts.down_at = Some(now);
            } else {
                core.restart(now, step);
            }
        })
    }

    /// The program takes prompts.
    pub(super) fn became_ready(&mut self, now: Timestamp) {
        let facts = &mut self.session.facts;
        facts.ready = true;
        if let Process::Starting { pid: Some(pid), .. } = facts.process {
            facts.process = Process::Live { pid, since: now };
        }
    }

    /// The keeper of a process from before is there, but not connected yet.
    pub(super) fn found_alive(&mut self, pid: u32, now: Timestamp) -> Step {
        self.run(now, |core, step| {
            let since = core.started_at;
            core.session.facts.process = Process::Unattached { pid, since };
            step.effects.push(Effect::Attach);
        })
    }

    /// The keeper of a process from before is gone: what it left is read before the end is told.
    pub(super) fn found_dead(&mut self, now: Timestamp) -> Step {
        // A reset goes on behind the end.
        self.run_only(now, |core, step| {
            core.session.facts.process = Process::None;
            step.effects.push(Effect::Attach);
        })
    }

    /// A person or the server ends the process. `false` when there is nothing to end.
    pub(super) fn halt(&mut self, force: Force, by: &str, now: Timestamp) -> (Step, bool) {
        let mut ends = false;
        let step = self.run(now, |core, step| {
            ends = core.put_down(force, by, now, step);
        });
        (step, ends)
    }

    /// Asks for the end of the process; until it is there, it gets no new work.
    pub(super) fn end_process(&mut self, force: Force, by: &str, step: &mut Step) {
        self.session.facts.ending = Some(by.to_owned());
        step.effects.push(Effect::End(force, by.to_owned()));
    }

    /// The wait before a restart is over.
    pub(super) fn backoff_over(&self, incarnation: Incarnation) -> bool {
        let waits = matches!(self.session.facts.process, Process::Backoff { .. });
        waits && self.session.facts.incarnation == incarnation
    }

    /// The start that a person asked for while the process was being ended.
    pub(super) fn begin_again(&mut self, now: Timestamp, step: &mut Step) -> bool {
        let wanted = std::mem::take(&mut self.session.facts.again);
        let goes = wanted && self.session.archived_at.is_none() && !self.is_spent();
        if goes {
            self.forgive();
            self.session.facts.process = Process::Waiting { since: now };
            step.effects.push(Effect::Admit);
        }
        goes
    }

    /// Back-off, or a crash loop after too many short lives.
    pub(super) fn restart(&mut self, now: Timestamp, step: &mut Step) {
        let lifetime = self
            .session
            .facts
            .last_exit
            .as_ref()
            .map_or(0, ExitReport::lifetime_ms);
        let lived = Duration::from_millis(u64::try_from(lifetime).unwrap_or(0));
        let facts = &mut self.session.facts;
        let short = lived < self.rules.short_life || !facts.ready;
        facts.short_lives = if short {
            facts.short_lives.saturating_add(1)
        } else {
            0
        };
        if facts.short_lives >= self.rules.crash_loop_after {
            facts.process = Process::CrashLoop;
            facts.down_at = Some(now);
            let why = format!("{} short lives in a row", facts.short_lives);
            step.effects
                .push(Effect::Log(self.line("crash_loop", Some(why))));
            return;
        }
        facts.restarts = self.rules.backoff.streak(facts.restarts, lived);
        let delay = self.rules.backoff.delay(facts.restarts, self.random);
        let ms = i64::try_from(delay.as_millis()).unwrap_or(i64::MAX);
        let next_at = now.plus_ms(ms);
        facts.process = Process::Backoff { next_at };
        let incarnation = facts.incarnation;
        let mut line = self.line("restart_in", Some(format!("{} ms", delay.as_millis())));
        line.next_at = Some(next_at);
        step.effects.push(Effect::Log(line));
        step.effects
            .push(Effect::After(delay, Alarm::Backoff(incarnation)));
    }

    /// A line of the supervisor's log about this session's process.
    pub(super) fn line(&self, event: &str, reason: Option<String>) -> Line {
        Line::of_process(
            self.session.id,
            self.session.facts.incarnation,
            event,
            reason,
        )
    }
}
