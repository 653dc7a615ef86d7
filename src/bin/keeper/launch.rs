//! Starts the program: forked and held at a gate until the record stands, then executed.
//! Never lets a program run that the record does not know.

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode as FileMode, umask};
use nix::unistd;

use crate::isolate;
use crate::sys;
use crate::wire::spec::{Isolation, Mode, Spec, StartCode, StartFailure};
use crate::wire::{MARK_VAR, identity};

/// Where a name without a slash is looked for when the environment has no `PATH`.
const DEFAULT_PATH: &[u8] = b"/usr/local/bin:/usr/bin:/bin";

/// The started program and our ends of its streams, all non-blocking.
#[derive(Debug, Default)]
pub struct Program {
    pub pid: u32,
    pub start_ticks: u64,
    pub stdin: Option<File>,
    /// Standard output, or the terminal.
    pub stdout: Option<File>,
    pub stderr: Option<File>,
    pub terminal: bool,
}

/// A forked program that waits at its gate.
#[derive(Debug)]
pub struct Held {
    pub program: Program,
    gate: File,
    errors: File,
}

/// The child's ends.
struct Ends {
    stdin: OwnedFd,
    stdout: OwnedFd,
    stderr: OwnedFd,
    terminal: bool,
}

struct Plan {
    candidates: Vec<CString>,
    argv: Vec<CString>,
    env: Vec<CString>,
    cwd: CString,
    umask: u32,
    isolated: bool,
}

#[derive(Clone, Copy)]
enum Stage {
    Session,
    Isolation,
    Cwd,
    Exec,
}

/// Forks the program; it runs nothing before [`Held::release`].
pub fn hold(spec: &Spec, mark: &str) -> Result<Held, StartFailure> {
    let plan = Plan::of(spec, Some(mark))?;
    let streams = connect(spec.mode).map_err(|error| not_started(errno_of(&error)))?;
    fork(&plan, streams)
}

/// Forks a command without a mark, whose output is that of this process.
pub fn hold_inheriting(spec: &Spec) -> Result<Held, StartFailure> {
    let plan = Plan::of(spec, None)?;
    let streams = inherit(spec.mode).map_err(|error| not_started(errno_of(&error)))?;
    fork(&plan, streams)
}

fn fork(plan: &Plan, (ends, mut program): (Ends, Program)) -> Result<Held, StartFailure> {
    let failed = not_started;
    let io_failed = |error: std::io::Error| failed(errno_of(&error));
    let (gate_read, gate) = unistd::pipe2(OFlag::O_CLOEXEC).map_err(failed)?;
    let (errors, errors_write) = unistd::pipe2(OFlag::O_CLOEXEC).map_err(failed)?;
    let keeper = unistd::getpid();
    let Some(pid) = sys::fork().map_err(io_failed)? else {
        // Our copy of the gate's other end would hide the keeper's death from us.
        drop(gate);
        let (stage, errno) = become_program(plan, &ends, (File::from(gate_read), keeper));
        let mut report = vec![stage.code()];
        report.extend_from_slice(&isolate::raw(errno).to_be_bytes());
        let _sent = File::from(errors_write).write_all(&report);
        sys::leave(127);
    };
    program.pid = u32::try_from(pid).unwrap_or(0);
    program.start_ticks = identity::stat(program.pid).map_or(0, |stat| stat.start_ticks);
    Ok(Held {
        program,
        gate: File::from(gate),
        errors: File::from(errors),
    })
}

impl Held {
    /// Opens the gate and waits until the program is executed or has failed to be.
    pub fn release(mut self) -> Result<Program, StartFailure> {
        let _passed = self.gate.write_all(b"!");
        let mut report = Vec::new();
        let _all = self.errors.read_to_end(&mut report);
        let Some((stage, errno)) = read_report(&report) else {
            return Ok(self.program);
        };
        let pid = unistd::Pid::from_raw(i32::try_from(self.program.pid).unwrap_or(0));
        let _collected = nix::sys::wait::waitpid(pid, None);
        Err(explain(stage, errno))
    }
}

fn read_report(report: &[u8]) -> Option<(Stage, Errno)> {
    let (stage, errno) = report.split_first()?;
    let errno = i32::from_be_bytes(*errno.first_chunk()?);
    Some((Stage::from_code(*stage), Errno::from_raw(errno)))
}

