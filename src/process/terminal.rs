//! The terminal watch: whether an interactive bash that runs a turn has lost its prompt.
//!
//! Never keeps time: the caller samples each [`EVERY`], and the verdict counts samples.
//!
//! A turn of the `shell` agent ends with a mark that bash prints before its next prompt. After
//! `exec sh` or `unset PROMPT_COMMAND` that mark never comes. Signs of that, from /proc (proc(5)):
//! the pid runs another program, or bash itself holds the terminal's foreground and sleeps in a
//! read or poll, as it does at a prompt, for 2 s (decisions.md 8). What does not look like that:
//! a loop (CPU time advances), a foreground job (another group holds the terminal), `wait`,
//! `$(...)` and pipes (the kernel function that it sleeps in is another one). A `read` from the
//! terminal by the shell itself cannot be told from a prompt and counts as one.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

/// How often the watch wants to be sampled while a turn runs.
pub const EVERY: Duration = Duration::from_millis(500);

/// Equal samples in a row that make a loss: 2 s at one each [`EVERY`].
const HELD: usize = 5;

/// Kernel functions in which a process sleeps that waits for terminal input: a read of a tty
/// (`wait_woken`, older kernels `n_tty_read`) or a select or poll on it, as readline does.
const TERMINAL_WAITS: [&str; 7] = [
    "wait_woken",
    "n_tty_read",
    "tty_read",
    "poll_schedule_timeout",
    "do_select",
    "do_poll",
    "do_sys_poll",
];

/// One look at the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sample {
    /// No process with this pid and start time lives.
    Gone,
    /// It lives.
    Alive(Facts),
}

/// What /proc says of a living process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Its state letter: `R`, `S`, `D`, `T` ...
    pub state: char,
    /// Its process group.
    pub pgrp: i32,
    /// The process group that holds its terminal's foreground; -1 without a terminal.
    pub tpgid: i32,
    /// User and system time that it used, in clock ticks.
    pub ticks: u64,
    /// Whether it runs another program file than at the first sample.
    pub replaced: bool,
    /// The kernel function in which it sleeps; absent when the kernel does not say.
    pub wait: Option<String>,
    /// Whether it has a child that lives; only asked when `wait` is absent.
    pub children: bool,
}

/// What the samples say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The turn may still end by itself.
    Fine,
    /// The prompt is lost: the end mark cannot come any more.
    Lost,
    /// The process is gone; its exit record tells the rest.
    Gone,
}

/// The watch over one process. Make it when the program is ready, so that the first sample knows
/// the right program file.
#[derive(Debug)]
pub struct Watch {
    pid: i32,
    known: Option<ProgramFile>,
    first: Option<Identity>,
    recent: VecDeque<Sample>,
}

/// The file that a process runs: device and inode.
pub type ProgramFile = (u64, u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    start: u64,
    program: Option<ProgramFile>,
}

impl Watch {
    /// A watch over the process with this host pid.
    #[must_use]
    pub fn new(pid: i32) -> Self {
        Self {
            pid,
            known: None,
            first: None,
            recent: VecDeque::new(),
        }
    }

    /// One that goes on where another ended: which file the program ran is known from that.
    #[must_use]
    pub fn knowing(mut self, program: Option<ProgramFile>) -> Self {
        self.known = program;
        self
    }

    /// The file that the program ran at first, once it was looked at.
    #[must_use]
    pub fn program(&self) -> Option<ProgramFile> {
        self.first.and_then(|first| first.program)
    }

    /// Looks once, and remembers it for [`Watch::verdict`].
    ///
    /// # Errors
    /// When /proc cannot be read for another reason than the end of the process.
    pub fn sample(&mut self) -> io::Result<Sample> {
        let sample = self.look()?;
        self.recent.push_back(sample.clone());
        while self.recent.len() > HELD {
            self.recent.pop_front();
        }
        Ok(sample)
    }

    /// Whether the process ran another program file at the last sample than at the first.
    #[must_use]
    pub fn replaced(&self) -> bool {
        matches!(self.recent.back(), Some(Sample::Alive(facts)) if facts.replaced)
    }

