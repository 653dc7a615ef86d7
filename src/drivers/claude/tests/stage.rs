//! A codec that is restored from its snapshot after every step, and what is played to it.

use serde_json::Value;

use super::super::Claude;
use crate::domain::{PermissionMode, SessionId, TaskId};
use crate::drivers::{Codec, Command, Driver, LaunchContext, Output};

pub(super) fn context() -> LaunchContext {
    LaunchContext {
        session: SessionId::generate(),
        dir: "/data/1".into(),
        cwd: "/".into(),
        server_exe: "/bin/callboard".into(),
        nonce: "s3cret".into(),
        permission_mode: PermissionMode::Default,
        scenario: None,
        model: None,
        effort: None,
        mcp_servers: None,
        conversation: None,
        fork_of: None,
        root: false,
        resume: None,
    }
}

pub(super) fn task(n: u32) -> TaskId {
    format!("01890000-0000-7000-8000-{n:012}").parse().unwrap()
}

pub(super) fn prompt(n: u32) -> Command {
    Command::Prompt {
        task: task(n),
        input_id: input(n),
        text: format!("prompt {n}"),
    }
}

pub(super) fn input(n: u32) -> String {
    format!("in:{n}")
}

/// See the module.
pub(super) struct Stage {
    pub codec: Box<dyn Codec>,
    held: Vec<u8>,
}

impl Stage {
    pub fn new() -> Self {
        Self {
            codec: Claude.codec(&context()),
            held: Vec::new(),
        }
    }

    fn again(&mut self) {
        let snapshot = self.codec.snapshot();
        assert!(snapshot.len() < 60 * 1024);
        self.codec = Claude.restore(&context(), &snapshot).unwrap();
        assert_eq!(self.codec.snapshot(), snapshot);
    }

    pub fn bytes(&mut self, bytes: &[u8]) -> Vec<Output> {
        let mut out = Vec::new();
        self.held.extend_from_slice(bytes);
        loop {
            let taken = self.codec.decode(&self.held, &mut out);
            self.held.drain(..taken);
            self.again();
            if taken == 0 {
                return out;
            }
        }
    }

    pub fn hear(&mut self, line: &Value) -> Vec<Output> {
        self.bytes(format!("{line}\n").as_bytes())
    }

    pub fn tell(&mut self, command: &Command) -> Vec<Output> {
        let mut out = Vec::new();
        self.codec.command(command, &mut out);
        self.again();
        out
    }

    /// Hands over the prompt of a task, and lets the program acknowledge it.
    pub fn begin(&mut self, n: u32) {
        self.tell(&prompt(n));
        let uuid = crate::drivers::ids::prompt(&input(n));
        let line = serde_json::json!({
            "type": "command_lifecycle", "command_uuid": uuid, "state": "started"});
        assert_eq!(self.hear(&line), [Output::TurnStarted { task: task(n) }]);
    }

    pub fn finish(mut self) -> Vec<Output> {
        let mut out = Vec::new();
        self.codec.finish(&std::mem::take(&mut self.held), &mut out);
        out
    }
}
