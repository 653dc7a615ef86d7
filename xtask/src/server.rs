//! A server of a recipe's own, on loopback and a directory of its own.
//!
//! Never left behind: it ends with its handle, and its agents with it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

use super::step::{Failed, Step, now};

/// Longest wait for its start and for one answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// The password of its admin. Nobody else can reach it.
const PASSWORD: &str = "a password of one minute";

/// A running server.
pub struct Server {
    child: Child,
    address: String,
    token: String,
}

impl Server {
    /// Starts the program on a fresh `dir`; its agents may work below that alone.
    pub fn start(program: &Path, dir: &Path) -> Result<Self, Failed> {
        let bad = |error: std::io::Error| Failed::step(format!("{}: {error}", dir.display()));
        if dir.exists() {
            std::fs::remove_dir_all(dir).map_err(bad)?;
        }
        let (data, home) = (dir.join("data"), dir.join("home"));
        for made in [&data, &home] {
            std::fs::create_dir_all(made).map_err(bad)?;
        }
        let log = std::fs::File::create(dir.join("server.log")).map_err(bad)?;
        let roots = format!("[\"{}\"]", home.display());
        let child = Step::program("server", program)
            .args(&["serve", "--stop-agents", "--bind", "127.0.0.1:0"].map(String::from))
            .arg("--data-dir")
            .arg(&data)
            .env("HOME", &home)
            .env("CALLBOARD_AGENTS__ROOTS", roots)
            .env("CALLBOARD_ADMIN_PASSWORD", PASSWORD)
            .env("CALLBOARD_AUTH__REGISTRATION", "open")
            .start(log)?;
        let mut server = Self {
            child,
            address: String::new(),
            token: String::new(),
        };
        server.address = server.noted(&data)?;
        server.sign_in()?;
        Ok(server)
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A token of its admin.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Whether it still runs.
    pub fn lives(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|ended| ended.is_none())
    }

    /// Posts JSON and returns the text under `member` in the answer.
    pub fn post(&self, path: &str, body: &str, member: &str) -> Result<String, Failed> {
        let broken = |error: std::io::Error| Failed::step(format!("POST {path}: {error}"));
        let mut line = TcpStream::connect(&self.address).map_err(broken)?;
        line.set_read_timeout(Some(PATIENCE)).map_err(broken)?;
        let host = &self.address;
        let auth = match self.token.as_str() {
            "" => String::new(),
            token => format!("Authorization: Bearer {token}\r\n"),
        };
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\n{auth}Content-Length: {}\r\n\
             Connection: close\r\n\r\n{body}",
            body.len()
        );
        line.write_all(request.as_bytes()).map_err(broken)?;
        let mut answer = String::new();
        line.read_to_string(&mut answer).map_err(broken)?;
        let found = answer.split_once(&format!("\"{member}\":\""));
        let found = found.and_then(|(_, rest)| rest.split_once('"'));
        found
            .map(|(text, _)| text.to_owned())
            .ok_or_else(|| Failed::step(format!("POST {path}: no `{member}` in {answer}")))
    }

    fn sign_in(&mut self) -> Result<(), Failed> {
        let body = format!("{{\"username\":\"admin\",\"password\":\"{PASSWORD}\"}}");
        self.token = self.post("/api/auth/login", &body, "token")?;
        Ok(())
    }

    /// Where it listens, once its lock says so and somebody answers there.
    fn noted(&mut self, data: &Path) -> Result<String, Failed> {
        let began = now();
        let lock: PathBuf = data.join("server.lock");
        while now().saturating_duration_since(began) < PATIENCE {
            let text = std::fs::read_to_string(&lock).unwrap_or_default();
            if let Some(address) = text.lines().nth(1)
                && TcpStream::connect(address).is_ok()
            {
                return Ok(address.to_owned());
            }
            if !self.lives() {
                break;
            }
            pause();
        }
        Err(Failed::step("the server does not start; see its log"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // In order, so that its agents end with it; by force when it does not.
        let pid = self.child.id().to_string();
        let asked = Step::program("kill", Path::new("kill"))
            .arg("-TERM")
            .arg(pid)
            .output();
        let began = now();
        while asked.is_some() && self.lives() && now().saturating_duration_since(began) < PATIENCE {
            pause();
        }
        // It has ended, or nothing else helps.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "a recipe waits for a process")]
fn pause() {
    std::thread::sleep(Duration::from_millis(50));
}
