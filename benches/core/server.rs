//! The server under test: the real program as a child on a data directory of its own, driven as
//! clients drive it.
//!
//! Never leaves it or its agents behind when a row fails.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use callboard::keeper::{Dir, stop_past};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, SysconfVar, sysconf};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Res;
use super::database::Place;
use super::http::{Line, get, post};
use super::seed::PASSWORD;
use super::stats::real;

/// The server's program.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_callboard");
/// Longest wait for a start.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server.
pub struct Server {
    child: Option<Child>,
    /// Host and port.
    pub address: String,
    dir: PathBuf,
    /// Of the admin.
    pub token: String,
}

/// A program to start.
#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark starts the programs that it measures"
)]
pub fn command(program: &Path) -> Command {
    Command::new(program)
}

impl Server {
    /// Longest wait for an end: with its agents, which may be a thousand.
    pub const END: Duration = Duration::from_secs(120);

    /// Starts it on a seeded place; `settings` are lines of its configuration file.
    pub async fn start(place: &Place, settings: &str) -> Res<Self> {
        let mut server = Self::spawn(place, settings)?;
        server.ready().await?;
        let login = json!({"username": "admin", "password": PASSWORD});
        let reply = server.ask(&post("/api/auth/login", None, &login)).await?;
        let token = reply.get("token").and_then(Value::as_str);
        server.token = token.ok_or("the login gave no token")?.to_owned();
        Ok(server)
    }

    /// Starts the process and does not wait.
    pub fn spawn(place: &Place, settings: &str) -> Res<Self> {
        let dir = place.path();
        let config = dir.join("bench.toml");
        fs::write(&config, settings)?;
        let free = std::net::TcpListener::bind("127.0.0.1:0")?;
        let address = free.local_addr()?.to_string();
        drop(free);
        let log = File::create(dir.join("server.log"))?;
        let child = command(Path::new(PROGRAM))
            .args(["serve", "--stop-agents", "--bind", &address, "--data-dir"])
            .arg(dir)
            .arg("--config")
            .arg(&config)
            .env("CALLBOARD_DATABASE_URL", place.database())
            .env_remove("CALLBOARD_LOG")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        Ok(Self {
            child: Some(child),
            address,
            dir: dir.to_owned(),
            token: String::new(),
        })
    }

