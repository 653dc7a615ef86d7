//! Rate limits that park a session, and its hard stops.

use super::*;
use crate::domain::status::Intent;
use crate::domain::task::RATE_LIMITED;
use crate::drivers::Limited;

fn limited(task: TaskId, until: Option<Timestamp>, acted: bool) -> Output {
    Output::TurnEnded {
        task,
        outcome: Outcome::Failed,
        reason: Some("api_error".into()),
        text: None,
        usage: None,
        limited: Some(Limited { until, acted }),
    }
}

fn costing(task: TaskId, usd: f64) -> Output {
    Output::TurnEnded {
        task,
        outcome: Outcome::Completed,
        reason: None,
        text: None,
        usage: Some(json!({"costUsd": usd})),
        limited: None,
    }
}

fn reasons(step: &Step) -> Vec<Option<String>> {
    let moves = step.changes.iter().filter_map(|change| {
        let Change::Task(task) = change else {
            return None;
        };
        Some(task.reason.clone())
    });
    moves.collect()
}

fn parked(step: &Step) -> Option<(Duration, Timestamp)> {
    step.effects.iter().find_map(|effect| {
        let Effect::After(wait, Alarm::Parked(at)) = effect else {
            return None;
        };
        Some((*wait, *at))
    })
}

#[test]
fn a_refused_turn_waits_again_until_the_stated_time() {
    let mut core = core();
    let id = running(&mut core);
    let until = later(90_000);
    let step = heard(&mut core, vec![limited(id, Some(until), false)]);
    assert_eq!(moves(&step), [TaskState::Queued]);
    assert_eq!(reasons(&step), [Some(RATE_LIMITED.to_owned())]);
    assert_eq!(names(&step), ["rate_limited", "status"]);
    assert_eq!(parked(&step).unwrap().1, until);
    assert_eq!(core.session.status, Status::RateLimited);
    assert_eq!(core.readiness(), Readiness::Held);
    assert_eq!(core.session.facts.turns, 0, "it was no turn");
    let status = step.events.last().unwrap();
    let data: Value = serde_json::from_str(&status.data).unwrap();
    assert_eq!(data["retryAt"], until.rfc3339());
    assert!(!core.may_sleep());

    let early = core.alarm(&Alarm::Parked(until), later(80_000));
    assert!(early.is_empty());
    assert_eq!(parked(&early).unwrap().0.as_secs(), 10);
    let step = core.alarm(&Alarm::Parked(until), until);
    assert_eq!(core.readiness(), Readiness::Ready);
    let effects = &step.effects;
    assert!(
        effects.contains(&Effect::Reload) && effects.contains(&Effect::Stand(Readiness::Ready))
    );
    assert!(core.alarm(&Alarm::Parked(until), until).is_empty(), "once");
}

#[test]
fn a_second_attempt_tells_its_start_and_not_the_words_again() {
    let mut core = core();
    let id = running(&mut core);
    heard(&mut core, vec![limited(id, None, false)]);
    core.resume(later(20));
    let again = Task {
        id,
        attempt: 1,
        started_at: Some(T),
        ..task(&core)
    };
    core.offer(again, 0, later(30));
    let step = heard(&mut core, vec![Output::TurnStarted { task: id }]);
    assert_eq!(names(&step), ["turn_started"]);
    assert_eq!(core.task.as_ref().unwrap().attempt, 2);
}

#[test]
fn a_turn_that_had_done_something_is_not_sent_again() {
    let mut core = core();
    let id = running(&mut core);
    let step = heard(&mut core, vec![limited(id, Some(later(90_000)), true)]);
    assert_eq!(moves(&step), [TaskState::Failed]);
    assert_eq!(reasons(&step), [Some(RATE_LIMITED.to_owned())]);
    assert_eq!(core.session.status, Status::RateLimited);
    assert_eq!(core.readiness(), Readiness::Held, "what waits is held");
}

#[test]
fn without_a_stated_time_the_wait_doubles_and_a_good_turn_ends_the_row() {
    let mut core = core();
    ready(&mut core);
    let mut waits = vec![];
    for _limit in 0..7 {
        let task = task(&core);
        let id = task.id;
        core.offer(task, 0, later(10));
        let step = heard(&mut core, vec![limited(id, None, false)]);
        waits.push(parked(&step).unwrap().0.as_secs());
        core.resume(later(10));
    }
    assert_eq!(waits, [60, 120, 240, 480, 960, 1_800, 1_800]);
    let task = task(&core);
    let id = task.id;
    core.offer(task, 0, T);
    heard(&mut core, vec![costing(id, 0.0)]);
    assert_eq!(core.session.facts.limited, 0);
}

