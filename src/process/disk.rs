//! The room on a file system.
//!
//! Never counts the blocks that are set aside for root: the server is to work as anybody.

use std::io;
use std::path::Path;

use nix::sys::statvfs::statvfs;

use crate::domain::Space;

/// The room on the file system of this path.
///
/// # Errors
/// When the path is not there.
pub fn space(path: &Path) -> io::Result<Space> {
    let found = statvfs(path)?;
    let unit = found.fragment_size();
    Ok(Space {
        free: found.blocks_available().saturating_mul(unit),
        total: found.blocks().saturating_mul(unit),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_has_a_size_and_not_more_free_than_that() {
        let space = space(&std::env::temp_dir()).unwrap();
        assert!(space.total > 0 && space.free <= space.total, "{space:?}");
        assert!(super::space(Path::new("/nowhere/at/all")).is_err());
    }
}