    /// Waits for the first good answer of `/health/ready`.
    pub async fn ready(&mut self) -> Res<()> {
        let end = Instant::now() + PATIENCE;
        let request = get("/health/ready", None);
        while Instant::now() < end {
            if let Some(Some(status)) = self.child.as_mut().map(Child::try_wait).transpose()? {
                let log = fs::read_to_string(self.dir.join("server.log")).unwrap_or_default();
                return Err(format!("the server ended with {status}: {log}").into());
            }
            // Bound before it is ready; the answer comes when it is.
            if let Ok(mut line) = Line::open(&self.address).await
                && line.ask(&request).await?.status == 200
            {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Err("the server did not become ready".into())
    }

    /// Sends one request; its JSON, or the refusal as an error.
    pub async fn ask(&self, request: &[u8]) -> Res<Value> {
        let mut line = Line::open(&self.address).await?;
        let answer = line.ask(request).await?;
        if answer.status >= 300 {
            let text = String::from_utf8_lossy(answer.body);
            return Err(format!("{}: {text}", answer.status).into());
        }
        Ok(serde_json::from_slice(answer.body)?)
    }

    /// GET with the admin's token.
    pub async fn get(&self, path: &str) -> Res<Value> {
        self.ask(&get(path, Some(&self.token))).await
    }

    /// POST with the admin's token.
    pub async fn post(&self, path: &str, body: &Value) -> Res<Value> {
        self.ask(&post(path, Some(&self.token), body)).await
    }

    /// Makes an agent and returns its id.
    pub async fn agent(&self, body: &Value) -> Res<String> {
        let made = self.post("/api/agents", body).await?;
        let id = made.get("id").and_then(Value::as_str);
        Ok(id.ok_or("an agent without an id")?.to_owned())
    }

    /// Makes a script agent that plays these turns, and waits until it takes prompts.
    pub async fn player(&self, name: &str, turns: &Value) -> Res<String> {
        let file = self.dir.join(format!("{name}.json"));
        fs::write(&file, json!({ "turns": turns }).to_string())?;
        let body = json!({"agentType": "script", "cwd": self.dir, "scenario": file});
        let id = self.agent(&body).await?;
        self.idle(&id).await?;
        Ok(id)
    }

    /// Waits until an agent is idle with a process.
    pub async fn idle(&self, id: &str) -> Res<()> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            let agent = self.get(&format!("/api/agents/{id}")).await?;
            if agent.get("detail").and_then(Value::as_str) == Some("idle") {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Err(format!("the agent {id} did not become idle").into())
    }

    /// Sends a message and waits for the end of its turn.
    pub async fn turn(&self, id: &str, message: &str) -> Res<()> {
        let path = format!("/api/agents/{id}/message?wait=120");
        let done = self.post(&path, &json!({ "message": message })).await?;
        match done.get("outcome").and_then(Value::as_str) {
            Some("completed") => Ok(()),
            other => Err(format!("the turn ended as {other:?}").into()),
        }
    }

    /// Its data directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its pid.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// Kills it; its agents live on below their keepers.
    pub fn crash(mut self) -> Res<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Ends it in order, with its agents.
    pub async fn stop(mut self) -> Res<()> {
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        terminate(&child);
        let end = Instant::now() + Self::END;
        let mut late = false;
        while child.try_wait()?.is_none() {
            if Instant::now() > end {
                child.kill()?;
                child.wait()?;
                late = true;
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // What the server gave up on.
        for (_session, _incarnation, keeper) in
            Dir::all(&self.dir.join("keepers")).unwrap_or_default()
        {
            if keeper.alive() {
                stop_past(&keeper, "bench", Duration::ZERO).await;
            }
        }
        if late {
            return Err("the server did not end in time".into());
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // After a failure: in order first, so that its agents end too.
        if let Some(mut child) = self.child.take() {
            terminate(&child);
            let _gone = child.wait();
        }
    }
}

fn terminate(child: &Child) {
    if let Ok(pid) = i32::try_from(child.id()) {
        // It may be gone already.
        let _gone = kill(Pid::from_raw(pid), Signal::SIGTERM);
    }
}

/// A ceiling of this same program, in a process of its own as the server is.
pub struct Bare {
    child: Child,
    /// Where it takes orders.
    pub orders: Option<ChildStdin>,
    /// What it said first: mostly its address.
    pub address: String,
}

impl Bare {
    /// Starts it and waits for its first line.
    pub fn start(args: &[&str]) -> Res<Self> {
        let mut child = command(&std::env::current_exe()?)
            .arg(super::ceiling::FLAG)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut address = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut address)?;
        }
        let orders = child.stdin.take();
        Ok(Self {
            child,
            orders,
            address: address.trim().to_owned(),
        })
    }

    /// Its pid.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Seconds of processor time that a process has used.
pub fn processor(pid: u32) -> Res<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    // Fields 14 and 15 of proc(5); the rest begins with field 3.
    let ticks: u64 = rest
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    let per_second = sysconf(SysconfVar::CLK_TCK)?.unwrap_or(100);
    Ok(real(ticks) / real(u64::try_from(per_second)?))
}

/// A figure of `/proc/PID/status` in KiB: `VmRSS`, `RssAnon`.
pub fn kib(pid: u32, name: &str) -> Res<f64> {
    Ok(real(sum_kib(&format!("/proc/{pid}/status"), &[name])?))
}

/// Private memory of a process in KiB: what goes away with it.
pub fn private_kib(pid: u32) -> Res<u64> {
    let names = ["Private_Clean", "Private_Dirty"];
    sum_kib(&format!("/proc/{pid}/smaps_rollup"), &names)
}

fn sum_kib(file: &str, names: &[&str]) -> Res<u64> {
    let text = fs::read_to_string(file)?;
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let figures = lines.filter(|(name, _)| names.contains(name));
    Ok(figures
        .filter_map(|(_, rest)| rest.split_whitespace().next()?.parse::<u64>().ok())
        .sum())
}

/// As many descriptors as the machine allows: a thousand sockets need them.
pub fn raise_open_files() -> Res<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(())
}
