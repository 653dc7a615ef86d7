//! From a scenario and where the conversation stands to what the model does now.
//!
//! Never calls a tool again for a prompt that had its calls: a program that tells the model some
//! news by itself would be sent round for ever.

use std::time::Duration;

use super::conversation::{Given, Standing};
use super::scenario::{Act, Call, Place, Refusal, Scenario, Stop, Usage};

/// How much of a tool's result a closing text quotes, in characters.
const QUOTED: usize = 1_000;

/// What happens.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// The model answers.
    Message(Message),
    /// The request is refused.
    Refusal(Refusal),
    /// Nothing comes.
    Silence {
        /// Whether the head of an answer comes.
        headers: bool,
        /// For how long.
        lasts: Duration,
    },
}

/// An answer of the model.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// What it consists of.
    pub parts: Vec<Part>,
    /// Why it stops.
    pub stop: Stop,
    /// What it cost.
    pub usage: Usage,
    /// The pause before each piece.
    pub pace: Duration,
    /// How it ends.
    pub ending: Ending,
}

/// A part, in the pieces in which it is streamed.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// A thought.
    Thought(Vec<String>),
    /// A text.
    Text(Vec<String>),
    /// A call of a tool.
    Call(Call),
}

/// How an answer ends. In all but the first its last part stays open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// As it should.
    Whole,
    /// The connection is cut.
    Cut,
    /// Nothing more comes.
    Silence {
        /// For how long.
        lasts: Duration,
        /// Whether signs of life come.
        pings: bool,
    },
    /// A failure is told in the stream.
    Refusal(Refusal),
}

/// What the model does now. `attempt` counts the requests with this mark, from 1.
#[must_use]
pub fn reply(scenario: &Scenario, standing: &Standing, attempt: u32) -> Reply {
    let say = |text: &str| Reply::Message(message(scenario, vec![Part::Text(pieces(text))]));
    if let Act::Call { calls, rounds } = &scenario.act {
        let rounds = usize::try_from(*rounds).unwrap_or(usize::MAX);
        if standing.answers < rounds {
            return Reply::Message(calling(scenario, calls));
        }
    } else if standing.answers == 0 {
        return first(scenario, attempt);
    }
    match standing.given {
        Some(given) => say(&closing(given)),
        None => say("I have taken note of it."),
    }
}

/// The first answer to a prompt.
fn first(scenario: &Scenario, attempt: u32) -> Reply {
    let started = |count: u32, ending| {
        let parts = vec![Part::Text((0..count).map(numbered).collect())];
        let message = message(scenario, parts);
        Reply::Message(Message { ending, ..message })
    };
    match &scenario.act {
        Act::Say { thought, text } => {
            let mut parts = Vec::new();
            parts.extend(thought.as_deref().map(|it| Part::Thought(pieces(it))));
            parts.push(Part::Text(pieces(text)));
            Reply::Message(message(scenario, parts))
        }
        Act::Count { pieces } => started(*pieces, Ending::Whole),
        Act::Call { calls, .. } => Reply::Message(calling(scenario, calls)),
        Act::Refuse { refusal, first } => match first {
            Some(first) if attempt > *first => {
                let text = format!("Request {attempt} of this mark is answered.");
                Reply::Message(message(scenario, vec![Part::Text(pieces(&text))]))
            }
            Some(_) | None => Reply::Refusal(refusal.clone()),
        },
        Act::Hang { place, lasts } => {
            let lasts = *lasts;
            let silence = |pings| started(3, Ending::Silence { lasts, pings });
            match place {
                Place::Before => Reply::Silence {
                    headers: false,
                    lasts,
                },
                Place::Headers => Reply::Silence {
                    headers: true,
                    lasts,
                },
                Place::Midway => silence(false),
                Place::Pings => silence(true),
            }
        }
        Act::Break { pieces } => started(*pieces, Ending::Cut),
        Act::Falter(refusal) => started(1, Ending::Refusal(refusal.clone())),
    }
}

fn message(scenario: &Scenario, parts: Vec<Part>) -> Message {
    Message {
        parts,
        stop: scenario.stop.unwrap_or(Stop::Done),
        usage: scenario.usage,
        pace: scenario.pace,
        ending: Ending::Whole,
    }
}

fn calling(scenario: &Scenario, calls: &[Call]) -> Message {
    let mut parts = vec![Part::Text(vec!["I will run a tool. ".to_owned()])];
    parts.extend(calls.iter().cloned().map(Part::Call));
    Message {
        stop: Stop::Tools,
        ..message(scenario, parts)
    }
}

fn closing(given: &Given) -> String {
    let quoted: String = given.text.trim().chars().take(QUOTED).collect();
    if given.failed {
        format!("The tool failed or was refused: {quoted}")
    } else {
        format!("The tool has run: {quoted}")
    }
}

/// The words of a text, each with the space behind it.
fn pieces(text: &str) -> Vec<String> {
    text.split_inclusive(' ').map(str::to_owned).collect()
}

fn numbered(number: u32) -> String {
    format!("chunk{number} ")
}
