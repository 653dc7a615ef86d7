//! From the start frame on standard input to a keeper of its own: directory, lock, daemon, program.
//! Never leaves a trace of a start that failed.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::poll::{PollTimeout, poll};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::stat::{Mode as FileMode, umask};
use nix::unistd;

use crate::bounds;
use crate::clock::wall_ms;
use crate::engine::{Engine, Parts};
use crate::exitfile::ExitFile;
use crate::input::Input;
use crate::isolate;
use crate::launch;
use crate::leaf::Leaf;
use crate::log::Log;
use crate::sys;
use crate::wire::record::Record;
use crate::wire::spec::{Begun, Spec, StartCode, StartFailure, StartReply, encode_reply};
use crate::wire::stream::Decoder;
use crate::wire::{MAX_SPEC_BODY, VERSION, file, identity, segments};

/// How often a program that never ran is given time to leave its cgroup, and how much.
const LEAVING: usize = 20;
const PAUSE_MS: u8 = 5;

/// `Ok(None)` in the process that the server started, which has nothing more to do.
pub fn begin() -> Result<Option<Engine>, StartFailure> {
    sys::close_inherited();
    sys::settle_heap();
    umask(FileMode::from_bits_truncate(0o077));
    let spec = read_spec()?;
    let lock = enter(&spec.dir)?;
    let context = |error| {
        failure(
            StartCode::SpawnFailed,
            "the keeper could not go its own way",
            &error,
        )
    };
    if sys::fork().map_err(context)?.is_some() {
        return Ok(None);
    }
    let engine = live(&spec, lock);
    if engine.is_err() {
        clean(&spec);
    }
    engine.map(Some)
}

/// Sends the one answer and lets go of the server's pipe.
pub fn answer(reply: &StartReply) {
    let frame = encode_reply(reply);
    let mut rest = frame.as_slice();
    while let Ok(count) = unistd::write(sys::stdout(), rest) {
        rest = rest.get(count..).unwrap_or_default();
        if rest.is_empty() {
            break;
        }
    }
    if let Ok(null) = OpenOptions::new().write(true).open("/dev/null") {
        let _replaced = unistd::dup2_stdout(null);
    }
}

fn read_spec() -> Result<Spec, StartFailure> {
    let bad = |text: &str| StartFailure {
        code: StartCode::BadSpec,
        errno: 0,
        text: text.to_owned(),
    };
    let mut decoder = Decoder::new(MAX_SPEC_BODY);
    let mut buffer = vec![0_u8; 4 * 1024];
    loop {
        if let Some(raw) = decoder.next_frame().or(Err(bad("start frame too long")))? {
            return Spec::decode(&raw).or(Err(bad("malformed start frame")));
        }
        match unistd::read(sys::stdin(), &mut buffer) {
            Ok(0) => return Err(bad("no start frame on standard input")),
            Ok(count) => decoder.feed(buffer.get(..count).unwrap_or_default()),
            Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(bad(errno.desc())),
        }
    }
}

/// Makes the directory, goes into it and takes its lock.
fn enter(dir: &Path) -> Result<File, StartFailure> {
    let failed = |error| failure(StartCode::DirFailed, "the keeper's directory", &error);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(failed)?;
    std::env::set_current_dir(dir).map_err(failed)?;
    let lock = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(file::LOCK)
        .map_err(failed)?;
    if !sys::lock(&lock).map_err(failed)? {
        return Err(plain(
            StartCode::DirBusy,
            "a keeper lives in this directory",
        ));
    }
    let used = [file::RECORD, file::EXIT, file::INPUT];
    let first = segments::path(Path::new(""), 0);
    if used.iter().any(|name| Path::new(name).exists()) || first.exists() {
        return Err(plain(
            StartCode::DirUsed,
            "the directory belongs to an earlier life",
        ));
    }
    Ok(lock)
}

