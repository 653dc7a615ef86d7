//! The counters of the machine: processors, load, memory, networks, the disk of one directory.
//!
//! Never an invented figure: what the system does not tell, or tells in another form, is absent.

use std::fs;
use std::path::Path;

use super::{census, disk};
use crate::domain::machine::{Load, Memory, Processors, Reading, Ticks, Traffic};

/// Looks at the machine, and at the disk of this directory.
#[must_use]
pub fn look(directory: &Path) -> Reading {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    Reading {
        processors: processors(&read("/proc/stat")),
        load: load(&read("/proc/loadavg")),
        memory: memory(&read("/proc/meminfo")),
        server: Some(census::own().resident).filter(|bytes| *bytes > 0),
        disk: disk::space(directory).ok(),
        traffic: traffic(&read("/proc/net/dev")),
    }
}

/// `/proc/stat`: a line of all processors, then one of each.
fn processors(text: &str) -> Option<Processors> {
    let mut lines = text.lines().filter(|line| line.starts_with("cpu"));
    let whole = ticks(lines.next()?.strip_prefix("cpu ")?)?;
    let cores = lines.map(|line| ticks(line.split_once(' ')?.1));
    Some(Processors {
        whole,
        cores: cores.collect::<Option<_>>()?,
    })
}

/// Time as user, nice, system, idle, waiting for the disk, and more. The time of guests, which comes
/// last, is in that of user and nice already.
fn ticks(numbers: &str) -> Option<Ticks> {
    let each = numbers.split_whitespace().map(|number| number.parse().ok());
    let each: Vec<u64> = each.take(8).collect::<Option<_>>()?;
    let all = each.iter().fold(0_u64, |all, one| all.saturating_add(*one));
    let idle = each
        .get(3)?
        .saturating_add(each.get(4).copied().unwrap_or(0));
    Some(Ticks {
        busy: all.saturating_sub(idle),
        all,
    })
}

fn load(text: &str) -> Option<Load> {
    let mut numbers = text.split(' ').map(|number| number.parse().ok());
    let mut next = || numbers.next().flatten();
    Some(Load {
        one: next()?,
        five: next()?,
        fifteen: next()?,
    })
}

/// What can be had without pushing anything out (`MemAvailable`) is not used.
fn memory(text: &str) -> Option<Memory> {
    let bytes = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        let kib: u64 = line.strip_suffix("kB")?.trim().parse().ok()?;
        kib.checked_mul(1_024)
    };
    let total = bytes("MemTotal:")?;
    Some(Memory {
        used: total.checked_sub(bytes("MemAvailable:")?)?,
        total,
    })
}

/// `/proc/net/dev`: two lines of titles, then a line of each interface.
fn traffic(text: &str) -> Option<Traffic> {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let mut found = None;
    for (name, numbers) in lines {
        let mut numbers = numbers.split_whitespace().map(|number| number.parse().ok());
        let received: u64 = numbers.next().flatten()?;
        let sent: u64 = numbers.nth(7).flatten()?;
        let sum: &mut Traffic = found.get_or_insert_default();
        if name.trim() != "lo" {
            sum.received = sum.received.saturating_add(received);
            sum.sent = sum.sent.saturating_add(sent);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_read_together_and_each() {
        let text =
            "cpu  10 1 4 80 5 0 1 2 9 9\ncpu0 5 0 2 40 0 0 0 0 0 0\ncpu1 5 1 2 40 5\nintr 9\n";
        let found = processors(text).unwrap();
        assert_eq!(found.whole, Ticks { busy: 18, all: 103 });
        assert_eq!(found.cores.len(), 2);
        assert_eq!(found.cores[1], Ticks { busy: 8, all: 53 });
        for odd in ["", "cpu  a b c d e\n", "cpu  1 2\n", "intr 5\n"] {
            assert_eq!(processors(odd), None, "{odd}");
        }
    }

    #[test]
    fn load_and_memory_are_read() {
        let found = load("0.50 1.25 2.00 3/456 789\n").unwrap();
        assert_eq!((found.one, found.five, found.fifteen), (0.5, 1.25, 2.0));
        assert_eq!((load(""), load("0.5 x 1")), (None, None));
        let text = "MemTotal:       1000 kB\nMemFree:  1 kB\nMemAvailable:    400 kB\n";
        let found = memory(text).unwrap();
        assert_eq!((found.used, found.total), (600 * 1_024, 1_000 * 1_024));
        assert_eq!(memory("MemTotal: 1000 kB\n"), None);
        assert_eq!(memory("MemTotal: 1 kB\nMemAvailable: 2 kB\n"), None);
    }

    #[test]
    fn networks_are_summed_without_the_loopback() {
        let text = "Inter-|   Receive  |  Transmit\n face |bytes    packets\n\
                    lo: 900 1 0 0 0 0 0 0 900 1 0 0 0 0 0 0\n\
                    eth0: 100 1 0 0 0 0 0 0 30 1 0 0 0 0 0 0\n\
                    wlan0:20 1 0 0 0 0 0 0 5 1 0 0 0 0 0 0\n";
        let found = traffic(text).unwrap();
        assert_eq!((found.received, found.sent), (120, 35));
        let alone = traffic("lo: 900 1 0 0 0 0 0 0 900 1 0\n").unwrap();
        assert_eq!(alone, Traffic::default());
        assert_eq!((traffic(""), traffic("eth0: x")), (None, None));
    }

    #[test]
    fn this_machine_tells_what_linux_tells() {
        let found = look(&std::env::temp_dir());
        let processors = found.processors.unwrap();
        assert!(processors.whole.all > 0 && !processors.cores.is_empty());
        assert!(found.memory.unwrap().total > 0 && found.load.is_some());
        assert!(found.server.is_some() && found.disk.is_some() && found.traffic.is_some());
    }
}
