//! The file of the log: a file behind stderr that was removed or renamed is made again under its name
//! within a second, and that of `callboard daemon start` is put aside when it is large.
//!
//! Never holds up anybody else: it is looked for by a thread of its own.

use std::fs::{File, Metadata, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::app::LogFile;
use crate::domain::server_lock::{SERVER_LOG, SERVER_LOG_BEFORE, SERVER_LOG_NEXT};

/// How often the file of the log is looked for.
const LOOK: Duration = Duration::from_secs(1);

/// How the file of the log is.
static STATE: Mutex<LogFile> = Mutex::new(LogFile::Kept);

/// How the file of the log is now.
pub fn state() -> LogFile {
    *STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn note(state: LogFile) {
    *STATE.lock().unwrap_or_else(PoisonError::into_inner) = state;
}

/// Watches the file behind stderr, if there is one, from a thread of its own: a disk that hangs holds
/// up nobody else. The log in this data directory is put aside beyond so many bytes; another file is
/// for whoever named it to keep in bounds.
pub fn keep_file(data_dir: &Path, most: u64) {
    let Some(path) = file_of_stderr() else {
        return;
    };
    let own = std::fs::canonicalize(data_dir).is_ok_and(|dir| path == dir.join(SERVER_LOG));
    let most = if own { most } else { u64::MAX };
    let watch = move || {
        let Ok(clock) = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
        else {
            return;
        };
        clock.block_on(async {
            let mut looks = tokio::time::interval(LOOK);
            loop {
                looks.tick().await;
                match keep(&path, most) {
                    Ok(Look::Remade) => note(LogFile::Remade(Instant::now())),
                    Ok(Look::Stuck) => note(LogFile::Large),
                    Ok(Look::Kept | Look::Turned) => match state() {
                        LogFile::Missing | LogFile::Large => note(LogFile::Kept),
                        LogFile::Kept | LogFile::Remade(_) => {}
                    },
                    Err(error) => {
                        tracing::debug!(%error, "the log's file cannot be made again");
                        note(LogFile::Missing);
                    }
                }
            }
        });
    };
    let started = std::thread::Builder::new()
        .name("log-file".to_owned())
        .spawn(watch);
    if let Err(error) = started {
        tracing::warn!(%error, "a log that is removed will not be made again");
    }
}

/// The path of stderr, when it is a plain file with a name.
fn file_of_stderr() -> Option<PathBuf> {
    let path = std::fs::read_link("/proc/self/fd/2").ok()?;
    let named = std::fs::metadata(&path).ok()?;
    let open = std::fs::metadata("/proc/self/fd/2").ok()?;
    (named.is_file() && same(&named, &open)).then_some(path)
}

fn same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// What had to be done.
enum Look {
    /// Nothing.
    Kept,
    /// It was too large: it is put aside.
    Turned,
    /// It is too large, and cannot be put aside.
    Stuck,
    /// It was gone.
    Remade,
}

/// Makes the file again when the name means nothing or another file, or the file is too large, and
/// writes there from now on.
fn keep(path: &Path, most: u64) -> std::io::Result<Look> {
    let open = std::fs::metadata("/proc/self/fd/2")?;
    let there = std::fs::metadata(path).is_ok_and(|named| same(&named, &open));
    if there && open.len() <= most {
        return Ok(Look::Kept);
    }
    if there {
        let turned = turn(path).and_then(|file| write_to(&file, &open));
        return Ok(match turned {
            Ok(()) => {
                tracing::info!(
                    "the log goes on in a new file: the old one was large and is put aside"
                );
                Look::Turned
            }
            Err(error) => {
                tracing::debug!(%error, "the log cannot be put aside");
                Look::Stuck
            }
        });
    }
    write_to(&plain(path)?, &open)?;
    tracing::info!("the log goes on in a new file: the old one was removed or renamed");
    Ok(Look::Remade)
}

/// A new file in the place of one that is put aside.
fn turn(path: &Path) -> std::io::Result<File> {
    let new = path.with_file_name(SERVER_LOG_NEXT);
    let file = plain(&new)?;
    std::fs::rename(path, path.with_file_name(SERVER_LOG_BEFORE))
        .and_then(|()| std::fs::rename(&new, path))
        .inspect_err(|_error| drop(std::fs::remove_file(&new)))?;
    Ok(file)
}

/// Opens a plain file to write at its end.
fn plain(path: &Path) -> std::io::Result<File> {
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        // Whoever may write in the directory shall not choose another file for it, nor a pipe that
        // nobody reads.
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(std::io::Error::other("there is something else than a file")),
    }
}

/// Writes there what went to the open file.
fn write_to(file: &File, open: &Metadata) -> std::io::Result<()> {
    // `daemon start` sends stdout to the same file.
    let out = std::fs::metadata("/proc/self/fd/1").is_ok_and(|out| same(&out, open));
    nix::unistd::dup2_stderr(file)?;
    if out {
        nix::unistd::dup2_stdout(file)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_log_is_put_aside_or_stays_as_it_is() {
        let place = tempfile::tempdir().unwrap();
        let log = place.path().join(SERVER_LOG);
        let names = || {
            let all = std::fs::read_dir(place.path()).unwrap();
            let mut all: Vec<_> = all.map(|one| one.unwrap().file_name()).collect();
            all.sort();
            all
        };
        std::fs::write(&log, "old").unwrap();
        let new = turn(&log).unwrap();
        assert_eq!(
            new.metadata().unwrap().ino(),
            std::fs::metadata(&log).unwrap().ino()
        );
        assert_eq!(names(), [SERVER_LOG, SERVER_LOG_BEFORE]);
        // Something that is no file stands in the way.
        std::fs::remove_file(place.path().join(SERVER_LOG_BEFORE)).unwrap();
        std::fs::create_dir(place.path().join(SERVER_LOG_BEFORE)).unwrap();
        std::fs::write(&log, "more").unwrap();
        assert!(turn(&log).is_err());
        assert_eq!(names(), [SERVER_LOG, SERVER_LOG_BEFORE]);
        assert_eq!(std::fs::read_to_string(&log).unwrap(), "more");
    }

    #[test]
    fn a_pipe_in_the_place_of_the_log_holds_up_nobody_and_is_not_taken() {
        let place = tempfile::tempdir().unwrap();
        let pipe = place.path().join(SERVER_LOG);
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(plain(&pipe).is_err(), "nobody reads");
        let reader = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(&pipe);
        assert!(plain(&pipe).is_err(), "somebody reads");
        drop(reader);
    }
}
