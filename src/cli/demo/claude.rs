//! The demo's part with the real Claude Code: an answer that streams, and a question that is
//! answered.
//!
//! Never costs anything that nobody asked for: without `--with-claude`, or without a sign-in, a
//! stand-in of this program's own plays the model, and the home is an empty one.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use tungstenite::Message;

use super::super::attach::socket::{Came, Socket};
use super::super::client::Request;
use super::super::failure::Failure;
use super::super::wire::Agent;
use super::super::{clock, render};
use super::model::Model;
use super::stage::{Stage, broken};
use super::steps;
use crate::domain::Kind;
use crate::domain::program::{Program, SignIn};

/// How long an answer may take to stream.
const ANSWER: Duration = Duration::from_secs(120);
/// Pieces that come within this time are shown on one line.
const SHOWN: Duration = Duration::from_millis(300);

/// What the person asked for, and where the demo's files are.
#[derive(Debug)]
pub struct Wish {
    /// Whether `--with-claude` was given.
    pub asked: bool,
    /// The demo's directory.
    pub dir: PathBuf,
}

/// Shows it where it is installed. The stand-in has to live as long as the agent.
///
/// # Errors
/// A step that fails, when it was asked for; else that is told, and the demo goes on.
pub fn show(stage: &mut Stage<'_>, wish: &Wish) -> Result<Option<Model>, Failure> {
    let status: Value = stage.client.json(&Request::get("/api/models/cli/status"))?;
    let tools = status.get("tools").and_then(Value::as_array);
    let name = Kind::Claude.name();
    let mut tools = tools.into_iter().flatten();
    let tool = tools.find(|tool| tool.get("name").and_then(Value::as_str) == Some(name));
    let (Some(tool), Some(program)) = (tool, Kind::Claude.program()) else {
        return Ok(None);
    };
    if tool.get("installed") != Some(&Value::Bool(true)) {
        if wish.asked {
            let word = |key: &str| render::field(tool, &[key]).unwrap_or_default();
            stage.title(&format!("{}; {}.", word("missing"), word("mend")));
            stage.say("The demo goes on with what is built in: shell and script.");
        }
        return Ok(None);
    }
    match perform(stage, wish, (tool, program)) {
        Err(failure) if !wish.asked => {
            stage.check_signal()?;
            stage.say(&format!("it did not go well: {}", failure.what));
            stage.say(&failure.why.unwrap_or_default());
            stage.say("the demo goes on without it");
            Ok(None)
        }
        ended => ended,
    }
}

fn perform(
    stage: &mut Stage<'_>,
    wish: &Wish,
    (tool, program): (&Value, &Program),
) -> Result<Option<Model>, Failure> {
    stage.step("Claude Code works. Its words come as they are written; it asks before it writes.");
    let version = render::field(tool, &["version"]).unwrap_or_default();
    let own = program.sign_in.as_ref().map(own_key).unwrap_or_default();
    let signed_in = tool.get("signedIn") == Some(&Value::Bool(true)) || !own.is_empty();
    let place = Place::new(&wish.dir)?;
    let (env, model) = if wish.asked && signed_in {
        stage.say(&format!("claude {version}, with your own sign-in"));
        (own, None)
    } else {
        let model = Model::start()?;
        stage.say(&format!(
            "claude {version}; a stand-in of Callboard's plays the model, which costs nothing"
        ));
        if !signed_in {
            stage.say("(sign in with `claude`, or set ANTHROPIC_API_KEY, for the real one)");
        } else {
            stage.say("(`callboard demo --with-claude` takes your own sign-in)");
        }
        (stand_in(program, &place, model.url()), Some(model))
    };
    let body = json!({"agentType": "claude", "cwd": place.work, "env": env});
    let agent = stage.agent(body)?;
    let file = place.work.join("hello.txt");
    let (first, second) = prompts(&file, model.is_some());
    streamed(stage, &agent, &first)?;
    asked(stage, &agent, &second)?;
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    if written.trim().is_empty() {
        return Err(broken(
            "it was allowed to write the file, and there is none",
        ));
    }
    stage.say(&format!("hello.txt holds: {}", written.trim()));
    Ok(model)
}

/// The stand-in says what the mark behind a prompt tells it to.
fn prompts(file: &Path, scripted: bool) -> (String, String) {
    let first = "Say in two sentences what a callboard in a theatre is for.";
    let second = "Write the word hello into the file hello.txt in this directory.";
    if !scripted {
        return (first.to_owned(), second.to_owned());
    }
    let words = "A callboard hangs by the stage door. It says who is called, when, and for what.";
    (
        format!("{first}\nSCENARIO:text \"{words}\" pace=120ms"),
        format!("{second}\nSCENARIO:write path={} \"hello\"", file.display()),
    )
}

/// Variables of this terminal's that sign the program in.
fn own_key(sign_in: &SignIn) -> Map<String, Value> {
    let names = sign_in.variables.iter();
    names
        .filter_map(|name| {
            let value = std::env::var(name).ok().filter(|value| !value.is_empty())?;
            Some(((*name).to_owned(), Value::from(value)))
        })
        .collect()
}

fn stand_in(program: &Program, place: &Place, url: &str) -> Map<String, Value> {
    let quiet = program.quiet.iter();
    let mut env: Map<String, Value> = quiet
        .map(|(name, value)| ((*name).to_owned(), (*value).into()))
        .collect();
    env.insert("HOME".into(), json!(place.home));
    // It leaves things there.
    env.insert("TMPDIR".into(), json!(place.home));
    env.insert("ANTHROPIC_BASE_URL".into(), url.into());
    env.insert("ANTHROPIC_API_KEY".into(), "stand-in".into());
    env
}

