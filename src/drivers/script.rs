//! The `script` agent: a built-in program that plays a scenario over JSON lines.
//!
//! Never fails on what the program prints: a line that is no known message is passed on as raw
//! text (an assistant message with `raw: true`, which is not the agent's last word), and a line
//! longer than [`super::MAX_UNIT_BYTES`] is cut and marked `truncated`.
//!
//! Every message consumes one turn of the scenario, also one that crashed: the next incarnation
//! goes on behind it.

pub mod ready;
pub mod scenario;
pub mod step;
pub mod wire;

mod codec;
mod state;

use std::collections::BTreeMap;

use crate::domain::Kind;

use super::{Codec, Driver, Launch, LaunchContext, Stdio};
use codec::ScriptCodec;
use state::State;

/// Driver of the built-in player.
#[derive(Debug, Clone, Copy)]
pub struct Script;

impl Driver for Script {
    fn kind(&self) -> Kind {
        Kind::Script
    }

    fn launch(&self, context: &LaunchContext) -> Launch {
        let home = context.scenario.as_deref().unwrap_or(ready::DEFAULT);
        let mut argv: Vec<String> = [&context.server_exe, "agent", "script", home]
            .map(str::to_owned)
            .to_vec();
        let before = context.resume.as_deref().and_then(State::read);
        // A session that was given another scenario in between starts that one from its first turn.
        if let Some(before) = before.filter(|state| state.home.as_deref() == Some(home)) {
            argv.extend(["--turns-done".to_owned(), before.played.to_string()]);
            if let Some(scenario) = before.scenario.filter(|name| name != home) {
                argv.extend(["--at".to_owned(), scenario]);
            }
        }
        let mode = context.permission_mode.name();
        argv.extend(["--permission-mode", mode].map(str::to_owned));
        Launch {
            argv,
            env: BTreeMap::new(),
            stdio: Stdio::Pipes,
            files: Vec::new(),
        }
    }

    fn codec(&self, context: &LaunchContext) -> Box<dyn Codec> {
        Box::new(ScriptCodec::new(&context.nonce, State::default()))
    }

    fn restore(&self, context: &LaunchContext, snapshot: &str) -> Option<Box<dyn Codec>> {
        State::read(snapshot)
            .map(|state| -> Box<dyn Codec> { Box::new(ScriptCodec::new(&context.nonce, state)) })
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

#[cfg(test)]
mod tests;
