//! The room on a disk.
//!
//! Never a path: which disk it is stays with who looked.

/// Free and total bytes of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Free for anybody.
    pub free: u64,
    /// In all.
    pub total: u64,
}
