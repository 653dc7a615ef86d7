//! Where `callboard-keeper` is; settled once, when the server starts.
//! Never searches the `PATH`: a keeper of another build may be there.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const NAME: &str = "callboard-keeper";

/// Environment variable that names the keeper's binary.
const VARIABLE: &str = "CALLBOARD_KEEPER";

/// The resolved binary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeeperBinary(PathBuf);

/// No keeper was found.
#[derive(Debug, thiserror::Error)]
#[error("no executable {NAME} found; looked at: {}", list(looked))]
pub struct BinaryError {
    /// Every place that was looked at, in order.
    pub looked: Vec<PathBuf>,
}

impl KeeperBinary {
    /// The given path, else the one in `CALLBOARD_KEEPER`, else the file beside the running program
    /// (and above it, because test programs lie one directory deeper than the binaries).
    pub fn resolve(explicit: Option<&Path>) -> Result<Self, BinaryError> {
        let named = explicit
            .map(Path::to_path_buf)
            .or_else(|| std::env::var_os(VARIABLE).map(PathBuf::from));
        let looked = match named {
            Some(path) => vec![path],
            None => neighbours(),
        };
        match looked.iter().find(|path| is_executable(path)) {
            Some(path) => Ok(Self(path.clone())),
            None => Err(BinaryError { looked }),
        }
    }

    /// The file, as it was named or found; executable when the server started.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

fn neighbours() -> Vec<PathBuf> {
    let Ok(program) = std::env::current_exe() else {
        return Vec::new();
    };
    program
        .ancestors()
        .skip(1)
        .take(2)
        .map(|dir| dir.join(NAME))
        .collect()
}

fn is_executable(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

fn list(paths: &[PathBuf]) -> String {
    let shown: Vec<String> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    shown.join(", ")
}