    /// Whether the process itself holds its terminal's foreground, so that what is typed reaches it
    /// and no program that it runs. `None`: that cannot be told.
    #[must_use]
    pub fn holds_terminal(&self) -> Option<bool> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok()?;
        let stat = Stat::parse(&stat)?;
        (stat.tpgid > 0).then_some(stat.tpgid == stat.pgrp)
    }

    /// What the last samples say.
    #[must_use]
    pub fn verdict(&mut self) -> Verdict {
        verdict(self.recent.make_contiguous())
    }

    /// Forgets the samples: another turn begins.
    pub fn restart(&mut self) {
        self.recent.clear();
    }

    fn look(&mut self) -> io::Result<Sample> {
        let stat = match fs::read_to_string(format!("/proc/{}/stat", self.pid)) {
            Ok(stat) => stat,
            Err(error) if vanished(&error) => return Ok(Sample::Gone),
            Err(error) => return Err(error),
        };
        let Some(stat) = Stat::parse(&stat) else {
            return Err(io::Error::other("/proc/PID/stat has an unknown shape"));
        };
        let program = fs::metadata(format!("/proc/{}/exe", self.pid))
            .map(|meta| (meta.dev(), meta.ino()))
            .ok();
        let start = stat.start;
        let first = *self.first.get_or_insert(Identity {
            start,
            program: self.known.or(program),
        });
        if first.start != start || matches!(stat.state, 'Z' | 'X') {
            return Ok(Sample::Gone);
        }
        let wait = self.waits_in();
        Ok(Sample::Alive(Facts {
            state: stat.state,
            pgrp: stat.pgrp,
            tpgid: stat.tpgid,
            ticks: stat.ticks,
            replaced: program.is_some() && first.program.is_some() && program != first.program,
            children: wait.is_none() && self.has_children(),
            wait,
        }))
    }

    /// /proc/PID/wchan: `0` or nothing when the process runs or the kernel hides it.
    fn waits_in(&self) -> Option<String> {
        let name = fs::read_to_string(format!("/proc/{}/wchan", self.pid)).ok()?;
        let name = name.trim();
        (!name.is_empty() && name != "0").then(|| name.to_owned())
    }

    fn has_children(&self) -> bool {
        let path = format!("/proc/{0}/task/{0}/children", self.pid);
        // Unreadable: assume that it waits for one, rather than end a good turn.
        fs::read_to_string(path).map_or(true, |list| !list.trim().is_empty())
    }
}

/// The rule, over the last samples in their order.
#[must_use]
pub fn verdict(samples: &[Sample]) -> Verdict {
    let Some(Sample::Alive(last)) = samples.last() else {
        return if samples.is_empty() {
            Verdict::Fine
        } else {
            Verdict::Gone
        };
    };
    if last.replaced {
        return Verdict::Lost;
    }
    let held = samples
        .iter()
        .rev()
        .take_while(|sample| matches!(sample, Sample::Alive(facts) if at_prompt(facts, last)))
        .count();
    if held >= HELD {
        Verdict::Lost
    } else {
        Verdict::Fine
    }
}

fn at_prompt(facts: &Facts, last: &Facts) -> bool {
    facts.state == 'S'
        && facts.tpgid == facts.pgrp
        && facts.ticks == last.ticks
        && match &facts.wait {
            Some(wait) => {
                // The compiler adds suffixes such as `.constprop.0`.
                let name = wait.split('.').next().unwrap_or(wait);
                TERMINAL_WAITS.contains(&name)
            }
            None => !facts.children,
        }
}

fn vanished(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(nix::libc::ESRCH)
}

