//! Follows one turn: its events, its output, its questions, its end.
//!
//! Never ends before the task has, except at the deadline that the person set.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::super::super::client::{Client, Request};
use super::super::super::clock;
use super::super::super::failure::{Exit, Failure};
use super::super::super::follow::{Follower, Patience, Seen};
use super::super::super::live::{Live, News};
use super::super::super::plain::Colour;
use super::super::super::render;
use super::super::super::stream::Stream;
use super::super::super::terminal;
use super::super::super::view::View;
use super::super::super::wire::{Agent, Task};
use super::Ended;
use super::question::Questions;

/// Longest long poll while nothing else wants attention.
const QUIET: Duration = Duration::from_secs(5);
/// Long poll while a person is asked.
const ASKED: Duration = Duration::from_secs(1);
/// Pause between two looks at a command's output.
const LIVE: Duration = Duration::from_millis(150);
/// How long the end of a turn is waited for after its deadline.
const GRACE: Duration = Duration::from_secs(15);

/// One turn as it is followed.
pub struct Turn<'a> {
    client: &'a Client,
    agent: &'a Agent,
    task: &'a str,
    follower: Follower<'a>,
    view: View,
    /// Words as they come, where they are shown.
    live: Option<Live<'a>>,
    /// More events wait to be polled.
    behind: bool,
    questions: Questions,
    stream: Option<Stream>,
    ended: bool,
    checked: Instant,
}

impl<'a> Turn<'a> {
    /// The turn of `task`, from the agent's first event.
    pub fn new(client: &'a Client, agent: &'a Agent, task: &'a str, view: View) -> Self {
        Self {
            client,
            agent,
            task,
            follower: Follower::new(client, &agent.id, "0"),
            questions: Questions::new(view.for_people()),
            live: (view.shows_pieces() && agent.agent_type != "shell")
                .then(|| Live::new(client, &agent.id)),
            behind: true,
            view,
            stream: None,
            ended: false,
            checked: clock::now(),
        }
    }

    /// Follows it to its end; after `timeout` it is interrupted and counts as timed out.
    pub fn follow(mut self, timeout: Option<Duration>) -> Result<Ended, Failure> {
        let deadline = timeout.map(|time| clock::now() + time);
        loop {
            if let Some(ended) = self.step()? {
                return Ok(ended);
            }
            if deadline.is_some_and(|at| clock::now() >= at) {
                return self.out_of_time();
            }
        }
    }

    fn step(&mut self) -> Result<Option<Ended>, Failure> {
        let told = self.listen()?;
        let pace = if told { Duration::ZERO } else { self.pace() };
        let batch = self.follower.next(pace, Patience::Endless)?;
        self.behind = batch.more;
        if let Some(gap) = &batch.gap {
            self.view.gap(gap)?;
        }
        for seen in &batch.events {
            self.see(seen)?;
        }
        self.print_output()?;
        self.questions.answer(self.client, &mut self.view)?;
        let quiet = clock::now().saturating_duration_since(self.checked) >= QUIET;
        if self.ended || (quiet && batch.events.is_empty()) {
            self.checked = clock::now();
            return self.task_ended();
        }
        if self.streams() && batch.events.is_empty() {
            clock::pause(LIVE);
        }
        Ok(None)
    }

    /// Shows words as they come, until there are events to poll. False: nobody tells of any, and the
    /// poll has to wait for them.
    fn listen(&mut self) -> Result<bool, Failure> {
        let until = clock::now() + self.pace();
        let (Some(live), false) = (&mut self.live, self.behind) else {
            return Ok(self.behind);
        };
        loop {
            match live.next(until.saturating_duration_since(clock::now())) {
                News::Piece(piece) => self.view.piece(&piece)?,
                News::Events | News::Quiet => return Ok(true),
                News::Away => return Ok(false),
            }
        }
    }

    fn pace(&self) -> Duration {
        if self.streams() || self.ended {
            Duration::ZERO
        } else if self.questions.open() {
            ASKED
        } else {
            QUIET
        }
    }

