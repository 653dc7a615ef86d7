//! Claude Code: JSON lines both ways with its control protocol (ARCHITECTURE.md, "Claude Code").
//!
//! Never fails on what the program prints: a line of an unknown kind is passed over, one that is no
//! JSON is shown raw, and one longer than [`MAX_UNIT_BYTES`] becomes an error event.

mod ask;
mod codec;
mod control;
mod said;
mod state;
mod tool;
mod turn;
mod wire;

use std::collections::BTreeMap;

use serde_json::json;

use super::{Codec, Driver, Launch, LaunchContext, MAX_UNIT_BYTES, Stdio, ids};
use crate::domain::{ExitReason, Kind, PermissionMode};
use codec::ClaudeCodec;
use state::State;

/// Driver of the `claude` program.
#[derive(Debug, Clone, Copy)]
pub struct Claude;

/// What the program is always started with: prompts, answers and orders on stdin, events on stdout.
const ALWAYS: [&str; 10] = [
    "claude",
    "-p",
    "--input-format",
    "stream-json",
    "--output-format",
    "stream-json",
    "--verbose",
    "--include-partial-messages",
    "--permission-prompt-tool",
    "stdio",
];
/// Name of the file with the MCP servers, which may hold secrets: no argument does.
const MCP_FILE: &str = "mcp.json";

/// Words on stderr with which the program ends for want of a sign-in.
const SIGN_IN: [&str; 6] = [
    "not logged in",
    "please run /login",
    "invalid api key",
    "authentication_error",
    "authentication_failed",
    "oauth token has expired",
];
/// The same because its provider takes no more work.
const LIMIT: [&str; 3] = ["usage limit reached", "rate_limit_error", "hit your limit"];
/// The same because of how it was started.
const REFUSED: [&str; 6] = [
    state::MISSING,
    "is already in use",
    "cannot be used with root",
    "invalid mcp configuration",
    "error: option",
    "error: unknown option",
];

impl Driver for Claude {
    fn kind(&self) -> Kind {
        Kind::Claude
    }

    fn launch(&self, context: &LaunchContext) -> Launch {
        let mut argv: Vec<String> = ALWAYS.map(str::to_owned).to_vec();
        let mut add = |words: &[&str]| argv.extend(words.iter().map(|word| (*word).to_owned()));
        let own = ids::conversation(&context.nonce);
        match (conversation(context), &context.fork_of) {
            (Some(id), _) => add(&["--resume", id]),
            (None, Some(id)) => add(&["--resume", id, "--fork-session", "--session-id", &own]),
            (None, None) => add(&["--session-id", &own]),
        }
        let model = context.model.as_deref().unwrap_or_default();
        let effort = context.effort.as_deref().unwrap_or_default();
        for (option, value) in [("--model", model), ("--effort", effort)] {
            if !value.is_empty() {
                add(&[option, value]);
            }
        }
        add(&["--permission-mode", context.permission_mode.name()]);
        let bypasses = context.permission_mode == PermissionMode::BypassPermissions;
        if bypasses || !context.root {
            // Permits a later switch into that mode; the program refuses it to root.
            add(&["--allow-dangerously-skip-permissions"]);
        }
        let mut files = Vec::new();
        if let Some(servers) = &context.mcp_servers {
            let bytes = json!({ "mcpServers": servers }).to_string().into_bytes();
            files.push((MCP_FILE.to_owned(), bytes));
            let path = format!("{}/{MCP_FILE}", context.dir);
            add(&["--mcp-config", &path, "--strict-mcp-config"]);
        }
        Launch {
            argv,
            env: environment(bypasses && context.root),
            stdio: Stdio::Pipes,
            files,
        }
    }

    fn codec(&self, context: &LaunchContext) -> Box<dyn Codec> {
        let before = context.resume.as_deref().and_then(State::read);
        let state = State::fresh(before, goes_on(context));
        Box::new(ClaudeCodec::new(&context.nonce, state))
    }

    fn restore(&self, context: &LaunchContext, snapshot: &str) -> Option<Box<dyn Codec>> {
        State::read(snapshot)
            .map(|state| -> Box<dyn Codec> { Box::new(ClaudeCodec::new(&context.nonce, state)) })
    }

    fn resumable(&self) -> bool {
        true
    }

    fn exit_reason(&self, code: Option<i32>, stderr: &[String]) -> Option<ExitReason> {
        // A signal says more than words, and an end in order is one.
        code.filter(|code| *code != 0)?;
        let said = stderr.join("\n").to_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
        if says(&SIGN_IN) {
            Some(ExitReason::Auth)
        } else if says(&LIMIT) {
            Some(ExitReason::RateLimited)
        } else if says(&REFUSED) {
            Some(ExitReason::Failed)
        } else {
            None
        }
    }

    /// Root's process cannot be switched into what it was not started for.
    fn may_switch(&self, to: PermissionMode, root: bool) -> bool {
        to != PermissionMode::BypassPermissions || !root
    }

    fn has_terminal(&self) -> bool {
        false
    }

    fn has_prompt(&self) -> bool {
        false
    }
}

/// The conversation to go on with, unless the process before said that it is not there.
fn conversation(context: &LaunchContext) -> Option<&str> {
    let before = context.resume.as_deref().and_then(State::read);
    let gone = before.is_some_and(|before| before.missing);
    context.conversation.as_deref().filter(|_| !gone)
}

/// Whether the program may count costs of earlier processes too.
fn goes_on(context: &LaunchContext) -> bool {
    conversation(context).is_some() || context.fork_of.is_some()
}

/// Updates are a person's business, not a session's. What the program tells its maker is left as
/// the person has set it; so is its number of retries (`CLAUDE_CODE_MAX_RETRIES`).
fn environment(root_bypasses: bool) -> BTreeMap<String, String> {
    let mut env = BTreeMap::from([("DISABLE_AUTOUPDATER".to_owned(), "1".to_owned())]);
    if root_bypasses {
        // The program takes this mode from root only where it is told that the place is closed.
        env.insert("IS_SANDBOX".to_owned(), "1".to_owned());
    }
    env
}

#[cfg(test)]
mod tests;
