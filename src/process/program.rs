//! Where a program is, and what it says its version is.
//!
//! Never waits for one longer than it is told to, and leaves nothing of it behind.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// Most bytes of an answer that are read.
const MOST: usize = 4 * 1024;

/// The file that a program's name means in a search path (`PATH`), with what is known of it. A
/// name with a slash is a path itself.
#[must_use]
pub fn find(name: &str, path: &str) -> Option<(PathBuf, Metadata)> {
    let candidates: Vec<PathBuf> = if name.contains('/') {
        vec![PathBuf::from(name)]
    } else {
        std::env::split_paths(path)
            .map(|dir| dir.join(name))
            .collect()
    };
    candidates.into_iter().find_map(|candidate| {
        let found = std::fs::metadata(&candidate).ok()?;
        let runs = found.is_file() && found.permissions().mode() & 0o111 != 0;
        runs.then_some((candidate, found))
    })
}

/// What `PROGRAM --version` prints within `limit`, in this environment alone. Blocking.
///
/// # Errors
/// A text, when it cannot be started.
pub fn version(
    program: &Path,
    env: &BTreeMap<String, String>,
    limit: Duration,
) -> Result<String, String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a question to a tool, which ends within the limit; it is no agent"
    )]
    let mut command = Command::new(program);
    let mut child = command
        .arg("--version")
        .env_clear()
        .envs(env)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        // A group of its own, so that what it starts ends with it.
        .process_group(0)
        .spawn()
        .map_err(|error| error.to_string())?;
    let said = child.stdout.take().map(|out| read(out, limit));
    end(&mut child);
    Ok(String::from_utf8_lossy(&said.unwrap_or_default()).into_owned())
}

/// What comes until the end of the stream, the bound or the limit.
fn read(mut out: ChildStdout, limit: Duration) -> Vec<u8> {
    let until = now() + limit;
    let mut said = Vec::new();
    let mut piece = [0; 1024];
    while said.len() < MOST {
        let left = until.saturating_duration_since(now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
        let mut fds = [PollFd::new(out.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, timeout) {
            Ok(1..) => {}
            Err(nix::errno::Errno::EINTR) => continue,
            Ok(_) | Err(_) => break,
        }
        match out.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(count) => said.extend_from_slice(piece.get(..count).unwrap_or_default()),
        }
    }
    said
}

/// It has said what it had to say, or is late.
fn end(child: &mut Child) {
    if let Ok(pid) = i32::try_from(child.id()) {
        // It may be gone already; its number is its own until it was waited for.
        let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
    }
    drop(child.wait());
}

#[expect(
    clippy::disallowed_methods,
    reason = "the end of a helper process is a matter of real time"
)]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(dir: &Path, text: &str) -> PathBuf {
        let file = dir.join("tool");
        std::fs::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        file
    }

    #[test]
    fn a_program_is_found_and_asked_in_the_given_environment_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = script(dir.path(), "echo \"$1 $A ${HOME:-homeless}\"");
        let path = format!("/nowhere:{}", dir.path().display());
        let (found, _) = find("tool", &path).unwrap();
        assert_eq!(found, file);
        assert!(find("tool", "/nowhere").is_none());
        let env = BTreeMap::from([("A".to_owned(), "7".to_owned())]);
        let said = version(&found, &env, Duration::from_secs(20)).unwrap();
        assert_eq!(said, "--version 7 homeless\n");
    }

    #[test]
    fn one_that_hangs_is_ended_with_what_it_started() {
        let dir = tempfile::tempdir().unwrap();
        let file = script(dir.path(), "echo 1.2; sleep 600 & echo $!; sleep 600");
        let env = BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]);
        let began = now();
        let said = version(&file, &env, Duration::from_secs(2)).unwrap();
        assert!(now() - began < Duration::from_secs(60));
        let child: i32 = said.lines().nth(1).unwrap().parse().unwrap();
        // Its parent is gone, and a zombie counts as gone. The signal takes its time to arrive.
        let stat = || std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        let gone = |stat: String| stat.is_empty() || stat.contains(") Z ");
        while !gone(stat()) {
            assert!(now() - began < Duration::from_secs(60), "{}", stat());
            std::thread::yield_now();
        }
    }
}
