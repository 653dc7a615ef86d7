//! Whether agents survive a restart of the server here, where no server answers that says it.
//!
//! Never asks the server: it looks at the process that listens, or at this one in its place.

use std::fs;
use std::path::Path;

use super::super::child;
use super::Check;
use crate::domain::survival::{self, Place, Survival};

/// The name of this check.
pub const NAME: &str = "agents survive";

/// Looks, and says how to mend it.
pub fn survival() -> Check {
    let server = server_pid();
    let pid = server.unwrap_or_else(std::process::id);
    let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
    let mut place = Place::read(&read("cgroup"), &read("status"));
    // The client itself may well be the first process of a container.
    place.first &= server.is_some();
    let who = match server {
        Some(pid) => format!("the server (pid {pid})"),
        None => String::from("a server started from here"),
    };
    let kill_mode = place.unit.as_deref().and_then(kill_mode);
    check(&who, &place, kill_mode.as_deref())
}

fn check(who: &str, place: &Place, kill_mode: Option<&str>) -> Check {
    let verdict = place.judge(kill_mode);
    let unit = place.unit.as_deref().unwrap_or("no unit");
    let mode = kill_mode.unwrap_or_default();
    let found = match verdict {
        Survival::Yes if place.unit.is_some() => {
            format!("{who} is in {unit}, which leaves them alone")
        }
        Survival::Yes => format!("nothing ends them with {who}"),
        Survival::Container => {
            format!("{who} is process 1 of a container, whose end ends the agents")
        }
        Survival::Unit => {
            format!("{who} is in {unit} with KillMode={mode}, which ends them with it")
        }
        Survival::Unknown => {
            format!("{who} is in {unit}, and systemctl does not tell its KillMode")
        }
    };
    match verdict.mend() {
        None => Check::ok(NAME, found),
        Some(mend) => Check::warning(NAME, found, mend),
    }
}

/// The pid of a running `callboard serve` of this user.
fn server_pid() -> Option<u32> {
    let me = nix::unistd::geteuid().as_raw();
    fs::read_dir("/proc")
        .ok()?
        .filter_map(Result::ok)
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .find(|pid| {
            let dir = format!("/proc/{pid}");
            owner(Path::new(&dir)) == Some(me) && is_server(&fs::read(format!("{dir}/cmdline")))
        })
}

fn is_server(cmdline: &std::io::Result<Vec<u8>>) -> bool {
    let Ok(cmdline) = cmdline else {
        return false;
    };
    let mut words = cmdline.split(|byte| *byte == 0);
    let program = words.next().unwrap_or_default();
    program
        .rsplit(|byte| *byte == b'/')
        .next()
        .is_some_and(|name| name == b"callboard")
        && words.any(|word| word == b"serve")
}

fn owner(path: &Path) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).ok().map(|found| found.uid())
}

fn kill_mode(unit: &str) -> Option<String> {
    ["--system", "--user"].into_iter().find_map(|scope| {
        let words = [scope, "show", "-p", "LoadState", "-p", "KillMode", unit];
        let shown = child::output(Path::new("systemctl"), &words).ok()?;
        survival::kill_mode(&shown).map(str::to_owned)
    })
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn each_place_has_its_words() {
        let unit = Place::read("0::/system.slice/cb.service\n", "");
        assert_eq!(check("it", &unit, Some("process")).state, State::Ok);
        let killed = check("it", &unit, Some("control-group"));
        assert_eq!(killed.state, State::Warning);
        assert!(killed.found.contains("KillMode=control-group"));
        assert!(killed.mend.unwrap().contains("KillMode=process"));
        assert_eq!(check("it", &unit, None).state, State::Warning);
        let free = Place::read("0::/user.slice\n", "");
        assert_eq!(check("it", &free, None).state, State::Ok);
    }

    #[test]
    fn a_server_is_known_by_its_command_line() {
        let line = |text: &str| Ok(text.replace(' ', "\0").into_bytes());
        assert!(is_server(&line("/usr/bin/callboard serve --bind x")));
        assert!(!is_server(&line("/usr/bin/callboard ps")));
        assert!(!is_server(&line("vi callboard serve")));
    }
}
