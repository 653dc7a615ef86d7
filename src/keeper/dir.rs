//! The directory of one incarnation: what it says about a keeper, alive or dead.
//! Never concludes from a process number alone.

#![expect(
    unsafe_code,
    reason = "pidfds and open-file-description locks have no safe wrapper in nix"
)]

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, fcntl};

use super::logreader::LogReader;
use super::wire::frame::InputState;
use super::wire::record::{ExitRecord, Record};
use super::wire::{file, identity, input};

/// `<root>/<session>/<incarnation>`. All calls are short but block on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dir(PathBuf);

impl Dir {
    /// `session` is the session's UUID; one path component.
    pub fn new(root: &Path, session: impl std::fmt::Display, incarnation: u64) -> Self {
        Self(root.join(session.to_string()).join(incarnation.to_string()))
    }

    /// Every incarnation below a root, as (session, incarnation, directory); what recovery goes through.
    pub fn all(root: &Path) -> io::Result<Vec<(String, u64, Self)>> {
        let mut found = Vec::new();
        let sessions = match fs::read_dir(root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
            other => other?,
        };
        for session in sessions {
            let session = session?;
            let Some(name) = session.file_name().to_str().map(str::to_owned) else {
                continue;
            };
            if !session.file_type()?.is_dir() {
                continue;
            }
            for incarnation in fs::read_dir(session.path())? {
                let incarnation = incarnation?;
                let number = incarnation
                    .file_name()
                    .to_str()
                    .and_then(|n| n.parse().ok());
                if let Some(number) = number {
                    found.push((name.clone(), number, Self(incarnation.path())));
                }
            }
        }
        Ok(found)
    }

    /// The directory itself; absent until a keeper makes it.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Who runs or ran here; `None` before a start, and when the file is damaged.
    pub fn record(&self) -> Option<Record> {
        Record::decode(&self.read(file::RECORD)?)
    }

    /// Whether what a record tells of belongs to this directory. In a copy of a data directory it
    /// belongs to the original, where it may live.
    pub fn owns(&self, record: &Record) -> bool {
        match (&record.home, identity::place(&self.0)) {
            (Some(home), Ok(own)) => *home == own,
            (Some(_), Err(_)) => false,
            (None, own) => !lives_elsewhere(record, own.ok().as_deref()),
        }
    }

    /// How the program ended, as far as it is on disk.
    pub fn exit(&self) -> Option<ExitRecord> {
        ExitRecord::decode(&self.read(file::EXIT)?)
    }

    /// A keeper lives here. Decided by its lock, which the kernel releases with its death; the lock is
    /// tested without being taken, so a start at the same moment is not disturbed.
    pub fn alive(&self) -> bool {
        let Ok(lock) = File::open(self.0.join(file::LOCK)) else {
            return false;
        };
        // SAFETY: an all-zero flock is a valid value: the whole file from its start.
        let mut range: libc::flock = unsafe { std::mem::zeroed() };
        range.l_type = i16::try_from(libc::F_WRLCK).unwrap_or_default();
        match fcntl(&lock, FcntlArg::F_OFD_GETLK(&mut range)) {
            Ok(_) => i32::from(range.l_type) != libc::F_UNLCK,
            Err(_) => false,
        }
    }

    /// What the input record says. `Unknown`: it cannot be read, or it is from before a restart of the
    /// machine, whose end of the file may be lost.
    pub fn input_state(&self, id: &[u8]) -> InputState {
        let Ok(bytes) = fs::read(self.0.join(file::INPUT)) else {
            return InputState::Unknown;
        };
        let this_boot = self
            .record()
            .map(|record| Some(record.boot_id) == identity::boot_id());
        match input::state_of(&bytes, id) {
            InputState::Written => InputState::Written,
            other if this_boot == Some(true) => other,
            InputState::None | InputState::Accepted | InputState::Unknown => InputState::Unknown,
        }
    }

    /// The output log, of a living keeper too.
    pub fn log(&self) -> LogReader {
        LogReader::new(self.0.clone())
    }

    /// The keeper's number and start time: from the record, or from the lock before there is one.
    pub fn keeper(&self) -> Option<(u32, u64)> {
        if let Some(record) = self.record() {
            return Some((record.keeper_pid, record.keeper_start_ticks));
        }
        let line = self.read(file::LOCK)?;
        let (pid, ticks) = line.trim().split_once(' ')?;
        Some((pid.parse().ok()?, ticks.parse().ok()?))
    }

    /// Writes an exit record where none is; uses the space that the keeper set aside, so that it works
    /// on a full disk. `Ok(false)`: there was one.
    pub fn write_exit(&self, record: &ExitRecord) -> io::Result<bool> {
        if self.exit().is_some() {
            return Ok(false);
        }
        let draft = self.0.join(file::EXIT_RESERVE);
        let open = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&draft)?;
        let text = record.encode();
        open.write_all_at(text.as_bytes(), 0)?;
        open.set_len(u64::try_from(text.len()).unwrap_or(0))?;
        open.sync_data()?;
        fs::rename(draft, self.0.join(file::EXIT))?;
        File::open(&self.0)?.sync_all()?;
        Ok(true)
    }

    /// Deletes everything of this incarnation. Refused while its keeper lives.
    pub fn remove(&self) -> io::Result<()> {
        if self.alive() {
            return Err(io::Error::new(
                io::ErrorKind::ResourceBusy,
                "a keeper lives in this directory",
            ));
        }
        match fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        if let Some(session) = self.0.parent() {
            // Stays when another incarnation is in it.
            let _kept = fs::remove_dir(session);
        }
        Ok(())
    }

    fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.0.join(name)).ok()
    }
}

/// Whether the keeper lives in another directory than this; for keepers that did not note theirs.
fn lives_elsewhere(record: &Record, own: Option<&str>) -> bool {
    if !identity::lives(record.keeper_pid, record.keeper_start_ticks) {
        return false;
    }
    match identity::place(Path::new(&format!("/proc/{}/cwd", record.keeper_pid))) {
        Ok(place) => own != Some(&place),
        // It has just died; one that may not be looked at is not touched.
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}
