//! A private PostgreSQL as a process: on a socket in a directory of its own, without TCP, ended and
//! removed with the process that started it, however that ends. Tests and the benchmark share this
//! file by its path.
//!
//! Never a panic: what goes wrong is returned, and without its programs the command that brings them.

use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use diesel::Connection;
use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;

type Res<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// The user that it runs as when we run as root, which PostgreSQL refuses: nobody.
const NOBODY: u32 = 65_534;

/// Makes the cluster, then does what it is told, a word a line. The end of its input is the end of
/// the process that started it, also of a killed one. The order of texts is that of a language on
/// purpose: what depends on the order must not depend on the cluster.
const KEEPER: &str = r#"
bin=$1 dir=$2 settings=$3
export LC_ALL=C
trap '' INT TERM HUP
ctl() { "$bin/pg_ctl" -D "$dir/data" -l "$dir/log" -w -t 60 "$@" >>"$dir/ctl.log" 2>&1 </dev/null; }
said() { cat "$dir/ctl.log" "$dir/log" >&2; false; }
cd "$dir" && "$bin/initdb" -D "$dir/data" -U callboard -A trust -E UTF8 --locale=C \
  --locale-provider=icu --icu-locale=en-US --no-sync >>"$dir/ctl.log" 2>&1 </dev/null &&
cat >>"$dir/data/postgresql.conf" <<END && echo ready || { said; echo failed; }
listen_addresses = ''
unix_socket_directories = '$dir'
max_connections = 200
$settings
END
while read -r word; do
  case $word in
    start) ctl start || said ;;
    stop) ctl -m fast stop ;;
    crash) ctl -m immediate stop ;;
  esac
  echo "$word $?"
done
ctl -m immediate stop
cd / && rm -rf "$dir"
"#;

/// A running server.
pub struct Postmaster {
    dir: PathBuf,
    talk: Mutex<(Option<ChildStdin>, Option<BufReader<ChildStdout>>)>,
    keeper: Child,
}

impl Postmaster {
    /// A new cluster, with these lines behind those of its configuration file.
    pub fn start(settings: &str) -> Res<Self> {
        let bin = programs()?;
        // Short, whatever TMPDIR is: a socket's path has 107 bytes at most.
        let dir = tempfile::Builder::new()
            .prefix("callboard-pg-")
            .tempdir_in("/tmp")?
            .keep();
        let mut child = keeper(&bin, &dir)?.arg(settings).spawn()?;
        let talk = (child.stdin.take(), child.stdout.take().map(BufReader::new));
        let own = Self {
            dir,
            talk: Mutex::new(talk),
            keeper: child,
        };
        if own.heard()? != "ready" {
            return Err("PostgreSQL made no cluster".into());
        }
        own.tell("start")?;
        Ok(own)
    }

    /// The directory of its socket.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The address of one of its databases.
    pub fn url(&self, database: &str) -> String {
        at(self.dir(), database)
    }

    /// Makes a database with a name of its own, empty or as a copy.
    pub fn create(&self, template: Option<&str>) -> Res<String> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("t{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let template = template.unwrap_or("template0");
        let words = format!("CREATE DATABASE {name} TEMPLATE {template}");
        self.execute("postgres", &words)?;
        Ok(name)
    }

    /// Runs SQL in one of its databases.
    pub fn execute(&self, database: &str, sql: &str) -> Res<()> {
        let mut conn = PgConnection::establish(&self.url(database))?;
        conn.batch_execute(sql)?;
        Ok(())
    }

    /// Says `start`, `stop` or `crash`, and waits until it is done.
    pub fn tell(&self, word: &str) -> Res<()> {
        let mut talk = self.talk.lock().unwrap_or_else(PoisonError::into_inner);
        let orders = talk.0.as_mut().ok_or("it has no input")?;
        writeln!(orders, "{word}")?;
        drop(talk);
        match self.heard()? {
            said if said == format!("{word} 0") => Ok(()),
            said => Err(format!("PostgreSQL: {said}").into()),
        }
    }

    fn heard(&self) -> Res<String> {
        let mut line = String::new();
        let mut talk = self.talk.lock().unwrap_or_else(PoisonError::into_inner);
        let answers = talk.1.as_mut().ok_or("it has no output")?;
        answers.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }
}

impl Drop for Postmaster {
    fn drop(&mut self) {
        let talk = self.talk.get_mut().unwrap_or_else(PoisonError::into_inner);
        drop(talk.0.take());
        let _reaped = self.keeper.wait();
    }
}

/// The address of a database behind the socket in this directory.
pub fn at(dir: &Path, database: &str) -> String {
    let dir = dir.to_string_lossy().replace('/', "%2F");
    format!("postgres://callboard@/{database}?host={dir}")
}

fn keeper(bin: &Path, dir: &Path) -> Res<Command> {
    let mut command = if fs::metadata("/proc/self")?.uid() == 0 {
        chown(dir, Some(NOBODY), Some(NOBODY))?;
        let mut command = program("setpriv");
        command.arg(format!("--reuid={NOBODY}"));
        command.arg(format!("--regid={NOBODY}"));
        command.args(["--clear-groups", "sh"]);
        command
    } else {
        program("sh")
    };
    command.args(["-c", KEEPER, "postgres-keeper"]).arg(bin);
    command
        .arg(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    // A Ctrl-C is not for it: it ends by the end of its input, and tidies up.
    command.process_group(0);
    Ok(command)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the database of tests and measurements, not an agent"
)]
fn program(name: &str) -> Command {
    Command::new(name)
}

/// Where `initdb` and the others are: in PATH, or where Debian puts them.
fn programs() -> Res<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut versions: Vec<PathBuf> = debian.flatten().map(|entry| entry.path()).collect();
    versions.sort_by_key(|path| {
        path.to_str()
            .and_then(|p| p.rsplit('/').next()?.parse::<u32>().ok())
    });
    places.extend(versions.into_iter().rev().map(|path| path.join("bin")));
    let all = |dir: &PathBuf| {
        ["initdb", "pg_ctl", "postgres"]
            .iter()
            .all(|name| dir.join(name).is_file())
    };
    let found = places.into_iter().find(all);
    Ok(found.ok_or(
        "PostgreSQL is missing; install it (Debian, as root: apt-get install -y postgresql)",
    )?)
}
