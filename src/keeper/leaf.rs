//! The cgroup of one incarnation's tree: killed as one, and asked whether anything of it lives.
//! Never used a second time, and never one that is not named for its incarnation; shared with the
//! keeper's binary.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The directory of a leaf (cgroups(7), version 2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf(PathBuf);

/// The name of an incarnation's leaf below the directory where leaves are made.
pub fn name(session: &str, incarnation: u64) -> String {
    format!("callboard-{session}-{incarnation}")
}

/// The name of the leaf of an exec: [`parse`] takes it for no incarnation's.
pub fn name_of_exec(id: &str) -> String {
    format!("callboard-exec-{id}-x")
}

/// What [`name`] was made of; `None` for any other.
pub fn parse(name: &str) -> Option<(&str, u64)> {
    let (session, incarnation) = name.strip_prefix("callboard-")?.rsplit_once('-')?;
    Some((session, incarnation.parse().ok()?))
}

impl Leaf {
    /// Makes it. One that is there already belongs to somebody else and is an error.
    pub fn make(path: &Path) -> io::Result<Self> {
        fs::create_dir(path)?;
        Ok(Self(path.to_owned()))
    }

    /// The one at this place, made or not.
    pub fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The leaf that a record names; `None` when the name is not that of its incarnation.
    pub fn of(path: &str, session: &str, incarnation: u64) -> Option<Self> {
        let path = Path::new(path);
        let own = path.is_absolute()
            && path
                .file_name()
                .is_some_and(|last| *last == *name(session, incarnation));
        own.then(|| Self::at(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Opens the file that takes processes in. Its rights are looked at now, not at the write.
    pub fn entrance(&self) -> io::Result<File> {
        OpenOptions::new()
            .write(true)
            .open(self.file("cgroup.procs"))
    }

    /// Writes one of its files, which must be there.
    pub fn set(&self, file: &str, value: &str) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).open(self.file(file))?;
        file.write_all(value.as_bytes())
    }

    /// Whether the machine's controllers give it this file.
    pub fn has(&self, file: &str) -> bool {
        self.file(file).exists()
    }

    /// Sends SIGKILL to everything in it and below it at one moment (Linux 5.14).
    pub fn kill(&self) -> io::Result<()> {
        self.set("cgroup.kill", "1")
    }

    /// Whether a living process is in it or below it. One that is gone holds nobody.
    pub fn populated(&self) -> bool {
        self.counter("cgroup.events", "populated") > 0
    }

    /// Whether the kernel has killed in it for lack of memory.
    pub fn oom(&self) -> bool {
        self.counter("memory.events", "oom_kill") > 0
    }

    /// The processes in it, without those of its own children.
    pub fn members(&self) -> Vec<u32> {
        let listed = fs::read_to_string(self.file("cgroup.procs")).unwrap_or_default();
        listed
            .lines()
            .filter_map(|line| line.parse().ok())
            .collect()
    }

    /// Removes it with the groups that its processes have made; refused while one of them lives.
    pub fn remove(&self) -> io::Result<()> {
        remove(&self.0)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn counter(&self, file: &str, key: &str) -> u64 {
        let text = fs::read_to_string(self.file(file)).unwrap_or_default();
        let lines = text.lines().filter_map(|line| line.split_once(' '));
        let mut values = lines.filter(|(name, _)| *name == key);
        values
            .next()
            .and_then(|(_, value)| value.parse().ok())
            .unwrap_or(0)
    }
}

fn remove(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove(&entry.path())?;
        }
    }
    fs::remove_dir(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_leaf_of_its_own_incarnation_is_taken_from_a_record() {
        let own = "/sys/fs/cgroup/x/callboard-ab-7";
        assert_eq!(Leaf::of(own, "ab", 7).unwrap().path(), Path::new(own));
        for (path, session, incarnation) in [
            (own, "ab", 8),
            (own, "a", 7),
            ("/sys/fs/cgroup", "ab", 7),
            ("callboard-ab-7", "ab", 7),
            ("/x/callboard-ab-7/..", "ab", 7),
        ] {
            assert_eq!(Leaf::of(path, session, incarnation), None, "{path}");
        }
        assert_eq!(parse(&name("a-b", 7)), Some(("a-b", 7)));
        assert_eq!(parse("callboard-probe-x"), None);
        assert_eq!(parse("user.slice"), None);
        assert_eq!(parse(&name_of_exec("0-1")), None);
    }

    #[test]
    fn events_are_read_and_a_missing_leaf_holds_nobody() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("leaf");
        let leaf = Leaf::make(&path).unwrap();
        assert!(Leaf::make(&path).is_err(), "never a second time");
        assert!(
            leaf.kill().is_err(),
            "no file is made where the kernel has none"
        );
        fs::write(path.join("cgroup.events"), "populated 1\nfrozen 0\n").unwrap();
        fs::write(path.join("memory.events"), "oom 1\noom_kill 2\n").unwrap();
        assert!(leaf.populated() && leaf.oom());
        fs::write(path.join("cgroup.events"), "populated 0\n").unwrap();
        fs::write(path.join("memory.events"), "oom 1\noom_kill 0\n").unwrap();
        assert!(!leaf.populated() && !leaf.oom());
        fs::remove_file(path.join("cgroup.events")).unwrap();
        fs::remove_file(path.join("memory.events")).unwrap();
        fs::create_dir_all(path.join("a/b")).unwrap();
        leaf.remove().unwrap();
        assert!(!path.exists() && !leaf.populated());
    }
}