fn explain(stage: Stage, errno: Errno) -> StartFailure {
    let (code, text) = match (stage, errno) {
        (Stage::Cwd, Errno::EACCES) => (StartCode::CwdDenied, "no access to the working directory"),
        (Stage::Cwd, _) => (StartCode::CwdMissing, "no such working directory"),
        (Stage::Exec, Errno::ENOENT | Errno::ENOTDIR) => (
            StartCode::ProgramNotFound,
            "no such program, or its interpreter is missing",
        ),
        (Stage::Exec, Errno::EACCES | Errno::ENOEXEC | Errno::EISDIR) => {
            (StartCode::NotExecutable, "the program cannot be executed")
        }
        (Stage::Isolation, _) => (
            StartCode::SpawnFailed,
            "the system refused mounts and a /proc of its own",
        ),
        (Stage::Exec | Stage::Session, _) => {
            (StartCode::SpawnFailed, "the program could not be started")
        }
    };
    StartFailure {
        code,
        errno: isolate::raw(errno),
        text: format!("{text}: {}", errno.desc()),
    }
}

/// A pipe or nothing to read from; the rest is what this process has itself.
fn inherit(mode: Mode) -> std::io::Result<(Ends, Program)> {
    let mut program = Program::default();
    let ends = Ends {
        stdin: input(mode, &mut program)?,
        stdout: sys::stdout().try_clone_to_owned()?,
        stderr: sys::stderr().try_clone_to_owned()?,
        terminal: false,
    };
    Ok((ends, program))
}

/// What a program reads from; our end of it, if there is one, goes into the program.
fn input(mode: Mode, program: &mut Program) -> std::io::Result<OwnedFd> {
    if mode != Mode::Pipes {
        return Ok(OwnedFd::from(File::open("/dev/null")?));
    }
    let (read, write) = unistd::pipe2(OFlag::O_CLOEXEC)?;
    sys::unblock(write.as_fd())?;
    program.stdin = Some(File::from(write));
    Ok(read)
}

/// Pipes or a terminal: the child's ends, and ours in a program that has no pid yet.
fn connect(mode: Mode) -> std::io::Result<(Ends, Program)> {
    let mut program = Program::default();
    let ends = match mode {
        Mode::Pty { rows, cols } => {
            let (master, slave) = sys::open_terminal(rows, cols)?;
            sys::unblock(master.as_fd())?;
            program.stdin = Some(master.try_clone()?);
            program.stdout = Some(master);
            program.terminal = true;
            Ends {
                stdin: slave.try_clone()?,
                stdout: slave.try_clone()?,
                stderr: slave,
                terminal: true,
            }
        }
        Mode::Pipes | Mode::PipesNoInput => {
            let stdin = input(mode, &mut program)?;
            let (stdout_read, stdout) = unistd::pipe2(OFlag::O_CLOEXEC)?;
            let (stderr_read, stderr) = unistd::pipe2(OFlag::O_CLOEXEC)?;
            sys::unblock(stdout_read.as_fd())?;
            sys::unblock(stderr_read.as_fd())?;
            program.stdout = Some(File::from(stdout_read));
            program.stderr = Some(File::from(stderr_read));
            Ends {
                stdin,
                stdout,
                stderr,
                terminal: false,
            }
        }
    };
    Ok((ends, program))
}

/// The child's side, up to `execve`; comes back only with an error.
fn become_program(plan: &Plan, ends: &Ends, gate: (File, unistd::Pid)) -> (Stage, Errno) {
    if let Err(errno) = enter_session(plan, ends, gate) {
        return (Stage::Session, errno);
    }
    if plan.isolated
        && let Err(errno) = isolate::enter()
    {
        return (Stage::Isolation, errno);
    }
    if let Err(errno) = unistd::chdir(plan.cwd.as_c_str()) {
        return (Stage::Cwd, errno);
    }
    let mut verdict = Errno::ENOENT;
    for candidate in &plan.candidates {
        match unistd::execve(candidate, &plan.argv, &plan.env) {
            Err(Errno::ENOENT | Errno::ENOTDIR) => {}
            // A later directory of the PATH may hold one that may be run.
            Err(Errno::EACCES) => verdict = Errno::EACCES,
            Err(errno) => return (Stage::Exec, errno),
            Ok(never) => match never {},
        }
    }
    (Stage::Exec, verdict)
}

