//! What this machine has: the keeper, bash, a private data directory, namespaces, cgroups.
//!
//! Never starts anything but `--version` of what it finds.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::super::child;
use super::Check;

/// Whether `callboard-keeper` stands beside this program, where the server looks for it.
pub fn keeper() -> Check {
    let name = "keeper";
    let mend = "install both programs of the build into one directory: callboard, callboard-keeper";
    let beside = std::env::current_exe()
        .ok()
        .and_then(|exe| Some(exe.parent()?.join("callboard-keeper")));
    match beside {
        Some(path) if executable(&path) => Check::ok(name, path.display().to_string()),
        Some(path) => Check::trouble(name, format!("{} is missing", path.display()), mend),
        None => Check::trouble(name, "this program's own place is not known", mend),
    }
}

/// Whether bash is there, for agents of the kind `shell`.
pub fn bash() -> Check {
    let mend = "install it (Debian: apt-get install bash); agents of kind `shell` need it";
    let Some(path) = in_path("bash") else {
        return Check::trouble("bash", "it is not in PATH", mend);
    };
    match child::output(&path, &["--version"]) {
        Ok(text) => {
            let first = text.lines().next().unwrap_or_default().to_owned();
            Check::ok("bash", format!("{}: {first}", path.display()))
        }
        Err(error) => Check::trouble("bash", format!("{}: {error}", path.display()), mend),
    }
}

/// Whether the data directory is this user's alone.
pub fn data_dir(dir: Option<&Path>) -> Check {
    let name = "data directory";
    let Some(dir) = dir else {
        return Check::trouble(name, "HOME is not set", "set HOME or CALLBOARD_DATA_DIR");
    };
    let shown = dir.display();
    let found = match fs::metadata(dir) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Check::warning(
                name,
                format!("{shown} does not exist yet"),
                "`callboard serve` makes it; name another with --data-dir",
            );
        }
        Err(error) => {
            return Check::warning(
                name,
                format!("{shown}: {error}"),
                "run this as the server's user",
            );
        }
    };
    let mode = found.permissions().mode() & 0o777;
    let me = nix::unistd::geteuid().as_raw();
    if !found.is_dir() {
        Check::trouble(name, format!("{shown} is no directory"), "name another one")
    } else if found.uid() != me {
        Check::warning(
            name,
            format!("{shown} belongs to the user {}", found.uid()),
            "run this as the server's user",
        )
    } else if mode & 0o077 != 0 {
        Check::trouble(
            name,
            format!("{shown} is open to others (mode {mode:03o})"),
            format!("chmod 700 {shown}"),
        )
    } else {
        Check::ok(name, format!("{shown}, mode {mode:03o}"))
    }
}

/// Whether processes can be put into namespaces of their own, so that what an agent starts ends
/// with it for sure.
pub fn user_namespaces() -> Check {
    let name = "namespaces";
    let less = "agents run without a namespace of their own; what detaches itself is found by other \
                means";
    if nix::unistd::geteuid().is_root() {
        return Check::ok(name, "root may make them");
    }
    let number = |path: &str| {
        fs::read_to_string(path)
            .ok()
            .and_then(|text| text.trim().parse::<u64>().ok())
    };
    if number("/proc/sys/user/max_user_namespaces") == Some(0) {
        return Check::warning(
            name,
            "user namespaces are switched off",
            format!("sysctl user.max_user_namespaces=15000; {less}"),
        );
    }
    if number("/proc/sys/kernel/unprivileged_userns_clone") == Some(0) {
        return Check::warning(
            name,
            "users may not make namespaces",
            format!("sysctl kernel.unprivileged_userns_clone=1; {less}"),
        );
    }
    if number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == Some(1) {
        return Check::warning(
            name,
            "AppArmor restricts user namespaces",
            format!("allow them for callboard-keeper in a profile; {less}"),
        );
    }
    if !Path::new("/proc/self/ns/user").exists() {
        return Check::warning(name, "this kernel has no user namespaces", less);
    }
    Check::ok(name, "users may make them")
}

/// Whether cgroup v2 is mounted.
pub fn cgroups() -> Check {
    let name = "cgroup v2";
    for root in ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] {
        let root = Path::new(root);
        if let Ok(controllers) = fs::read_to_string(root.join("cgroup.controllers")) {
            let controllers = controllers.trim();
            let shown = root.display();
            return if controllers.is_empty() {
                Check::ok(name, format!("{shown}, without controllers"))
            } else {
                Check::ok(name, format!("{shown}: {controllers}"))
            };
        }
    }
    Check::warning(
        name,
        "it is not mounted",
        "mount it (mount -t cgroup2 none /sys/fs/cgroup/unified): by its cgroup an agent is ended \
         whatever its processes do; until then they are found through the keeper",
    )
}

pub(super) fn in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(program))
        .find(|candidate| executable(candidate))
}

fn executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn an_open_data_directory_is_a_trouble_with_the_command_that_mends_it() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let check = data_dir(Some(dir.path()));
        assert_eq!(check.state, State::Trouble);
        assert!(check.mend.unwrap().starts_with("chmod 700 "));
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(data_dir(Some(dir.path())).state, State::Ok);
    }
}