/// Where it works, and the home that it has with a stand-in.
#[derive(Debug)]
struct Place {
    work: PathBuf,
    home: PathBuf,
}

impl Place {
    fn new(dir: &Path) -> Result<Self, Failure> {
        let place = Self {
            work: dir.join("claude-work"),
            home: dir.join("claude-home"),
        };
        for dir in [&place.work, &place.home] {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(dir)
                .map_err(|error| broken(&format!("{}: {error}", dir.display())))?;
        }
        Ok(place)
    }
}

/// Sends a prompt over a WebSocket and shows the pieces of the answer as they come.
fn streamed(stage: &Stage<'_>, agent: &Agent, prompt: &str) -> Result<(), Failure> {
    let mut socket = Socket::open(&stage.client, &Request::get("/ws"))?;
    let frames = [
        json!({"type": "subscribe", "channels": ["*"], "agentId": agent.id, "after": "latest"}),
        json!({"type": "message", "agentId": agent.id, "content": prompt}),
    ];
    for frame in frames {
        let sent = socket.send(Message::text(frame.to_string()));
        sent.map_err(|error| broken(&error))?;
    }
    stage.say(&format!("$ callboard send {}", quoted(prompt)));
    let mut line = Line::new(stage);
    let until = clock::now() + ANSWER;
    while clock::now() < until {
        stage.check_signal()?;
        line.show_due();
        let frame = match socket.read().map_err(|error| broken(&error))? {
            Came::Text(text) => serde_json::from_str(&text).unwrap_or(Value::Null),
            Came::Closed(code, why) => return Err(broken(&format!("closed: {code} {why}"))),
            Came::Nothing => {
                clock::pause(Duration::from_millis(20));
                continue;
            }
            Came::Bytes(_) | Came::Life => continue,
        };
        if line.take(&frame)? {
            socket.close();
            return line.end();
        }
    }
    Err(broken("the answer did not come in time"))
}

/// Pieces that wait to be shown, and what came.
struct Line<'a, 's> {
    stage: &'a Stage<'s>,
    began: Instant,
    text: String,
    since: Instant,
    pieces: u32,
}

impl<'a, 's> Line<'a, 's> {
    fn new(stage: &'a Stage<'s>) -> Self {
        Self {
            stage,
            began: clock::now(),
            text: String::new(),
            since: clock::now(),
            pieces: 0,
        }
    }

    /// Takes a frame; true behind the end of the turn.
    fn take(&mut self, frame: &Value) -> Result<bool, Failure> {
        let word = |key: &str| frame.get(key).and_then(Value::as_str).unwrap_or_default();
        if word("type") == "error" {
            return Err(broken(&format!("the prompt was refused: {frame}")));
        }
        if word("type") == "agent.delta" && word("kind") == "assistant" {
            if self.text.is_empty() {
                self.since = clock::now();
            }
            self.pieces = self.pieces.saturating_add(1);
            self.text.push_str(word("text"));
        }
        if word("event") != "turn_ended" {
            return Ok(false);
        }
        let outcome = frame.pointer("/data/outcome").and_then(Value::as_str);
        if outcome == Some("completed") {
            return Ok(true);
        }
        let data = frame.get("data").unwrap_or(&Value::Null);
        Err(broken(&format!("the turn ended: {data}")))
    }

    fn show_due(&mut self) {
        if !self.text.is_empty() && self.since.elapsed() >= SHOWN {
            self.show();
        }
    }

    fn show(&mut self) {
        let at = self.began.elapsed().as_secs_f64();
        self.stage
            .say(&format!("{at:>5.1} s  {}", self.text.replace('\n', " ")));
        self.text.clear();
    }

    fn end(mut self) -> Result<(), Failure> {
        if !self.text.is_empty() {
            self.show();
        }
        if self.pieces < 2 {
            return Err(broken("its words did not come in pieces"));
        }
        self.stage
            .say(&format!("{} pieces, then the whole message", self.pieces));
        Ok(())
    }
}

/// Sends a prompt that makes it ask, and says yes.
fn asked(stage: &Stage<'_>, agent: &Agent, prompt: &str) -> Result<(), Failure> {
    let before = stage.look(&agent.id)?.last_seq;
    steps::message(stage, &agent.id, prompt)?;
    stage.say(&format!("$ callboard send {}", quoted(prompt)));
    if steps::answered(stage, &agent.id, before)?.is_none() {
        return Err(broken("it never asked"));
    }
    Ok(())
}

/// The words of a prompt without what the stand-in is told.
fn quoted(prompt: &str) -> String {
    format!("\"{}\"", prompt.lines().next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stand_in_gets_marks_and_a_person_sees_none() {
        let (first, second) = prompts(Path::new("/d/hello.txt"), true);
        assert!(first.contains("\nSCENARIO:text \""));
        assert!(second.ends_with("SCENARIO:write path=/d/hello.txt \"hello\""));
        assert!(!quoted(&second).contains("SCENARIO"));
        let (first, second) = prompts(Path::new("/d/hello.txt"), false);
        assert!(!first.contains("SCENARIO") && !second.contains("SCENARIO"));
    }
}
