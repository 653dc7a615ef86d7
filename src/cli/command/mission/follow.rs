//! `mission follow ID`: a mission as it goes on, words as they come.
//!
//! Never touches the mission: who leaves leaves it as it is.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::super::super::args::FollowMissionArgs;
use super::super::super::client::{Client, Request};
use super::super::super::failure::{Exit, Failure};
use super::super::super::follow::{Follower, Patience, Seen};
use super::super::super::live::{Live, News};
use super::super::super::render::{self, at};
use super::super::super::view::{Form, View};
use super::super::super::{clock, out};
use super::{named, path, which};

/// Longest wait for news.
const QUIET: Duration = Duration::from_secs(5);

/// From where a mission is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// All of it.
    Beginning,
    /// Its last turn.
    LastTurn,
    /// What comes.
    Now,
}

/// When a watch ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    /// With the mission.
    End,
    /// Never.
    Leave,
}

/// Watches the mission that was named, or the loaded one.
pub fn follow(client: &Client, args: &FollowMissionArgs) -> Result<Exit, Failure> {
    let id = which(client, args.id.as_deref())?;
    let until = if args.keep { Until::Leave } else { Until::End };
    Watch::new(client, (&id, From::LastTurn, None), args.json)?.run(until)
}

/// Watches a mission to its end, and at least to that of a task.
pub fn watch(
    client: &Client,
    what: (&str, From, Option<String>),
    json: bool,
) -> Result<Exit, Failure> {
    Watch::new(client, what, json)?.run(Until::End)
}

struct Watch<'a> {
    client: &'a Client,
    id: String,
    /// A task that has to be over as well.
    task: Option<String>,
    follower: Follower<'a>,
    view: View,
    live: Option<Live<'a>>,
    /// More events wait to be polled.
    behind: bool,
    /// The mission may have come to an end.
    ended: bool,
    checked: Instant,
}

impl<'a> Watch<'a> {
    fn new(
        client: &'a Client,
        (id, from, task): (&str, From, Option<String>),
        json: bool,
    ) -> Result<Self, Failure> {
        let form = if json { Form::Json } else { Form::People };
        let mission: Value = client.json(&Request::get(path(id, "")))?;
        if form == Form::People {
            out::note(&format!(
                "callboard: watching {}; Ctrl-C leaves it as it is",
                named(&mission)
            ));
        }
        let view = View::new(form);
        let shell = at(&mission, "backend") == "shell";
        Ok(Self {
            client,
            id: id.to_owned(),
            task,
            follower: Follower::new(client, id, &start(client, id, from)?),
            live: (view.shows_pieces() && !shell).then(|| Live::new(client, id)),
            view,
            behind: true,
            ended: true,
            checked: clock::now(),
        })
    }

    fn run(mut self, until: Until) -> Result<Exit, Failure> {
        loop {
            let wait = if self.listen()? {
                Duration::ZERO
            } else {
                QUIET
            };
            let batch = self.follower.next(wait, Patience::Endless)?;
            self.behind = batch.more;
            if let Some(gap) = &batch.gap {
                self.view.gap(gap)?;
            }
            for seen in &batch.events {
                self.see(seen)?;
            }
            let quiet = clock::now().saturating_duration_since(self.checked) >= QUIET;
            let look = self.ended || quiet;
            if look && !self.behind && batch.events.is_empty() && until == Until::End {
                (self.checked, self.ended) = (clock::now(), false);
                if let Some(exit) = self.over()? {
                    return Ok(exit);
                }
            }
        }
    }

    fn see(&mut self, seen: &Seen) -> Result<(), Failure> {
        self.view.event(seen)?;
        let data = &seen.event.data;
        match seen.event.kind.as_str() {
            "user_message" if self.view.for_people() => {
                let words = render::words(&seen.event);
                self.view.note(&format!("> {words}"));
            }
            "tool_result" if self.view.for_people() && self.live.is_none() => {
                if let Some(text) = render::output(data).filter(|text| !text.trim().is_empty()) {
                    self.view.say(text.trim_end())?;
                }
            }
            "turn_ended" | "session" => self.ended = true,
            "status" => self.ended |= at(data, "mission") != "active",
            _ => {}
        }
        Ok(())
    }

