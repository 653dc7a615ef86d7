//! The `shell` agent: one interactive bash on a pty; a message is a script that it evaluates.
//!
//! Never takes a program's output for a mark: marks carry the incarnation's nonce.
//!
//! **Hand-over.** The message is put into a file `task-ID.sh` of the incarnation's directory, and
//! one short constant line is typed at the prompt, which reads that file and evaluates it as one
//! unit in the current shell (`cd` and variables persist; nothing runs when a part of it cannot be
//! parsed). The typed line begins with a kill of what a person may have half typed.
//!
//! **Marks** are printed by the start file `rc.bash` to /dev/tty: `C` before a task, `A` at each
//! prompt, `D` behind it when a task ended there, with the exit code. What the terminal shows
//! between `C` and `D` is the task's output: one `tool_result`, as readable text, its beginning and
//! its end.
//!
//! **Interrupts** are Ctrl-C on the terminal. bash holds one back that arrives between the start
//! mark and the moment when the job gets the terminal, until that job ends by itself: whoever
//! stops a turn sends a second one after a second or so (each has an id of its own). One that
//! arrives before bash has read the typed line throws the line away; the next prompt then ends the
//! turn.
//!
//! **The boundary.** Programs that the shell runs cannot learn the nonce from their environment,
//! arguments or files. The message's own shell code runs in the same shell and can (with
//! `declare -f`), and so can a program that reads the memory or the log of its own user's
//! processes. The nonce keeps output from being mistaken, it confines nobody.

mod capture;
mod codec;
mod osc;
mod run;

use std::collections::BTreeMap;

use crate::domain::Kind;

use super::{Codec, Driver, Launch, LaunchContext, Stdio};
use codec::ShellCodec;

const RC: &str = include_str!("shell/rc.bash");
/// The terminal before anyone attached a real one.
const ROWS: u16 = 40;
const COLS: u16 = 160;

/// Driver of the interactive bash.
#[derive(Debug, Clone, Copy)]
pub struct Shell;

impl Driver for Shell {
    fn kind(&self) -> Kind {
        Kind::Shell
    }

    fn launch(&self, context: &LaunchContext) -> Launch {
        let rc = format!("{}/rc", context.dir);
        let text = RC
            .replace("@RC@", &quote(&rc))
            .replace("@DIR@", &quote(&context.dir))
            .replace("@NONCE@", &context.nonce);
        Launch {
            argv: ["bash", "--noprofile", "--rcfile", &rc, "-i"]
                .map(str::to_owned)
                .to_vec(),
            env: BTreeMap::new(),
            stdio: Stdio::Pty {
                rows: ROWS,
                cols: COLS,
            },
            files: vec![("rc".to_owned(), text.into_bytes())],
        }
    }

    fn codec(&self, context: &LaunchContext) -> Box<dyn Codec> {
        Box::new(ShellCodec::new(context))
    }

    fn restore(&self, context: &LaunchContext, snapshot: &str) -> Option<Box<dyn Codec>> {
        ShellCodec::restore(context, snapshot).map(|codec| -> Box<dyn Codec> { Box::new(codec) })
    }

    fn resumable(&self) -> bool {
        false
    }

    fn has_terminal(&self) -> bool {
        true
    }

    fn has_prompt(&self) -> bool {
        true
    }
}

/// The word in single quotes, as bash reads it back.
fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests;
