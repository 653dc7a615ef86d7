//! One step of a recipe: a program that is run, with its title, its time and its end.
//!
//! Never goes on behind a step that failed.

use std::ffi::OsStr;
use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Why a recipe stopped.
#[derive(Debug)]
pub enum Failed {
    /// The command line was wrong.
    Usage(String),
    /// A step failed, with its exit code.
    Step(String, u8),
}

impl Failed {
    pub fn usage(text: impl Into<String>) -> Self {
        Self::Usage(text.into())
    }

    pub fn step(text: impl Into<String>) -> Self {
        Self::Step(text.into(), 1)
    }

    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Usage(_))
    }

    pub fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Step(_, code) => *code,
        }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) | Self::Step(text, _) => f.write_str(text),
        }
    }
}

/// A program to run.
pub struct Step {
    title: String,
    command: Command,
    quiet: bool,
    /// Longest time that it may take; without one as long as it likes, as a demo does.
    bound: Option<Duration>,
}

/// How often a running step is looked at.
const LOOK: Duration = Duration::from_millis(100);

impl Step {
    /// The cargo that runs us, with these arguments.
    pub fn cargo(title: &str, args: &[&str]) -> Self {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut step = Self::program(title, Path::new(&cargo));
        step.command.args(args);
        step
    }

    /// Any program, in the root of the clone.
    #[expect(clippy::disallowed_methods, reason = "recipes run programs")]
    pub fn program(title: &str, program: &Path) -> Self {
        let mut command = Command::new(program);
        command.current_dir(root());
        Self {
            title: title.to_owned(),
            command,
            quiet: false,
            bound: None,
        }
    }

    pub fn arg(mut self, word: impl AsRef<OsStr>) -> Self {
        self.command.arg(word);
        self
    }

    pub fn args(mut self, words: &[String]) -> Self {
        self.command.args(words);
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// The longest that it may take; then it is ended, and has failed.
    pub fn within(mut self, bound: Duration) -> Self {
        self.bound = Some(bound);
        self
    }

    /// Without a line about its time at the end.
    pub fn quietly(mut self) -> Self {
        self.quiet = true;
        self
    }

    /// Runs it, with our own streams.
    pub fn run(mut self) -> Result<(), Failed> {
        say(&format!("==> {}: {}", self.title, shown(&self.command)));
        let began = now();
        let broken = |error| Failed::step(format!("{} cannot be run: {error}", self.title));
        let mut child = self.command.spawn().map_err(broken)?;
        let status = loop {
            if let Some(status) = child.try_wait().map_err(broken)? {
                break status;
            }
            let past = now().saturating_duration_since(began);
            if let Some(bound) = self.bound.filter(|bound| past >= *bound) {
                // It may have ended at this moment.
                let _killed = child.kill();
                child.wait().map_err(broken)?;
                let most = bound.as_secs();
                return Err(Failed::step(format!(
                    "{} took longer than {most} s",
                    self.title
                )));
            }
            std::thread::park_timeout(LOOK);
        };
        if !status.success() {
            let text = format!("{} failed: {status}", self.title);
            return Err(Failed::Step(text, code(status)));
        }
        if !self.quiet {
            say(&format!("    {}: {:.1} s", self.title, seconds(began)));
        }
        Ok(())
    }

    /// Starts it, with this file as its standard error, and does not wait.
    pub fn start(mut self, log: std::fs::File) -> Result<Child, Failed> {
        let title = self.title;
        self.command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|error| Failed::step(format!("{title} cannot be run: {error}")))
    }

    /// Runs it and returns what it printed; `None` when it cannot be run or fails.
    pub fn output(mut self) -> Option<String> {
        let done = self.command.output().ok()?;
        done.status
            .success()
            .then(|| String::from_utf8_lossy(&done.stdout).into_owned())
    }
}

/// One line to stderr, where cargo's own lines go.
pub fn say(text: &str) {
    // A closed stderr takes nothing; the exit code still tells.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// The root of the clone.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Where cargo puts what it builds.
pub fn target_dir() -> Result<PathBuf, Failed> {
    let exe = std::env::current_exe()
        .map_err(|error| Failed::step(format!("this program's place is not known: {error}")))?;
    // TARGET/debug/xtask
    exe.ancestors()
        .nth(2)
        .map(Path::to_path_buf)
        .ok_or_else(|| Failed::step("this program stands in no target directory"))
}

/// Now, for the durations that are printed.
#[expect(
    clippy::disallowed_methods,
    reason = "recipes tell how long steps take"
)]
pub fn now() -> Instant {
    Instant::now()
}

fn seconds(since: Instant) -> f64 {
    now()
        .saturating_duration_since(since)
        .max(Duration::ZERO)
        .as_secs_f64()
}

fn code(status: ExitStatus) -> u8 {
    status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(1)
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(command.get_program());
    let words = std::iter::once(name).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}
