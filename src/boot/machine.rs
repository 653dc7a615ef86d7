//! What the machine has to give the server: descriptors, and the path of its own program.
//!
//! Never a limit above what the machine allows.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::error::BootError;

/// Raises the soft limit of open files to the hard one: each agent and each socket takes some.
pub fn raise_open_files() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        if soft < hard {
            setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
        }
        Ok(hard)
    });
    match raised {
        Ok(limit) => tracing::debug!(limit, "open files"),
        Err(error) => tracing::warn!(%error, "the limit of open files stays as it is"),
    }
}

/// A crash leaves no image of the memory, in which keys and secrets stand. Keepers and programs are
/// born with the same; who wants an image of a program can raise the limit in it again.
pub fn leave_no_core() {
    let left = getrlimit(Resource::RLIMIT_CORE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_CORE, 0, hard));
    if let Err(error) = left {
        tracing::warn!(%error, "a crash may leave an image of the memory");
    }
}

/// Keeps the memory of the server flat under sign-ins.
pub fn settle_heap() {
    if !crate::process::heap::give_back_large_blocks() {
        tracing::warn!("the heap keeps large blocks: memory may grow with sign-ins");
    }
}

/// The path of the running program: keepers start the built-in agents with it.
///
/// # Errors
/// When it is not known or not UTF-8.
pub fn own_program() -> Result<String, BootError> {
    let path = std::env::current_exe().map_err(BootError::fault)?;
    path.to_str().map(str::to_owned).ok_or_else(|| {
        BootError::Other(format!(
            "the path of this program is not UTF-8: {}",
            path.display()
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_leaves_no_image() {
        leave_no_core();
        let (soft, _hard) = getrlimit(Resource::RLIMIT_CORE).unwrap();
        assert_eq!(soft, 0);
    }
}
