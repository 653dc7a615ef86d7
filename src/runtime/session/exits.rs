//! The end of a session's process: why it ended, what that does to its turn, and what follows.
//!
//! Never calls an end wanted that nobody asked for, and never tries again what would fail alike.

use serde_json::json;

use crate::domain::status::Intent;
use crate::domain::{Change, Cut, EventKind, ExitReason, ExitReport, Process, Timestamp};

use super::core::Core;
use super::step::{Effect, Step};

/// `by` of an end that the runtime asked for because the prompt was lost.
pub(super) const LOST_PROMPT: &str = "lost_prompt";
/// `by` of an end because the program did not become ready.
pub(in crate::runtime) const START_TIMEOUT: &str = "start_timeout";
/// Code of a start that was called off before the program was there.
pub(in crate::runtime) const START_CANCELLED: &str = "start_cancelled";
/// Code of a start of an agent whose owner was deleted.
pub(in crate::runtime) const OWNER_DELETED: &str = "owner_deleted";
/// Code of a start that is refused because its workspace was deleted.
pub(in crate::runtime) const WORKSPACE_GONE: &str = "workspace_gone";
/// `by` of an end when the server ends its agents.
pub(in crate::runtime) const SERVER: &str = "server_shutdown";
/// `by` of an end of a program that did not listen to a person's interrupt.
pub(super) const INTERRUPT: &str = "interrupt";
/// `by` that the keeper writes when nobody came back.
const ORPHAN: &str = "orphan_ttl";
/// Exit codes of a program that was called wrongly, or could not be run: the next try fails alike.
const LASTING: [i32; 3] = [2, 126, 127];

/// What is known of an end before it is classified.
#[derive(Debug, Clone, Default)]
pub(in crate::runtime) struct Ending {
    pub pid: Option<u32>,
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub core: bool,
    pub oom: bool,
    pub by: Option<String>,
    pub at: Timestamp,
    pub log_len: u64,
    pub stderr_tail: Vec<String>,
    /// The keeper itself is gone without an exit record.
    pub keeper_lost: bool,
    /// What its driver makes of the code and the last words.
    pub told: Option<ExitReason>,
}

/// Why a process ended. Who asked for the end comes first, then what the kernel says, then what
/// the program said.
pub(super) fn reason(ending: &Ending) -> ExitReason {
    let cut = |cut: Cut| ending.by.as_deref() == Some(cut.name());
    match ending.by.as_deref() {
        Some(LOST_PROMPT) => return ExitReason::Failed,
        Some(START_TIMEOUT) => return ExitReason::StartTimeout,
        Some(SERVER) => return ExitReason::ServerShutdown,
        Some(ORPHAN) => return ExitReason::Orphaned,
        Some(_) if cut(Cut::Stalled) => return ExitReason::Stalled,
        Some(_) if cut(Cut::Deadline) || cut(Cut::Limit) => return ExitReason::Limit,
        Some(_) => return ExitReason::KilledByUser,
        None => {}
    }
    if ending.keeper_lost {
        return ExitReason::KeeperLost;
    }
    if ending.oom {
        return ExitReason::Oom;
    }
    if ExitReport::kernel_limit(ending.signal).is_some() {
        return ExitReason::Limit;
    }
    let silent = ending.stderr_tail.iter().all(|line| line.trim().is_empty());
    match (ending.told, ending.code) {
        (_, Some(0)) => ExitReason::Completed,
        (Some(told), _) => told,
        (None, Some(code)) if LASTING.contains(&code) || !silent => ExitReason::Failed,
        (None, Some(_) | None) => ExitReason::Crashed,
    }
}