#[test]
fn a_time_that_is_past_is_no_time() {
    let mut core = core();
    let id = running(&mut core);
    let step = heard(&mut core, vec![limited(id, Some(later(-5)), false)]);
    assert_eq!(parked(&step).unwrap().0.as_secs(), 60);
}

#[test]
fn a_person_may_go_on_earlier_or_stop() {
    for way in ["resume", "start", "stop"] {
        let mut core = core();
        let id = running(&mut core);
        heard(&mut core, vec![limited(id, Some(later(90_000)), false)]);
        match way {
            "resume" => core.resume(later(20)),
            "start" => core.start_earlier(later(20)),
            _ => core.halt(Force::Ladder, "ann", later(20)).0,
        };
        assert_eq!(core.session.facts.limited_until, None, "{way}");
        let stopped = core.session.facts.intent == Intent::Stop;
        assert_eq!(stopped, way == "stop");
        assert_eq!(core.readiness() == Readiness::Ready, way != "stop");
    }
}

#[test]
fn a_parked_session_goes_on_after_a_restart_of_the_server() {
    let mut core = core();
    let id = running(&mut core);
    let until = later(90_000);
    heard(&mut core, vec![limited(id, Some(until), false)]);
    let due = core.due(later(60_000));
    let left = Effect::After(Duration::from_secs(30), Alarm::Parked(until));
    assert!(due.contains(&left), "{due:?}");
}

#[test]
fn a_limited_turn_that_a_person_had_ended_stays_ended() {
    let mut core = core();
    let id = running(&mut core);
    core.interrupt(T);
    let step = heard(&mut core, vec![limited(id, None, false)]);
    assert_eq!(moves(&step), [TaskState::Stopped]);
}

#[test]
fn each_hard_stop_puts_the_session_down_and_keeps_what_waits() {
    for (limits, kind) in [
        (
            SessionLimits {
                spend_micro_usd: Some(300_000),
                ..SessionLimits::default()
            },
            LimitKind::Spend,
        ),
        (
            SessionLimits {
                turns: Some(1),
                ..SessionLimits::default()
            },
            LimitKind::Turns,
        ),
        (
            SessionLimits {
                busy_ms: Some(10),
                ..SessionLimits::default()
            },
            LimitKind::BusyTime,
        ),
    ] {
        let mut core = core();
        core.rules.limits = limits;
        let id = running(&mut core);
        let step = heard(&mut core, vec![costing(id, 0.3)]);
        assert_eq!(
            moves(&step),
            [TaskState::Completed],
            "the turn itself was good"
        );
        assert_eq!(core.session.facts.limit, Some(kind));
        assert_eq!(core.readiness(), Readiness::Spent(kind));
        assert_eq!(core.session.status, Status::Stopping);
        assert!(
            step.effects
                .contains(&Effect::End(Force::Ladder, "limit".into()))
        );
        let ending = Ending {
            signal: Some(15),
            by: Some("limit".into()),
            at: later(500),
            ..Ending::default()
        };
        core.exited(ending, false, later(500));
        let exit = core.session.facts.last_exit.clone().unwrap();
        assert_eq!(exit.reason, ExitReason::Limit);
        assert_eq!(core.session.status, Status::Stopped);
        assert!(!core.may_start(true), "a person's message starts nothing");
        assert!(!core.is_news(None));
        // A raised limit lets it go on, when somebody starts it.
        core.rules.limits = SessionLimits::default();
        core.run(later(600), |_, _| {});
        assert_eq!(core.session.facts.limit, None);
        assert!(core.may_start(true));
    }
}

#[test]
fn the_time_of_all_turns_cuts_the_running_one() {
    let mut core = core();
    core.rules.limits.busy_ms = Some(60_000);
    core.session.facts.busy_ms = 50_000;
    ready(&mut core);
    let task = task(&core);
    let id = task.id;
    let step = core.offer(task, 0, T);
    let cut = Alarm::Cut((id, T), Cut::Limit);
    let clock = Effect::After(Duration::from_secs(10), cut.clone());
    assert!(step.effects.contains(&clock), "{:?}", step.effects);
    heard(&mut core, vec![Output::TurnStarted { task: id }]);
    let step = core.alarm(&cut, later(10_000));
    assert_eq!(moves(&step), [TaskState::Stopping]);
    // The other clock says a little less.
    let step = heard(&mut core, vec![costing(id, 0.0)]);
    assert_eq!(moves(&step), [TaskState::TimedOut]);
    assert_eq!(reasons(&step), [Some("limit".to_owned())]);
    assert_eq!(core.session.facts.limit, Some(LimitKind::BusyTime));
}

