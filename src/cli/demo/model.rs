//! The stand-in for a model: a child of this program that answers as it is scripted.
//!
//! Never reachable from outside of this machine, and never left behind.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use super::super::child;
use super::super::failure::Failure;
use super::stage::broken;

/// How long its start may take.
const START: Duration = Duration::from_secs(30);

/// A stand-in that runs until this goes.
#[derive(Debug)]
pub struct Model {
    child: Child,
    url: String,
}

impl Model {
    /// Starts it and waits for its address.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start() -> Result<Self, Failure> {
        let failed = |why: &str| broken(&format!("the stand-in for a model: {why}"));
        let program = std::env::current_exe().map_err(|error| failed(&error.to_string()))?;
        let mut child = child::command(program)
            .args(["agent", "model", "--bind", "127.0.0.1:0", "--until-eof"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Ctrl-C is for the demo, which ends it.
            .process_group(0)
            .spawn()
            .map_err(|error| failed(&error.to_string()))?;
        let (said, heard) = mpsc::channel();
        if let Some(out) = child.stdout.take() {
            // Reads to the end, so that it can say what it likes.
            std::thread::spawn(move || {
                for line in BufReader::new(out).lines().map_while(Result::ok) {
                    let _ = said.send(line);
                }
            });
        }
        let mut model = Self {
            child,
            url: String::new(),
        };
        let line = heard.recv_timeout(START);
        let line = line.map_err(|_none| failed("it did not say where it listens"))?;
        let url = line.strip_prefix("listening on ").map(str::trim);
        model.url = url.ok_or_else(|| failed(&line))?.to_owned();
        Ok(model)
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        // The end of its stdin ends it; the kill is for one that hangs.
        drop(self.child.stdin.take());
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
