//! A server of its own for each test: the real program on a free port in a temporary directory.
//! Never leaves a process behind, and fails the test that would.

mod caller;
mod document;
mod shape;
mod sse;
mod ws;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use callboard::auth::Passwords;
use callboard::domain::{Role, Timestamp, User, UserId};
use callboard::store::{Store, users};
use serde_json::{Value, json};
use tempfile::TempDir;

pub use caller::{Answer, Caller, answer, try_answer};
pub use document::Document;
pub use sse::{Part, Sse};
pub use ws::Ws;

/// Password of every account that the harness makes.
pub const PASSWORD: &str = "correct horse battery";
/// Longest wait for anything in a test.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running server with the accounts `admin`, `ada`, `bob` (members) and `eve` (viewer).
pub struct TestApp {
    child: Option<Child>,
    dir: TempDir,
    config: Option<PathBuf>,
    /// The address of its database on PostgreSQL; otherwise it has a file of its own.
    database: Option<String>,
    /// Variables that the next start gets besides.
    pub env: Vec<(&'static str, String)>,
    /// What becomes of the agents when the server is asked to end.
    pub agents: Agents,
    /// Where the next start writes its log; below the directory at first.
    pub log: PathBuf,
    /// Where the next start listens; a free port at first.
    pub bind: String,
    pub address: String,
    pub http: reqwest::Client,
}

/// What becomes of the agents when the server is asked to end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Agents {
    /// They end with it.
    End,
    /// They stay below their keepers.
    Stay,
}

impl TestApp {
    /// Starts a server with the default settings.
    pub async fn start() -> Self {
        Self::with("").await
    }

    /// Starts a server with these lines of TOML over the defaults.
    pub async fn with(settings: &str) -> Self {
        let mut app = Self::prepared(tempfile::tempdir().unwrap(), settings).await;
        app.boot().await;
        app
    }

    /// Starts a server with these lines of TOML on a database of PostgreSQL.
    pub async fn on(database: String, settings: &str) -> Self {
        let mut app = Self::unstarted(tempfile::tempdir().unwrap(), settings);
        app.database = Some(database);
        seed(&app.database()).await;
        app.boot().await;
        app
    }

    /// A server with accounts on this directory, not started.
    pub async fn prepared(dir: TempDir, settings: &str) -> Self {
        let app = Self::unstarted(dir, settings);
        seed(&app.database()).await;
        app
    }

    /// A server on a directory as it is, not started.
    pub fn in_place(dir: TempDir, settings: &str) -> Self {
        Self::unstarted(dir, settings)
    }

    /// Starts a server on an empty directory, so that it makes its first admin itself.
    pub async fn empty() -> Self {
        let mut app = Self::unstarted(tempfile::tempdir().unwrap(), "");
        app.boot().await;
        app
    }