fn enter_session(plan: &Plan, ends: &Ends, gate: (File, unistd::Pid)) -> Result<(), Errno> {
    let (mut gate, keeper) = gate;
    unistd::setsid()?;
    // Sound here: the keeper has one thread, so the end of that thread is the end of the keeper.
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    // From inside a namespace a parent outside is 0, and a keeper that has died is the init.
    let parent = if plan.isolated {
        unistd::Pid::from_raw(0)
    } else {
        keeper
    };
    if unistd::getppid() != parent {
        return Err(Errno::ESRCH);
    }
    if ends.terminal {
        sys::take_terminal(ends.stdin.as_fd()).map_err(|error| errno_of(&error))?;
    }
    unistd::dup2_stdin(&ends.stdin)?;
    unistd::dup2_stdout(&ends.stdout)?;
    unistd::dup2_stderr(&ends.stderr)?;
    sys::restore_signals();
    umask(FileMode::from_bits_truncate(plan.umask));
    let mut opened = [0_u8; 1];
    gate.read_exact(&mut opened)
        .map_err(|error| errno_of(&error))
}

impl Plan {
    fn of(spec: &Spec, mark: Option<&str>) -> Result<Self, StartFailure> {
        let bad = |what: &str| StartFailure {
            code: StartCode::BadSpec,
            errno: 0,
            text: format!("{what} holds a zero byte or is empty"),
        };
        let c = |bytes: &[u8], what: &str| CString::new(bytes).or(Err(bad(what)));
        let mut argv = Vec::new();
        for argument in &spec.argv {
            argv.push(c(argument.as_bytes(), "an argument")?);
        }
        let mut env = Vec::new();
        if let Some(mark) = mark {
            env.push(c(format!("{MARK_VAR}={mark}").as_bytes(), "the mark")?);
        }
        for (name, value) in &spec.env {
            if name.is_empty() || name.as_bytes().contains(&b'=') {
                return Err(bad("a name in the environment"));
            }
            if name.as_bytes() != MARK_VAR.as_bytes() {
                let line = [name.as_bytes(), b"=", value.as_bytes()].concat();
                env.push(c(&line, "the environment")?);
            }
        }
        let program = spec.argv.first().ok_or_else(|| bad("the program"))?;
        let mut candidates = Vec::new();
        for path in search(program, spec) {
            candidates.push(c(&path, "the program")?);
        }
        Ok(Self {
            candidates,
            argv,
            env,
            cwd: c(spec.cwd.as_os_str().as_bytes(), "the working directory")?,
            umask: spec.limits.umask,
            isolated: spec.isolation != Isolation::Group,
        })
    }
}

/// The files that a program's name may mean, in the order of the `PATH` that it will see itself.
fn search(program: &OsStr, spec: &Spec) -> Vec<Vec<u8>> {
    let name = program.as_bytes();
    if name.contains(&b'/') || name.is_empty() {
        return vec![name.to_vec()];
    }
    let path = spec
        .env
        .iter()
        .rev()
        .find(|(key, _)| key == "PATH")
        .map_or(DEFAULT_PATH, |(_, value)| value.as_bytes());
    path.split(|byte| *byte == b':')
        .map(|dir| if dir.is_empty() { b"." } else { dir })
        .map(|dir| [dir, b"/", name].concat())
        .collect()
}

impl Stage {
    fn code(self) -> u8 {
        match self {
            Self::Session => 0,
            Self::Cwd => 1,
            Self::Exec => 2,
            Self::Isolation => 3,
        }
    }

    fn from_code(code: u8) -> Self {
        match code {
            1 => Self::Cwd,
            2 => Self::Exec,
            3 => Self::Isolation,
            _ => Self::Session,
        }
    }
}

fn not_started(errno: Errno) -> StartFailure {
    StartFailure {
        code: StartCode::SpawnFailed,
        errno: isolate::raw(errno),
        text: format!("the program could not be started: {}", errno.desc()),
    }
}

fn errno_of(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}