    /// Shows words as they come, until there are events to poll. False: nobody tells of any.
    fn listen(&mut self) -> Result<bool, Failure> {
        let until = clock::now() + QUIET;
        let (Some(live), false, false) = (&mut self.live, self.behind, self.ended) else {
            return Ok(self.behind || self.ended);
        };
        loop {
            match live.next(until.saturating_duration_since(clock::now())) {
                News::Piece(piece) => self.view.piece(&piece)?,
                News::Events | News::Quiet => return Ok(true),
                News::Away => return Ok(false),
            }
        }
    }

    /// How the mission stands, if it has come to an end and nothing waits.
    fn over(&mut self) -> Result<Option<Exit>, Failure> {
        let mission: Value = match self.client.json(&Request::get(path(&self.id, ""))) {
            Ok(mission) => mission,
            // The next poll waits for it.
            Err(failure) if failure.transient() => return Ok(None),
            Err(failure) => return Err(failure),
        };
        let status = render::field(&mission, &["status"]).unwrap_or_default();
        let waits = at(&mission, "queue_len").as_u64().unwrap_or_default() > 0;
        let exit = match status.as_str() {
            "completed" => Exit::Completed,
            "failed" => Exit::Failed,
            "interrupted" => Exit::Stopped,
            _ => return Ok(None),
        };
        if self.task_open()? || (waits && status != "interrupted") {
            return Ok(None);
        }
        self.view.end_line();
        self.view.quiet();
        if self.view.for_people() {
            let cost = at(&mission, "cost_cents").as_f64().unwrap_or_default();
            let cost = if cost > 0.0 {
                format!(", {:.2} USD", cost / 100.0)
            } else {
                String::new()
            };
            let turns = at(&mission, "turns").as_u64().unwrap_or_default();
            out::note(&format!("callboard: {status}: {turns} turns{cost}"));
        }
        Ok(Some(exit))
    }

    fn task_open(&mut self) -> Result<bool, Failure> {
        let Some(task) = &self.task else {
            return Ok(false);
        };
        let request = Request::get(format!("/api/control/tasks/{task}"));
        let read: Value = self.client.json(&request)?;
        let open = at(&read, "outcome").is_null();
        if !open {
            self.task = None;
        }
        Ok(open)
    }
}

/// The cursor to begin at.
fn start(client: &Client, id: &str, from: From) -> Result<String, Failure> {
    let latest = || String::from("latest");
    match from {
        From::Beginning => return Ok(String::from("0")),
        From::Now => return Ok(latest()),
        From::LastTurn => {}
    }
    // What the ring holds is enough: a turn that is longer is shown from there.
    let page: Value = client.json(&Request::get(format!("/api/agents/{id}/events")))?;
    Ok(last_turn(&page).map_or_else(latest, |seq| seq.saturating_sub(1).to_string()))
}

/// The number of the last turn's first event, or of the first that is there of it.
fn last_turn(page: &Value) -> Option<u64> {
    let events = at(page, "events").as_array()?;
    let mut turns = events.iter();
    let turn = turns.rfind(|event| at(event, "type") == "turn_started");
    at(turn.or(events.first())?, "seq").as_u64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_that_is_longer_than_what_is_kept_is_shown_from_there() {
        let page = |kinds: &[&str]| {
            let events = (40_u64..).zip(kinds);
            let events = events.map(|(seq, kind)| serde_json::json!({"seq": seq, "type": kind}));
            serde_json::json!({"events": events.collect::<Vec<_>>()})
        };
        let whole = page(&[
            "turn_ended",
            "turn_started",
            "turn_ended",
            "turn_started",
            "usage",
        ]);
        assert_eq!(last_turn(&whole), Some(43));
        assert_eq!(last_turn(&page(&["usage", "usage"])), Some(40));
        assert_eq!(last_turn(&page(&[])), None);
    }
}