fn live(spec: &Spec, mut lock: File) -> Result<Engine, StartFailure> {
    let failed = |error: io::Error| failure(StartCode::SpawnFailed, "the keeper", &error);
    let on_disk =
        |error: io::Error| failure(StartCode::DirFailed, "the keeper's directory", &error);
    unistd::setsid().map_err(|errno| failed(errno.into()))?;
    let null = File::open("/dev/null").map_err(failed)?;
    unistd::dup2_stdin(&null).map_err(|errno| failed(errno.into()))?;
    unistd::dup2_stderr(&null).map_err(|errno| failed(errno.into()))?;
    let signals = sys::settle_signals().map_err(failed)?;
    let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
    let signals = SignalFd::with_flags(&signals, flags).map_err(|errno| failed(errno.into()))?;
    nix::sys::prctl::set_child_subreaper(true).map_err(|errno| failed(errno.into()))?;

    let mut record = own_record(spec).map_err(failed)?;
    writeln!(lock, "{} {}", record.keeper_pid, record.keeper_start_ticks).map_err(on_disk)?;
    let listener = listen().map_err(on_disk)?;
    let limits = &spec.limits;
    let log =
        Log::create(PathBuf::new(), limits.segment_bytes, limits.segments).map_err(on_disk)?;
    let input = Input::create().map_err(on_disk)?;
    let exit_file = ExitFile::reserve().map_err(on_disk)?;

    let yard = bounds::make(spec);
    let leash = isolate::prepare(spec.isolation)?;
    let held = launch::hold(spec, &record.mark)?;
    record.program_pid = held.program.pid;
    record.program_start_ticks = held.program.start_ticks;
    let leaf = bounds::hold(held.program.pid, yard, spec).map_err(failed)?;
    let place = leaf.as_ref().and_then(|leaf| leaf.path().to_str());
    record.cgroup = place.map(str::to_owned);
    record.cgroup_place = place.and_then(|place| identity::place(Path::new(place)).ok());
    save(&record).map_err(on_disk)?;
    let program = held.release()?;
    answer(&Ok(Begun {
        keeper_pid: record.keeper_pid,
        program_pid: record.program_pid,
        start_ticks: record.program_start_ticks,
        boot_id: record.boot_id.clone(),
    }));
    Ok(Engine::new(Parts {
        record,
        limits: *limits,
        program,
        log,
        input,
        exit_file,
        listener,
        signals,
        lock,
        leash,
        leaf,
    }))
}

fn own_record(spec: &Spec) -> io::Result<Record> {
    let keeper_pid = std::process::id();
    Ok(Record {
        version: VERSION,
        session: spec.session.clone(),
        incarnation: spec.incarnation,
        keeper_pid,
        keeper_start_ticks: identity::stat(keeper_pid).map_or(0, |stat| stat.start_ticks),
        program_pid: 0,
        program_start_ticks: 0,
        boot_id: identity::boot_id().unwrap_or_default(),
        mark: identity::new_mark()?,
        started_ms: wall_ms(),
        cgroup: None,
        cgroup_place: None,
        home: identity::place(Path::new(".")).ok(),
    })
}

/// The socket is bound by its short name: a path from the root may be longer than 108 bytes.
fn listen() -> io::Result<UnixListener> {
    let listener = UnixListener::bind(file::SOCKET)?;
    fs::set_permissions(file::SOCKET, Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn save(record: &Record) -> io::Result<()> {
    let draft = "record.new";
    fs::write(draft, record.encode())?;
    fs::rename(draft, file::RECORD)
}

/// Takes back what this start has made; the lock is ours, so nobody else is in here.
fn clean(spec: &Spec) {
    let names = [
        file::SOCKET,
        file::RECORD,
        "record.new",
        file::INPUT,
        file::EXIT_RESERVE,
        file::LOCK,
    ];
    for name in names {
        let _absent = fs::remove_file(name);
    }
    let _absent = fs::remove_file(segments::path(Path::new(""), 0));
    let _not_empty = fs::remove_dir(&spec.dir);
    if let Some(leaf) = spec.cgroup.as_deref().map(Leaf::at) {
        for _ in 0..LEAVING {
            if !leaf.path().exists() || leaf.remove().is_ok() {
                return;
            }
            // The program is on its way out: its gate has been closed before it was opened.
            let _waited = poll(&mut [], PollTimeout::from(PAUSE_MS));
        }
    }
}

fn failure(code: StartCode, what: &str, error: &io::Error) -> StartFailure {
    StartFailure {
        code,
        errno: error.raw_os_error().unwrap_or(0),
        text: format!("{what}: {error}"),
    }
}

fn plain(code: StartCode, text: &str) -> StartFailure {
    StartFailure {
        code,
        errno: 0,
        text: text.to_owned(),
    }
}
