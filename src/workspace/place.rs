//! Directories of workspaces, and directories in them: below the roots, whatever links say.
//!
//! Never makes a directory whose place was not looked at before and behind.

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Component, Path, PathBuf};

use crate::domain::workspace::Trouble;

/// Where directories are made for workspaces that name none, below the first root.
const OWN: &str = "callboard/workspaces";

/// Why a directory is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It is outside, or may not be looked at.
    Denied,
    /// It is not there.
    Missing,
    /// It is something else.
    NotADirectory,
}

/// Where a directory that is asked for is, or would be made: without a link in its path. Relative
/// ones are below the first root.
///
/// # Errors
/// [`Refusal::Denied`], [`Refusal::NotADirectory`].
pub fn settle(roots: &[PathBuf], asked: &Path) -> Result<PathBuf, Refusal> {
    let climbs = asked.components().any(|part| part == Component::ParentDir);
    let first = roots.first().ok_or(Refusal::Denied)?;
    if climbs {
        return Err(Refusal::Denied);
    }
    let whole: PathBuf = first.join(asked).components().collect();
    let mut there = whole.as_path();
    let real = loop {
        match fs::canonicalize(there) {
            Ok(real) => break real,
            // A link that leads nowhere could lead anywhere tomorrow.
            Err(error) if error.kind() == ErrorKind::NotFound && !is_there(there) => {
                there = there.parent().ok_or(Refusal::Denied)?;
            }
            Err(error) if error.kind() == ErrorKind::NotADirectory => {
                return Err(Refusal::NotADirectory);
            }
            Err(_) => return Err(Refusal::Denied),
        }
    };
    if !below(roots, &real) {
        return Err(Refusal::Denied);
    }
    if !real.is_dir() {
        return Err(Refusal::NotADirectory);
    }
    let rest = whole.strip_prefix(there).unwrap_or(Path::new(""));
    Ok(real.join(rest).components().collect())
}

/// The place of a workspace that names none.
///
/// # Errors
/// As [`settle`].
pub fn own(roots: &[PathBuf], id: &str) -> Result<PathBuf, Refusal> {
    settle(roots, &Path::new(OWN).join(id))
}

/// Makes a directory that was settled, for the server's user alone; one that is there stays as it is.
///
/// # Errors
/// Why it cannot be used.
pub fn stand(path: &Path) -> Result<(), Trouble> {
    let failed = |error: &io::Error| Trouble::new("path_failed", error.to_string());
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| failed(&error))?;
    look(path)?;
    plain(path)
}

/// Whether no link is in a path: somebody may have put one there meanwhile.
///
/// # Errors
/// `path_denied`, `path_missing`.
pub fn plain(path: &Path) -> Result<(), Trouble> {
    match fs::canonicalize(path) {
        Ok(real) if real == path => Ok(()),
        Ok(_) => Err(Trouble::new("path_denied", "a link leads to another place")),
        Err(error) => Err(Trouble::new("path_missing", error.to_string())),
    }
}

/// Whether a workspace's directory is there.
///
/// # Errors
/// `path_missing`.
pub fn look(path: &Path) -> Result<(), Trouble> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(Trouble::new("path_missing", "it is no directory any more")),
        Err(error) => Err(Trouble::new("path_missing", error.to_string())),
    }
}

/// A directory in a workspace, without a link in its path; the workspace's own when none is named.
///
/// # Errors
/// See [`Refusal`].
pub fn inside(roots: &[PathBuf], base: &Path, asked: Option<&str>) -> Result<PathBuf, Refusal> {
    let real_base = real(base)?;
    if !below(roots, &real_base) {
        return Err(Refusal::Denied);
    }
    let Some(asked) = asked else {
        return directory(real_base);
    };
    let wanted = base.join(asked);
    if asked.contains('\0')
        || !(lexical(&wanted).starts_with(base) || lexical(&wanted).starts_with(&real_base))
    {
        return Err(Refusal::Denied);
    }
    let found = real(&wanted)?;
    if !found.starts_with(&real_base) {
        return Err(Refusal::Denied);
    }
    directory(found)
}

