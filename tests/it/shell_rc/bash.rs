//! A real interactive bash on a real pty, read by its codec.
//!
//! Never the keeper: it has no log and loses what it read when the test ends.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command as Process, Stdio};
use std::time::{Duration, Instant};

use callboard::domain::{EventKind, Kind, Outcome, PermissionMode, SessionId, TaskId};
use callboard::drivers::{Codec, Command, LaunchContext, Output, driver};
use callboard::process::terminal::{Verdict, Watch};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigHandler, Signal, signal};
use serde_json::Value;

/// No step of a test takes longer.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// An interactive bash as the keeper would hold it.
pub struct Bash {
    pub master: File,
    pub child: Child,
    pub context: LaunchContext,
    pub codec: Box<dyn Codec>,
    pub held: Vec<u8>,
    pub raw: Vec<u8>,
    pub reads: u32,
    pub out: Vec<Output>,
    pub dir: tempfile::TempDir,
}

/// How a turn ended.
#[derive(Debug)]
pub struct End {
    pub outcome: Outcome,
    pub reason: Option<String>,
    pub output: String,
    pub data: Value,
}

impl Bash {
    pub fn start() -> Self {
        let dir = tempfile::Builder::new().prefix("it's ").tempdir().unwrap();
        let context = LaunchContext {
            session: SessionId::generate(),
            dir: dir.path().to_str().unwrap().to_owned(),
            cwd: "/".into(),
            server_exe: String::new(),
            nonce: "0123456789abcdef0123456789abcdef".into(),
            permission_mode: PermissionMode::BypassPermissions,
            scenario: None,
            model: None,
            effort: None,
            mcp_servers: None,
            conversation: None,
            fork_of: None,
            root: false,
            resume: None,
        };
        let driver = driver(Kind::Shell);
        let launch = driver.launch(&context);
        for (name, bytes) in &launch.files {
            std::fs::write(dir.path().join(name), bytes).unwrap();
        }
        let pty = nix::pty::openpty(None, None).unwrap();
        let end = || Stdio::from(pty.slave.try_clone().unwrap());
        let mut process = Process::new(&launch.argv[0]);
        process
            .args(&launch.argv[1..])
            .current_dir(&context.cwd)
            .env_clear();
        for name in ["PATH", "HOME"] {
            process.env(name, std::env::var(name).unwrap());
        }
        process.env("TERM", "xterm-256color").env("LANG", "C.UTF-8");
        process.stdin(end()).stdout(end()).stderr(end());
        // SAFETY: only system calls between fork and exec.
        unsafe {
            process.pre_exec(|| {
                // As the keeper does: whoever runs the tests may ignore them, and bash hands that on
                // to a job when an interrupt comes at the wrong moment.
                for signo in [Signal::SIGINT, Signal::SIGQUIT] {
                    signal(signo, SigHandler::SigDfl)?;
                }
                nix::unistd::setsid()?;
                match nix::libc::ioctl(0, nix::libc::TIOCSCTTY, 0) {
                    0 => Ok(()),
                    _ => Err(std::io::Error::last_os_error()),
                }
            });
        }
        let child = process.spawn().unwrap();
        drop(process);
        let mut bash = Self {
            master: File::from(pty.master),
            child,
            codec: driver.codec(&context),
            context,
            held: Vec::new(),
            raw: Vec::new(),
            reads: 0,
            out: Vec::new(),
            dir,
        };
        bash.until("ready", |bash| bash.out.contains(&Output::Ready));
        bash
    }

    /// Reads what is there within 50 ms; false at the end of the stream.
    pub fn read(&mut self) -> bool {
        let mut fds = [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)];
        if poll(&mut fds, PollTimeout::from(50_u16)).unwrap() == 0 {
            return true;
        }
        let mut buffer = [0; 7_001];
        // A pty without its other side gives EIO.
        let Ok(count @ 1..) = self.master.read(&mut buffer) else {
            return false;
        };
        self.raw.extend_from_slice(&buffer[..count]);
        self.held.extend_from_slice(&buffer[..count]);
        let before = self.out.len();
        let taken = self.codec.decode(&self.held, &mut self.out);
        self.held.drain(..taken);
        self.reads += 1;
        if !self.reads.is_multiple_of(16) && self.out.len() == before {
            return true;
        }
        let snapshot = self.codec.snapshot();
        assert!(snapshot.len() < 64 * 1024);
        self.codec = driver(Kind::Shell)
            .restore(&self.context, &snapshot)
            .unwrap();
        true
    }

    pub fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !done(self) {
            let raw = String::from_utf8_lossy(&self.raw).into_owned();
            assert!(Instant::now() < deadline, "no {what}: {raw:?}",);
            assert!(self.read(), "the stream ended before {what}: {raw:?}");
        }
    }

    pub fn command(&mut self, command: &Command) {
        let mut out = Vec::new();
        self.codec.command(command, &mut out);
        for output in out {
            match output {
                Output::File { name, bytes } => {
                    std::fs::write(self.dir.path().join(name), bytes).unwrap();
                }
                Output::Send { bytes, .. } => self.master.write_all(&bytes).unwrap(),
                other => self.out.push(other),
            }
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

    /// Interrupts until the turn is over, as a stop does that is repeated. One interrupt is not
    /// always enough: bash holds one back that comes after the start mark and before the job has
    /// the terminal, until that job ends.
    pub fn interrupt(&mut self) {
        for _ in 0..10 {
            self.command(&Command::Interrupt);
            let again = Instant::now() + Duration::from_secs(1);
            while self.codec.turn().is_some() && Instant::now() < again {
                assert!(self.read(), "the shell ended");
            }
            if self.codec.turn().is_none() {
                return;
            }
        }
        panic!("no end: {:?}", String::from_utf8_lossy(&self.raw));
    }

    pub fn end_of(&self, task: TaskId) -> Option<End> {
        let data = self.out.iter().find_map(|output| match output {
            Output::Event {
                kind: EventKind::ToolResult,
                data,
            } if data["toolCallId"] == format!("shell-{task}") => Some(data.clone()),
            _ => None,
        });
        self.out.iter().find_map(|output| match output {
            Output::TurnEnded {
                task: ended,
                outcome,
                reason,
                ..
            } if *ended == task => Some(End {
                outcome: *outcome,
                reason: reason.clone(),
                output: data.as_ref()?["result"]["output"].as_str()?.to_owned(),
                data: data.clone()?,
            }),
            _ => None,
        })
    }

    pub fn run(&mut self, text: &str) -> End {
        let task = self.prompt(text);
        self.until("end", |bash| bash.end_of(task).is_some());
        self.end_of(task).unwrap()
    }

    pub fn started(&mut self, text: &str) -> TaskId {
        let task = self.prompt(text);
        self.until("start", |bash| {
            bash.out.contains(&Output::TurnStarted { task })
        });
        task
    }

    /// Samples each 50 ms (the time of a read), faster than the runtime does, until the verdict is no longer fine or the count is
    /// reached.
    pub fn watch(&mut self, watch: &mut Watch, samples: usize) -> Verdict {
        for _ in 0..samples {
            self.read();
            self.child.try_wait().unwrap();
            watch.sample().unwrap();
            if watch.verdict() != Verdict::Fine {
                break;
            }
        }
        watch.verdict()
    }

    pub fn watched(&self) -> Watch {
        let mut watch = Watch::new(i32::try_from(self.child.id()).unwrap());
        watch.sample().unwrap();
        watch.restart();
        watch
    }
}

impl Drop for Bash {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