    fn streams(&self) -> bool {
        self.stream.is_some() && !self.ended
    }

    fn see(&mut self, seen: &Seen) -> Result<(), Failure> {
        let event = &seen.event;
        let task = render::field(&event.data, &["taskId"]);
        let ours = task.as_deref().is_none_or(|task| task == self.task);
        if !ours {
            return Ok(());
        }
        let shell = self.agent.agent_type == "shell";
        match event.kind.as_str() {
            "turn_started" if shell && self.view.for_people() => self.start_stream(),
            "tool_call" if shell && self.view.for_people() => return Ok(()),
            "tool_result" if shell && self.view.for_people() => {
                return self.end_stream(&event.data);
            }
            "approval_requested" => self.questions.ask(&event.data, &mut self.view),
            "approval_resolved" => self.questions.resolved(&event.data, &mut self.view),
            "turn_ended" if task.is_some() => self.ended = true,
            _ => {}
        }
        self.view.event(seen)
    }

    fn start_stream(&mut self) {
        let colour = if terminal::on_stdout() {
            Colour::Keep
        } else {
            Colour::Drop
        };
        self.view.quiet();
        self.stream = Some(Stream::new(&self.agent.id, self.task, colour));
    }

    fn print_output(&mut self) -> Result<(), Failure> {
        let Some(stream) = &mut self.stream else {
            return Ok(());
        };
        match stream.next(self.client) {
            Ok(bytes) => self.view.output(&bytes),
            // The log is read again with the next step, or the result shows what it has.
            Err(failure) if failure.exit != Exit::SignedOut => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// The rest of the output; all of it when the log gave nothing.
    fn end_stream(&mut self, data: &Value) -> Result<(), Failure> {
        self.print_output()?;
        let shown = self.stream.take().is_some_and(|stream| stream.started());
        let output = render::output(data).filter(|output| !output.is_empty());
        match output {
            Some(output) if !shown => self.view.say(output.trim_end_matches('\n')),
            _ => Ok(()),
        }
    }

    fn task_ended(&mut self) -> Result<Option<Ended>, Failure> {
        let path = format!("/api/agents/{}/tasks/{}", self.agent.id, self.task);
        let task: Value = match self.client.json(&Request::get(path)) {
            Ok(task) => task,
            Err(failure) if failure.transient() => return Ok(None),
            Err(failure) => return Err(failure),
        };
        let read: Task = serde_json::from_value(task.clone()).unwrap_or_default();
        let exit = read.state().and_then(Exit::of_task);
        if exit.is_none() && self.ended {
            clock::pause(LIVE);
        }
        if exit.is_some() {
            self.view.quiet();
            self.view.end_line();
        }
        Ok(exit.map(|exit| Ended { task, exit }))
    }

    fn out_of_time(mut self) -> Result<Ended, Failure> {
        self.view.note("callboard: out of time; ending the turn");
        let request = Request::post(format!("/api/agents/{}/interrupt", self.agent.id));
        match self.client.send(&request) {
            Ok(_) => {}
            // It waits still, or it has just ended: then it is withdrawn, or told as it ended.
            Err(failure) if failure.exit == Exit::Refused => self.withdraw(),
            Err(failure) => return Err(failure),
        }
        let until = clock::now() + GRACE;
        while clock::now() < until {
            if let Some(ended) = self.step()? {
                let stopped = ended.exit == Exit::Stopped;
                let exit = if stopped { Exit::TimedOut } else { ended.exit };
                return Ok(Ended { exit, ..ended });
            }
        }
        Err(Failure::new(
            Exit::TimedOut,
            "the turn has not ended in time, and not when it was interrupted",
        )
        .mend(format!("end its process: callboard kill {}", self.agent.id)))
    }

    fn withdraw(&self) {
        let path = format!("/api/agents/{}/queue/{}", self.agent.id, self.task);
        let request = Request::of(reqwest::Method::DELETE, path);
        if let Err(failure) = self.client.send(&request)
            && failure.exit == Exit::Unreachable
        {
            failure.print();
        }
    }
}