/// Why a start after this end would fail alike: a stable code and words. `shell`: the code is that
/// of a person's last command.
fn lasting(report: &ExitReport, shell: bool) -> Option<(String, String)> {
    let words = || {
        let said = report.last_words().map(str::to_owned);
        said.unwrap_or_else(|| report.words())
    };
    match (report.reason, report.exit_code) {
        (ExitReason::Auth, _) => Some(("auth".to_owned(), words())),
        (ExitReason::Limit, _) if report.by.is_none() => Some(("limit".to_owned(), report.words())),
        (ExitReason::Failed, Some(code))
            if report.by.is_none() && !shell && LASTING.contains(&code) =>
        {
            Some((format!("exit_{code}"), words()))
        }
        _ => None,
    }
}

impl Core {
    /// The process is gone and all of its output is decoded. `handed_over`: whether bytes of a
    /// task that was never acknowledged may have reached it.
    pub(super) fn exited(&mut self, mut ending: Ending, handed_over: bool, now: Timestamp) -> Step {
        self.run(now, |core, step| {
            if !ending.keeper_lost && ending.by.is_none() {
                // It went before the keeper had heard the whole request.
                ending.by = core.session.facts.ending.clone();
            }
            let reason = reason(&ending);
            if reason == ExitReason::KilledByUser && core.session.facts.ending.is_none() {
                // A person's stop that went past the session: it holds all the same.
                core.session.facts.intent = Intent::Stop;
                core.session.facts.down_at = Some(ending.at);
            }
            let report = core.report(ending, reason);
            core.turn_lost(&report, handed_over, now, step);
            core.ended(report.clone(), now, step);
            if core.begin_again(now, step) {
                // A task that was given back waits again.
                step.effects.push(Effect::Reload);
                return;
            }
            core.follow_end(&report, now, step);
            core.pursue_parking(now, step);
            step.effects.push(Effect::Stand(core.readiness()));
            step.effects.push(Effect::Reload);
        })
    }

    /// What comes after an end: nothing, a wait, another start, or a person's turn to act.
    fn follow_end(&mut self, report: &ExitReport, now: Timestamp, step: &mut Step) {
        let facts = &mut self.session.facts;
        let before_ready = report.reason == ExitReason::Completed && !facts.ready;
        // A clock ended a turn, and with it a program that did not listen: what waits goes on.
        let clock = report.reason == ExitReason::Limit && report.by.is_some();
        let wanted = clock || (report.reason.wanted() && !before_ready);
        if facts.intent == Intent::Stop || wanted {
            facts.short_lives = 0;
            facts.restarts = 0;
        } else if report.reason == ExitReason::RateLimited {
            // A time that the provider stated before stands.
            if facts.limited_until.is_none() {
                self.park(None, now, step);
            }
        } else if let Some((code, text)) = lasting(report, self.rules.has_prompt) {
            facts.down_at = Some(now);
            let line = self.line("gave_up", Some(format!("{code}: {text}")));
            step.effects.push(Effect::Log(line));
            self.session.facts.process = Process::Failed { code, text };
        } else if self.rules.resumable || !facts.ready {
            self.restart(now, step);
        }
    }

    pub(super) fn report(&self, ending: Ending, reason: ExitReason) -> ExitReport {
        ExitReport {
            incarnation: self.session.facts.incarnation,
            pid: ending.pid.or(self.session.facts.process.pid()),
            exit_code: ending.code,
            signal: ending.signal,
            core: ending.core,
            oom: ending.oom,
            reason,
            by: ending.by,
            started_at: self.started_at,
            ended_at: ending.at,
            stderr_tail: ending.stderr_tail,
            log_len: ending.log_len,
        }
    }

    pub(super) fn ended(&mut self, report: ExitReport, now: Timestamp, step: &mut Step) {
        self.session.facts.ending = None;
        self.cancel_questions("exit", now, step);
        step.event(EventKind::Exit, now, json!(report));
        let down = self.line("process_down", Some(report.words()));
        step.effects.extend([Effect::Log(down), Effect::Leave]);
        step.changes.push(Change::Ended(Box::new(report.clone())));
        self.session.facts.process = Process::None;
        self.session.facts.last_exit = Some(report);
    }
}
