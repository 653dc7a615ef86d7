//! A real player process on pipes, read by its codec.
//!
//! Never the keeper: it has no log.

use std::io::{BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command as Process, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use callboard::domain::{EventKind, Kind, Outcome, PermissionMode, SessionId, TaskId};
use callboard::drivers::{Codec, Command, LaunchContext, Output, driver};
use serde_json::{Value, json};

/// No step of a test takes longer.
const DEADLINE: Duration = Duration::from_secs(20);

/// The player and its reader.
pub struct Player {
    pub child: Child,
    pub stdin: Option<ChildStdin>,
    pub bytes: Receiver<Vec<u8>>,
    pub context: LaunchContext,
    pub codec: Box<dyn Codec>,
    pub held: Vec<u8>,
    pub out: Vec<Output>,
}

/// How a turn ended.
#[derive(Debug)]
pub struct End {
    pub outcome: Outcome,
    pub reason: Option<String>,
    pub text: Option<String>,
    pub usage: Option<Value>,
}

pub fn context(scenario: &str) -> LaunchContext {
    LaunchContext {
        session: SessionId::generate(),
        dir: String::new(),
        cwd: "/".into(),
        server_exe: env!("CARGO_BIN_EXE_callboard").into(),
        nonce: "n".into(),
        permission_mode: PermissionMode::Default,
        scenario: Some(scenario.into()),
        model: None,
        effort: None,
        mcp_servers: None,
        conversation: None,
        fork_of: None,
        root: false,
        resume: None,
    }
}

pub fn spawn(context: &LaunchContext) -> Child {
    let launch = driver(Kind::Script).launch(context);
    Process::new(&launch.argv[0])
        .args(&launch.argv[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

pub fn file(dir: &Path, name: &str, turns: &Value) -> String {
    let path = dir.join(name);
    std::fs::write(&path, json!({ "turns": turns }).to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

impl Player {
    pub fn start(context: LaunchContext) -> Self {
        let mut child = spawn(&context);
        let (sender, bytes) = sync_channel(16);
        let stdout: ChildStdout = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            let mut stdout = BufReader::new(stdout);
            let mut buffer = vec![0; 65_536];
            while let Ok(count @ 1..) = stdout.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        let mut player = Self {
            stdin: child.stdin.take(),
            child,
            bytes,
            codec: driver(Kind::Script).codec(&context),
            context,
            held: Vec::new(),
            out: Vec::new(),
        };
        player.until("ready", |out| out.contains(&Output::Ready));
        player
    }

    /// Reads once; false at the end of the stream.
    pub fn read(&mut self) -> bool {
        let Ok(bytes) = self.bytes.recv_timeout(DEADLINE) else {
            let (rest, mut out) = (std::mem::take(&mut self.held), Vec::new());
            self.codec.finish(&rest, &mut out);
            self.out.append(&mut out);
            return false;
        };
        self.held.extend(bytes);
        let mut at = 0;
        loop {
            let taken = self.codec.decode(&self.held[at..], &mut self.out);
            at += taken;
            if taken == 0 {
                break;
            }
        }
        self.held.drain(..at);
        let snapshot = self.codec.snapshot();
        self.codec = driver(Kind::Script)
            .restore(&self.context, &snapshot)
            .unwrap();
        true
    }

    pub fn until(&mut self, what: &str, done: impl Fn(&[Output]) -> bool) {
        while !done(&self.out) {
            let more = self.read();
            assert!(
                more || done(&self.out),
                "the stream ended before {what}: {:?}",
                self.out
            );
        }
    }

    pub fn command(&mut self, command: &Command) {
        let mut out = Vec::new();
        self.codec.command(command, &mut out);
        for output in out {
            let Output::Send { bytes, .. } = output else {
                panic!("{output:?}");
            };
            self.stdin.as_mut().unwrap().write_all(&bytes).unwrap();
        }
    }

    pub fn prompt(&mut self, text: &str) -> TaskId {
        let task = TaskId::generate();
        self.command(&Command::Prompt {
            task,
            input_id: format!("{task}:1"),
            text: text.into(),
        });
        task
    }

    pub fn end(&mut self, task: TaskId) -> End {
        let found = |out: &[Output]| {
            out.iter().find_map(|output| match output {
                Output::TurnEnded {
                    task: ended,
                    outcome,
                    reason,
                    text,
                    usage,
                    limited: _,
                } if *ended == task => Some(End {
                    outcome: *outcome,
                    reason: reason.clone(),
                    text: text.clone(),
                    usage: usage.clone(),
                }),
                _ => None,
            })
        };
        self.until("the end", |out| found(out).is_some());
        found(&self.out).unwrap()
    }

    pub fn run(&mut self, text: &str) -> End {
        let task = self.prompt(text);
        self.end(task)
    }

    pub fn says(&mut self, words: &str) {
        self.until(words, |out| {
            data(out, EventKind::AssistantMessage).any(|data| data["content"] == words)
        });
    }

    pub fn exit(&mut self) -> ExitStatus {
        let deadline = Instant::now() + DEADLINE;
        while self.read() {}
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end");
            std::thread::yield_now();
        }
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn data(out: &[Output], wanted: EventKind) -> impl Iterator<Item = &Value> {
    out.iter().filter_map(move |output| match output {
        Output::Event { kind, data } if *kind == wanted => Some(data),
        _ => None,
    })
}

pub fn question(out: &[Output]) -> Option<String> {
    out.iter().rev().find_map(|output| match output {
        Output::Ask(question) => Some(question.request.clone()),
        _ => None,
    })
}