    fn unstarted(dir: TempDir, settings: &str) -> Self {
        let config = (!settings.is_empty()).then(|| {
            let file = dir.path().join("settings.toml");
            std::fs::write(&file, settings).unwrap();
            file
        });
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(60))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self {
            child: None,
            log: dir.path().join("test-server.log"),
            dir,
            config,
            database: None,
            env: Vec::new(),
            agents: Agents::End,
            bind: "127.0.0.1:0".into(),
            address: String::new(),
            http,
        }
    }

    /// Starts the program on this app's directory and waits until it is ready.
    pub async fn boot(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .unwrap();
        let mut child = self.command().stderr(log).spawn().unwrap();
        let started = Instant::now();
        self.address = loop {
            if let Some(address) = self.noted(child.id()) {
                break address;
            }
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none(), "the server ended: {}", self.log());
            assert!(started.elapsed() < PATIENCE, "not ready: {}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        self.child = Some(child);
        let url = format!("{}/health/ready", self.url());
        until(async || {
            self.http
                .get(&url)
                .send()
                .await
                .is_ok_and(|r| r.status() == 200)
        })
        .await;
    }

    /// The program as it would be started.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_callboard"));
        command
            .args(["serve", "--bind", &self.bind, "--data-dir"])
            .arg(self.dir.path())
            .env("CALLBOARD_AGENTS__ROOTS", "[\"/\"]")
            .envs(self.room())
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .env_remove("CALLBOARD_ADMIN_PASSWORD")
            .env("CALLBOARD_LOG", "info,callboard=debug")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        if self.agents == Agents::End {
            command.arg("--stop-agents");
        }
        if let Some(database) = &self.database {
            command.env("CALLBOARD_DATABASE_URL", database);
        }
        if let Some(config) = &self.config {
            command.arg("--config").arg(config);
        }
        command
    }

    /// The room on this machine's disk is no matter of a test, unless it says so itself.
    fn room(&self) -> Vec<(&'static str, &'static str)> {
        let settings = self.config.as_ref();
        let text = settings.map(|file| std::fs::read_to_string(file).unwrap_or_default());
        if text.is_some_and(|text| text.contains("[disk]")) {
            return Vec::new();
        }
        ["CALLBOARD_DISK__WARN_FREE", "CALLBOARD_DISK__REFUSE_FREE"]
            .map(|name| (name, "0"))
            .to_vec()
    }

    fn noted(&self, pid: u32) -> Option<String> {
        let text = std::fs::read_to_string(self.dir.path().join("server.lock")).ok()?;
        let mut lines = text.lines();
        let own = lines.next()? == pid.to_string();
        lines.next().filter(|_| own).map(str::to_owned)
    }

    /// What the store opens: the setting, or the file.
    pub fn database(&self) -> String {
        let file = || self.dir.path().join("callboard.db");
        let file = || file().to_str().unwrap().to_owned();
        self.database.clone().unwrap_or_else(file)
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// What the server wrote to its log.
    pub fn log(&self) -> String {
        match self.log.starts_with(self.dir.path()) {
            true => std::fs::read_to_string(&self.log).unwrap_or_default(),
            false => String::new(),
        }
    }

    /// Waits until these words stand in the log: it is written behind what happens.
    pub async fn told(&self, words: &str) {
        let started = Instant::now();
        while !self.log().contains(words) {
            assert!(started.elapsed() < PATIENCE, "{words}: {}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Private memory of the server in bytes (RssAnon).
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|l| l.starts_with("RssAnon:")).unwrap();
        let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib * 1024
    }

    /// Signs in one of the seeded accounts.
    pub async fn sign_in(&self, username: &str) -> Caller {
        let body = json!({"username": username, "password": PASSWORD});
        self.sign_in_as(&body).await
    }

    /// Signs in with these credentials.
    pub async fn sign_in_as(&self, body: &Value) -> Caller {
        let url = format!("{}/api/auth/login", self.url());
        let body = answer(self.http.post(url).json(body)).await.ok(200);
        Caller {
            url: self.url(),
            address: self.address.clone(),
            http: self.http.clone(),
            token: body["token"].as_str().unwrap().to_owned(),
            patient: false,
        }
    }

    /// Sends a signal to the server.
    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.pid()).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    }

    /// Ends the server as a crash of the machine's memory would: at once, and without a word.
    pub fn kill9(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Whether the server has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.as_mut().unwrap().try_wait().unwrap().is_some()
    }

    /// Forgets the server that has ended by itself.
    pub fn reap(&mut self) {
        self.child.take().unwrap().wait().unwrap();
    }

    /// Waits for the server's end and returns its exit code.
    pub async fn ended(&mut self) -> Option<i32> {
        let mut child = self.child.take().unwrap();
        let started = Instant::now();
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return status.code();
            }
            assert!(
                started.elapsed() < PATIENCE,
                "it does not end: {}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Asks the server to end, as an operator would, and returns its exit code.
    pub async fn stop(&mut self) -> Option<i32> {
        self.signal(nix::sys::signal::Signal::SIGTERM);
        self.ended().await
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        let was_up = self.child.is_some() && self.agents == Agents::End;
        if let Some(mut child) = self.child.take() {
            let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
            let started = Instant::now();
            while child.try_wait().unwrap().is_none() {
                if started.elapsed() > PATIENCE {
                    let _ = child.kill();
                    let _ = child.wait();
                    break;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        let started = Instant::now();
        let mut left = leftovers(self.dir.path());
        while was_up && !left.is_empty() && started.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(20));
            left = leftovers(self.dir.path());
        }
        for (pid, _) in &left {
            let pid = nix::unistd::Pid::from_raw(*pid);
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
        }
        if !std::thread::panicking() {
            assert!(
                !was_up || left.is_empty(),
                "left behind: {left:?}\n{}",
                self.log()
            );
        } else {
            eprintln!("--- log of the server ---\n{}", self.log());
        }
    }
}

/// Processes whose command line or directory names this data directory.
fn leftovers(dir: &Path) -> Vec<(i32, String)> {
    let dir = dir.to_str().unwrap();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|n| n.parse::<i32>().ok())
        else {
            continue;
        };
        let own = i32::try_from(std::process::id()).unwrap();
        let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        let cwd = std::fs::read_link(entry.path().join("cwd")).unwrap_or_default();
        if pid != own && (command.contains(dir) || cwd.starts_with(dir)) {
            found.push((pid, command));
        }
    }
    found
}

async fn seed(database: &str) {
    let store = Store::open(database).unwrap();
    let hash = Passwords::new().hash(PASSWORD.into()).await.unwrap();
    for (name, role) in [
        ("admin", Role::Superadmin),
        ("ada", Role::Member),
        ("bob", Role::Member),
        ("eve", Role::Viewer),
    ] {
        let user = User {
            id: UserId::generate(),
            username: name.into(),
            email: format!("{name}@example.org"),
            role,
            password_hash: hash.clone(),
            disabled: false,
            created_at: Timestamp(1),
        };
        store
            .write(move |conn| users::insert(conn, &user))
            .await
            .unwrap();
    }
    store.close();
}

/// Polls a condition until it holds.
pub async fn until(condition: impl AsyncFn() -> bool) {
    let started = Instant::now();
    while !condition().await {
        assert!(started.elapsed() < PATIENCE, "it never came true");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