/// The fields of /proc/PID/stat that count here (proc_pid_stat(5)).
struct Stat {
    state: char,
    pgrp: i32,
    tpgid: i32,
    ticks: u64,
    start: u64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // The program's name stands in parentheses and may hold anything.
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
        let signed = |at: usize| fields.get(at)?.parse::<i32>().ok();
        Some(Self {
            state: fields.first()?.chars().next()?,
            pgrp: signed(2)?,
            tpgid: signed(5)?,
            ticks: number(11)?.saturating_add(number(12)?),
            start: number(19)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompt() -> Facts {
        Facts {
            state: 'S',
            pgrp: 7,
            tpgid: 7,
            ticks: 3,
            replaced: false,
            wait: Some("poll_schedule_timeout.constprop.0".into()),
            children: false,
        }
    }

    fn held(facts: &Facts, count: usize) -> Verdict {
        verdict(&vec![Sample::Alive(facts.clone()); count])
    }

    fn with(change: impl FnOnce(&mut Facts)) -> Facts {
        let mut facts = prompt();
        change(&mut facts);
        facts
    }

    #[test]
    fn two_seconds_at_a_prompt_are_a_loss() {
        assert_eq!(held(&prompt(), HELD - 1), Verdict::Fine);
        assert_eq!(held(&prompt(), HELD), Verdict::Lost);
        let reads = with(|facts| facts.wait = Some("wait_woken".into()));
        assert_eq!(held(&reads, HELD), Verdict::Lost);
    }

    #[test]
    fn an_interruption_starts_the_count_again() {
        let mut samples = vec![Sample::Alive(prompt()); HELD];
        samples[1] = Sample::Alive(with(|facts| facts.tpgid = 9));
        assert_eq!(verdict(&samples), Verdict::Fine);
        let mut samples = vec![Sample::Alive(prompt()); HELD];
        samples[0] = Sample::Alive(with(|facts| facts.ticks = 2));
        assert_eq!(verdict(&samples), Verdict::Fine);
    }

    #[test]
    fn work_is_no_loss() {
        for (what, facts) in [
            ("a loop", with(|facts| facts.state = 'R')),
            ("a foreground job", with(|facts| facts.tpgid = 9)),
            ("wait", with(|facts| facts.wait = Some("do_wait".into()))),
            (
                "wait, suspended",
                with(|facts| facts.wait = Some("sigsuspend".into())),
            ),
            (
                "$(...)",
                with(|facts| facts.wait = Some("anon_pipe_read".into())),
            ),
            ("a stop", with(|facts| facts.state = 'T')),
            (
                "an unknown kernel",
                with(|facts| (facts.wait, facts.children) = (None, true)),
            ),
        ] {
            assert_eq!(held(&facts, 50), Verdict::Fine, "{what}");
        }
    }

    #[test]
    fn without_the_kernels_word_an_idle_shell_without_children_is_at_its_prompt() {
        let facts = with(|facts| facts.wait = None);
        assert_eq!(held(&facts, HELD), Verdict::Lost);
    }

    #[test]
    fn another_program_is_a_loss_at_once_and_an_end_is_an_end() {
        let facts = with(|facts| (facts.replaced, facts.state) = (true, 'R'));
        assert_eq!(held(&facts, 1), Verdict::Lost);
        assert_eq!(
            verdict(&[Sample::Alive(prompt()), Sample::Gone]),
            Verdict::Gone
        );
        assert_eq!(verdict(&[]), Verdict::Fine);
    }

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let line = "12 (a) b (c) S 1 12 12 34816 12 4194304 1 2 3 4 50 60 0 0 20 0 1 0 99 5 6";
        let stat = Stat::parse(line).unwrap();
        assert_eq!((stat.state, stat.pgrp, stat.tpgid), ('S', 12, 12));
        assert_eq!((stat.ticks, stat.start), (110, 99));
        assert!(Stat::parse("12 (a").is_none());
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "a real process is what is watched"
    )]
    fn a_real_process_is_seen_and_its_end_too() {
        let mut child = std::process::Command::new("sleep")
            .arg("600")
            .spawn()
            .unwrap();
        let mut watch = Watch::new(i32::try_from(child.id()).unwrap());
        assert!(matches!(watch.sample().unwrap(), Sample::Alive(_)));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(watch.sample().unwrap(), Sample::Gone);
        assert_eq!(watch.verdict(), Verdict::Gone);
    }
}