/// The place of the workspace that everybody has: the home, or the first root when that is not below
/// one.
#[must_use]
pub fn host(roots: &[PathBuf], home: &Path) -> PathBuf {
    match fs::canonicalize(home) {
        Ok(real) if below(roots, &real) => home.to_owned(),
        Ok(_) | Err(_) => roots.first().cloned().unwrap_or_else(|| home.to_owned()),
    }
}

fn directory(path: PathBuf) -> Result<PathBuf, Refusal> {
    path.is_dir().then_some(path).ok_or(Refusal::NotADirectory)
}

fn real(path: &Path) -> Result<PathBuf, Refusal> {
    fs::canonicalize(path).map_err(|error| {
        if error.kind() == ErrorKind::NotFound {
            Refusal::Missing
        } else if error.kind() == ErrorKind::NotADirectory {
            Refusal::NotADirectory
        } else {
            Refusal::Denied
        }
    })
}

fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

fn below(roots: &[PathBuf], real: &Path) -> bool {
    let mut roots = roots.iter().filter_map(|root| fs::canonicalize(root).ok());
    roots.any(|root| real.starts_with(root))
}

/// A path without its dots, as far as that can be said without looking.
fn lexical(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => plain.push(part),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn yard() -> (tempfile::TempDir, Vec<PathBuf>) {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("root/a/b")).unwrap();
        fs::create_dir(dir.path().join("out")).unwrap();
        symlink("../out", dir.path().join("root/link")).unwrap();
        symlink("nowhere", dir.path().join("root/lost")).unwrap();
        symlink("a", dir.path().join("root/own")).unwrap();
        fs::write(dir.path().join("root/file"), "").unwrap();
        let roots = vec![dir.path().join("root")];
        (dir, roots)
    }

    #[test]
    fn a_place_is_below_a_root_whatever_links_say() {
        let (dir, roots) = yard();
        let root = fs::canonicalize(&roots[0]).unwrap();
        let settled = |path: &str| settle(&roots, Path::new(path));
        assert_eq!(settled("new/deep"), Ok(root.join("new/deep")));
        assert_eq!(settled("own/new"), Ok(root.join("a/new")));
        assert_eq!(settled("a"), Ok(root.join("a")));
        let outside = dir.path().join("out/x").display().to_string();
        for denied in [
            "link",
            "link/x",
            "lost",
            "lost/x",
            "../out",
            "a/../../out",
            "/",
            &outside,
        ] {
            assert_eq!(settled(denied), Err(Refusal::Denied), "{denied}");
        }
        for file in ["file", "file/x"] {
            assert_eq!(settled(file), Err(Refusal::NotADirectory), "{file}");
        }
    }

    #[test]
    fn what_is_made_is_for_the_servers_user_alone() {
        let (_dir, roots) = yard();
        let path = own(&roots, "some-id").unwrap();
        stand(&path).unwrap();
        for made in path.ancestors().take(3) {
            let mode = fs::metadata(made).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "{}", made.display());
        }
        stand(&path).unwrap();
        fs::remove_dir(&path).unwrap();
        assert_eq!(look(&path).unwrap_err().code, "path_missing");
        // A link that came between the look and the making.
        symlink(&roots[0], &path).unwrap();
        assert_eq!(stand(&path).unwrap_err().code, "path_denied");
    }

    #[test]
    fn a_directory_in_a_workspace_stays_in_it() {
        let (dir, roots) = yard();
        let base = roots[0].join("a");
        let real = fs::canonicalize(&base).unwrap();
        let at = |asked: &str| inside(&roots, &base, Some(asked));
        assert_eq!(inside(&roots, &base, None), Ok(real.clone()));
        assert_eq!(at("b/../b/."), Ok(real.join("b")));
        assert_eq!(at(real.join("b").to_str().unwrap()), Ok(real.join("b")));
        symlink(dir.path().join("out"), base.join("away")).unwrap();
        for denied in ["..", "../a/../..", "/", "/etc", "away", "b/../../link"] {
            assert_eq!(at(denied), Err(Refusal::Denied), "{denied}");
        }
        assert_eq!(at("none"), Err(Refusal::Missing));
        fs::write(base.join("f"), "").unwrap();
        assert_eq!(at("f"), Err(Refusal::NotADirectory));
        let elsewhere = dir.path().join("out");
        assert_eq!(inside(&roots, &elsewhere, None), Err(Refusal::Denied));
    }
}
