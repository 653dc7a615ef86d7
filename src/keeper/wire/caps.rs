//! What the processes of a tree may use, as the start frame carries it.
//! Never a limit of the keeper itself.

use super::bytes::{Malformed, Put, Take};

/// Limits of a tree or of each of its processes; `None`: as the server's own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Caps {
    /// Bytes of memory: of the tree by its cgroup, or of each process.
    pub memory: Option<u64>,
    /// Processes and threads: of the tree by its cgroup, or of the user.
    pub processes: Option<u64>,
    /// Open files of each process.
    pub open_files: Option<u64>,
    /// Seconds of processor time of each process.
    pub cpu_time_s: Option<u64>,
    /// Bytes of a file that a process writes.
    pub file_size: Option<u64>,
}

impl Caps {
    /// Whether any is set.
    pub fn any(&self) -> bool {
        *self != Self::default()
    }

    /// Appends them; the largest number stands for none.
    pub fn put(self, body: Put) -> Put {
        self.fields()
            .into_iter()
            .fold(body, |body, field| body.u64(field.unwrap_or(u64::MAX)))
    }

    /// Takes them; nothing at all is what servers of earlier days sent.
    pub fn take(body: &mut Take<'_>) -> Result<Self, Malformed> {
        if body.0.is_empty() {
            return Ok(Self::default());
        }
        let mut field = || -> Result<Option<u64>, Malformed> {
            Ok(Some(body.u64()?).filter(|value| *value != u64::MAX))
        };
        Ok(Self {
            memory: field()?,
            processes: field()?,
            open_files: field()?,
            cpu_time_s: field()?,
            file_size: field()?,
        })
    }

    fn fields(self) -> [Option<u64>; 5] {
        [
            self.memory,
            self.processes,
            self.open_files,
            self.cpu_time_s,
            self.file_size,
        ]
    }
}
