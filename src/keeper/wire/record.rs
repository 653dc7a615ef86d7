//! The two small files of an incarnation, `record` and `exit`, as checksummed lines of text.
//! Never read half: a file whose last line does not match the rest is as good as absent.

use super::bytes::checksum;

/// Who runs in an incarnation's directory. Written before the program's first instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Protocol version of the keeper, [`super::VERSION`] of its build.
    pub version: u8,
    /// The session's id as text.
    pub session: String,
    /// Which life of the session's process this is.
    pub incarnation: u64,
    /// Process number of the keeper.
    pub keeper_pid: u32,
    /// Start times in clock ticks since boot (`/proc/PID/stat`, field 22).
    pub keeper_start_ticks: u64,
    /// Process number of the program.
    pub program_pid: u32,
    /// As `keeper_start_ticks`, of the program.
    pub program_start_ticks: u64,
    /// `/proc/sys/kernel/random/boot_id`
    pub boot_id: String,
    /// Value of [`super::MARK_VAR`] in this tree.
    pub mark: String,
    /// Milliseconds since 1970.
    pub started_ms: u64,
    /// The tree's own cgroup; `None` where it has none, also when one was wanted and refused.
    pub cgroup: Option<String>,
    /// Which directory the cgroup is (`identity::place`): its name may be used again by others.
    pub cgroup_place: Option<String>,
    /// Which directory the keeper lives in, as `cgroup_place`: a copied record tells of a process that
    /// belongs elsewhere. `None` from keepers that did not note it.
    pub home: Option<String>,
}

/// How a program ended. Exactly one of `code` and `signal` is set when the keeper saw the end;
/// neither, when the keeper itself was lost and the server wrote the record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExitRecord {
    /// Exit code of a program that ended by itself.
    pub code: Option<i32>,
    /// Number of the signal that killed it.
    pub signal: Option<i32>,
    /// The system says that it left a core dump.
    pub core: bool,
    /// Killed for lack of memory, as the tree's cgroup says. `false` also where it has none: that
    /// SIGKILL cannot be told from others.
    pub oom: bool,
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// Who asked for the end, when someone did.
    pub by: Option<String>,
    /// Absolute end of the output log when this record was written.
    pub log_len: u64,
    /// All output is in the log and nothing of the tree is left.
    pub drained: bool,
    /// The last lines of standard error ([`super::STDERR_TAIL_LINES`]); empty on a terminal.
    pub stderr_tail: String,
}

impl Record {
    /// The file's text, sealed by a checksum in its last line.
    pub fn encode(&self) -> String {
        let mut lines = Lines::new("callboard-keeper 1");
        lines.put("version", self.version);
        lines.put("session", escape(&self.session));
        lines.put("incarnation", self.incarnation);
        lines.put("keeper_pid", self.keeper_pid);
        lines.put("keeper_start_ticks", self.keeper_start_ticks);
        lines.put("program_pid", self.program_pid);
        lines.put("program_start_ticks", self.program_start_ticks);
        lines.put("boot_id", escape(&self.boot_id));
        lines.put("mark", escape(&self.mark));
        lines.put("started_ms", self.started_ms);
        if let Some(cgroup) = &self.cgroup {
            lines.put("cgroup", escape(cgroup));
        }
        if let Some(place) = &self.cgroup_place {
            lines.put("cgroup_place", escape(place));
        }
        if let Some(home) = &self.home {
            lines.put("home", escape(home));
        }
        lines.seal()
    }

    /// `None`: torn, damaged or not a record.
    pub fn decode(text: &str) -> Option<Self> {
        let fields = Fields::open(text, "callboard-keeper 1")?;
        Some(Self {
            version: fields.number("version")?,
            session: fields.text("session")?,
            incarnation: fields.number("incarnation")?,
            keeper_pid: fields.number("keeper_pid")?,
            keeper_start_ticks: fields.number("keeper_start_ticks")?,
            program_pid: fields.number("program_pid")?,
            program_start_ticks: fields.number("program_start_ticks")?,
            boot_id: fields.text("boot_id")?,
            mark: fields.text("mark")?,
            started_ms: fields.number("started_ms")?,
            cgroup: fields.text("cgroup"),
            cgroup_place: fields.text("cgroup_place"),
            home: fields.text("home"),
        })
    }
}

impl ExitRecord {
    /// The file's text, sealed as that of [`Record`].
    pub fn encode(&self) -> String {
        let mut lines = Lines::new("callboard-exit 1");
        if let Some(code) = self.code {
            lines.put("code", code);
        }
        if let Some(signal) = self.signal {
            lines.put("signal", signal);
        }
        lines.put("core", self.core);
        lines.put("oom", self.oom);
        lines.put("at_ms", self.at_ms);
        if let Some(by) = &self.by {
            lines.put("by", escape(by));
        }
        lines.put("log_len", self.log_len);
        lines.put("drained", self.drained);
        lines.put("stderr_tail", escape(&self.stderr_tail));
        lines.seal()
    }

    /// `None`: torn, damaged or not an exit record.
    pub fn decode(text: &str) -> Option<Self> {
        let fields = Fields::open(text, "callboard-exit 1")?;
        Some(Self {
            code: fields.number("code"),
            signal: fields.number("signal"),
            core: fields.number("core")?,
            oom: fields.number("oom")?,
            at_ms: fields.number("at_ms")?,
            by: fields.text("by"),
            log_len: fields.number("log_len")?,
            drained: fields.number("drained")?,
            stderr_tail: fields.text("stderr_tail")?,
        })
    }
}

struct Lines(String);

impl Lines {
    fn new(title: &str) -> Self {
        Self(format!("{title}\n"))
    }

    fn put(&mut self, key: &str, value: impl std::fmt::Display) {
        self.0.push_str(&format!("{key} {value}\n"));
    }

    fn seal(mut self) -> String {
        let sum = checksum(self.0.as_bytes());
        self.put("sum", format_args!("{sum:016x}"));
        self.0
    }
}

struct Fields<'a>(&'a str);

impl<'a> Fields<'a> {
    fn open(text: &'a str, title: &str) -> Option<Self> {
        let (body, sum) = text.strip_suffix('\n')?.rsplit_once("\nsum ")?;
        let sealed = text.get(..body.len() + 1)?;
        if sum.len() != 16 || u64::from_str_radix(sum, 16).ok()? != checksum(sealed.as_bytes()) {
            return None;
        }
        let (first, rest) = sealed.split_once('\n')?;
        (first == title).then_some(Self(rest))
    }

    fn raw(&self, key: &str) -> Option<&'a str> {
        self.0
            .lines()
            .filter_map(|line| line.split_once(' '))
            .find_map(|(name, value)| (name == key).then_some(value))
    }

    fn number<T: std::str::FromStr>(&self, key: &str) -> Option<T> {
        self.raw(key)?.parse().ok()
    }

    fn text(&self, key: &str) -> Option<String> {
        unescape(self.raw(key)?)
    }
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            other => out.push(other),
        }
    }
    out
}

fn unescape(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        out.push(match letter {
            '\\' => match letters.next()? {
                '\\' => '\\',
                'n' => '\n',
                'r' => '\r',
                _ => return None,
            },
            other => other,
        });
    }
    Some(out)
}