#[test]
fn what_was_spent_adds_up_and_a_reset_does_not_forget_it() {
    let mut core = core();
    core.rules.limits.spend_micro_usd = Some(1_000_000);
    ready(&mut core);
    for turn in 1..=3_u64 {
        let task = task(&core);
        let id = task.id;
        core.offer(task, 0, T);
        heard(&mut core, vec![costing(id, 0.2)]);
        assert_eq!(core.session.facts.spent_micro_usd, turn * 200_000);
    }
    core.reset("ann", T);
    died(&mut core, false, later(500));
    assert_eq!(core.session.facts.spent_micro_usd, 600_000);
    assert_eq!(core.session.facts.limit, None);
}

#[test]
fn the_queue_hears_how_the_session_stands_after_the_whole_move() {
    let mut core = core();
    ready(&mut core);
    core.pause(T);
    core.session.facts.turns = 1;
    core.rules.limits.turns = Some(1);
    let step = core.resume(later(10));
    let stands = step.effects.iter().filter_map(|effect| {
        let Effect::Stand(stands) = effect else {
            return None;
        };
        Some(*stands)
    });
    let stands: Vec<Readiness> = stands.collect();
    assert_eq!(stands, [Readiness::Spent(LimitKind::Turns)]);
}

#[test]
fn what_a_program_uses_without_a_turn_counts_towards_the_hard_stop() {
    let usage = |outside: bool| Output::Event {
        kind: EventKind::Usage,
        data: json!({
            "costUsd": 0.2, "inputTokens": 3, "outputTokens": 4, "outsideTurn": outside,
        }),
    };
    let mut core = core();
    core.rules.limits.spend_micro_usd = Some(300_000);
    let id = running(&mut core);
    heard(&mut core, vec![usage(false)]);
    assert_eq!(
        core.session.facts.spent_micro_usd, 0,
        "its turn's end says it"
    );
    let step = heard(&mut core, vec![usage(true)]);
    let facts = &core.session.facts;
    assert_eq!((facts.spent_micro_usd, facts.tokens), (200_000, 7));
    let data: Value = serde_json::from_str(&step.events[0].data).unwrap();
    assert!(data.get("taskId").is_none(), "it is not this task's");
    heard(&mut core, vec![costing(id, 0.0)]);
    assert_eq!(core.session.facts.limit, None);
    let step = heard(&mut core, vec![usage(true)]);
    assert_eq!(core.session.facts.limit, Some(LimitKind::Spend));
    let end = Effect::End(Force::Ladder, "limit".into());
    assert!(step.effects.contains(&end), "{:?}", step.effects);
}

#[test]
fn a_wait_that_is_over_goes_on_only_behind_the_end_of_its_process() {
    for reason in [ExitReason::RateLimited, ExitReason::Crashed] {
        let mut core = core();
        let id = running(&mut core);
        let refused = Ending {
            told: Some(ExitReason::RateLimited),
            ..Ending::default()
        };
        core.exited(
            Ending {
                at: T,
                ..refused.clone()
            },
            false,
            T,
        );
        core.session.facts.limited_until = None;
        ready(&mut core);
        let until = later(90_000);
        let again = Task { id, ..task(&core) };
        core.offer(again, 0, T);
        heard(&mut core, vec![limited(id, Some(until), false)]);
        // The server was away while its second process ended.
        core.found_dead(later(95_000));
        let step = core.alarm(&Alarm::Parked(until), later(95_000));
        assert!(!step.effects.contains(&Effect::Admit), "its end is unread");
        assert_eq!(core.session.facts.process, Process::None);
        let ending = Ending {
            signal: Some(9),
            told: Some(reason),
            at: until,
            ..Ending::default()
        };
        let step = core.exited(ending, false, later(95_001));
        let admitted = step.effects.contains(&Effect::Admit);
        assert_eq!(admitted, reason == ExitReason::RateLimited);
        assert_eq!(core.session.facts.limited_until, None);
        let waits = matches!(core.session.facts.process, Process::Backoff { .. });
        assert_eq!(waits, reason == ExitReason::Crashed);
    }
}
