//! `logs`: the raw output of an agent's process.
//!
//! Never lets it drive the terminal, unless `--raw` asks for the bytes.

use std::time::Duration;

use super::super::args::LogsArgs;
use super::super::client::{Client, Reply, Request};
use super::super::failure::{Exit, Failure};
use super::super::plain::{Colour, Filter};
use super::super::wire::Agent;
use super::super::{clock, find, out, terminal};

/// Bytes that one request asks for: the server's most.
const PIECE: u64 = 1024 * 1024;
/// Pause between two looks for more.
const EVERY: Duration = Duration::from_millis(300);

/// Prints a log, and follows it.
pub fn logs(client: &Client, args: &LogsArgs) -> Result<Exit, Failure> {
    let id = find::agent(client, &args.id)?;
    let mut reader = Reader::new(client, &id, args);
    let mut lost = false;
    loop {
        let followed = match reader.print_rest() {
            Ok(()) if args.follow => reader.next_life(args.incarnation.is_some()),
            Ok(()) => return Ok(Exit::Completed),
            Err(failure) => Err(failure),
        };
        match followed {
            Ok(()) => lost = false,
            Err(failure) if args.follow && reader.reached && failure.transient() => {
                if !lost {
                    out::note(&format!("callboard: {}; trying again", failure.what));
                }
                lost = true;
            }
            Err(failure) => return Err(failure),
        }
        clock::pause(EVERY);
    }
}

struct Reader<'a> {
    client: &'a Client,
    agent: String,
    incarnation: Option<u64>,
    offset: u64,
    filter: Option<Filter>,
    reached: bool,
}

impl<'a> Reader<'a> {
    fn new(client: &'a Client, id: &str, args: &LogsArgs) -> Self {
        Self {
            client,
            agent: format!("/api/agents/{id}"),
            incarnation: args.incarnation,
            offset: 0,
            filter: (!args.raw).then(|| Filter::new(colour())),
            reached: false,
        }
    }

    /// Prints up to the end of the log as it is now.
    fn print_rest(&mut self) -> Result<(), Failure> {
        loop {
            let reply = match self.piece() {
                Ok(reply) => reply,
                // Followed before its first process: the log is yet to come.
                Err(failure) if failure.exit == Exit::NotFound && self.reached => return Ok(()),
                Err(failure) => return Err(failure),
            };
            self.reached = true;
            self.incarnation = self.incarnation.or(reply.number("x-log-incarnation"));
            let start = reply.number("x-log-offset").unwrap_or(self.offset);
            if start > self.offset {
                out::note(&format!(
                    "callboard: {} bytes before offset {start} are no longer kept",
                    start.saturating_sub(self.offset)
                ));
            }
            if reply.bytes.is_empty() {
                return Ok(());
            }
            let length = u64::try_from(reply.bytes.len()).unwrap_or(0);
            self.offset = start.saturating_add(length);
            match &mut self.filter {
                Some(filter) => out::bytes(&filter.text(&reply.bytes))?,
                None => out::bytes(&reply.bytes)?,
            }
        }
    }

    fn piece(&self) -> Result<Reply, Failure> {
        let mut request = Request::get(format!("{}/log", self.agent))
            .with("offset", self.offset)
            .with("limit", PIECE);
        if let Some(incarnation) = self.incarnation {
            request = request.with("incarnation", incarnation);
        }
        self.client.send(&request)
    }

    /// Goes on with the agent's next process, once this one's log is read to its end.
    fn next_life(&mut self, pinned: bool) -> Result<(), Failure> {
        if pinned {
            return Ok(());
        }
        let agent: Agent = self.client.json(&Request::get(&self.agent))?;
        if let Some(current) = self.incarnation.filter(|now| agent.incarnation > *now) {
            self.print_rest()?;
            let next = current.saturating_add(1);
            out::note(&format!("callboard: its process number {next}"));
            self.incarnation = Some(next);
            self.offset = 0;
        }
        Ok(())
    }
}

fn colour() -> Colour {
    if terminal::on_stdout() {
        Colour::Keep
    } else {
        Colour::Drop
    }
}
