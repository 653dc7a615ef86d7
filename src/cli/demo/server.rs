//! The demo's own server: a child process of this program, which can be killed and started again.
//!
//! Never leaves it behind: whatever ends the demo ends the server and its agents.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::super::clock;
use super::super::failure::{Exit, Failure};
use super::super::launch::{self, LOOK, Waited};

/// How long a start may take.
const START: Duration = Duration::from_secs(60);
/// How long an end in order may take: the server gives running turns 30 s.
const END: Duration = Duration::from_secs(60);

/// Where the demo's server listens when nothing is said.
const PREFERRED: &str = "127.0.0.1:3030";

/// A server and how to start it again.
#[derive(Debug)]
pub struct Server {
    data_dir: PathBuf,
    bind: SocketAddr,
    log: PathBuf,
    child: Option<Child>,
}

impl Server {
    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// When it does not come up, with the end of its log.
    pub fn start(data_dir: &Path, bind: SocketAddr) -> Result<Self, Failure> {
        let mut server = Self {
            data_dir: data_dir.to_path_buf(),
            bind,
            log: data_dir.join("demo-server.log"),
            child: None,
        };
        server.up()?;
        Ok(server)
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.bind)
    }

    /// Its log.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Its pid while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Starts it (again).
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn up(&mut self) -> Result<(), Failure> {
        let child = self
            .spawn()
            .map_err(|error| self.failed(&format!("it cannot be started: {error}")))?;
        self.child = Some(child);
        self.wait_ready()
    }

    /// Kills it without a warning, as a crash would.
    ///
    /// # Errors
    /// When there is none, or the system refuses.
    pub fn crash(&mut self) -> Result<(), Failure> {
        let Some(mut child) = self.child.take() else {
            return Err(self.failed("it is not running"));
        };
        child
            .kill()
            .and_then(|()| child.wait())
            .map(drop)
            .map_err(|error| self.failed(&error.to_string()))
    }

    /// Ends it in order, with its agents.
    ///
    /// # Errors
    /// When it does not end, or not well.
    pub fn stop(&mut self) -> Result<(), Failure> {
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        let pid = i32::try_from(child.id()).map_err(|error| self.failed(&error.to_string()))?;
        // It may be gone already: its exit tells.
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        let until = clock::now() + END;
        while clock::now() < until {
            match child.try_wait() {
                Ok(Some(status)) => return self.judge(status),
                Ok(None) => clock::pause(LOOK),
                Err(error) => return Err(self.failed(&error.to_string())),
            }
        }
        drop(child.kill());
        drop(child.wait());
        Err(self.failed("it did not end in time, and was killed"))
    }

    fn judge(&self, status: ExitStatus) -> Result<(), Failure> {
        if status.success() {
            return Ok(());
        }
        Err(self.failed(&format!("it ended with {status}")))
    }

    fn spawn(&self) -> io::Result<Child> {
        let mut command = launch::serve(&self.log)?;
        // A group of its own: Ctrl-C is for the demo, and two signals would end the server at once,
        // without its agents.
        command
            .process_group(0)
            .arg("--data-dir")
            .arg(&self.data_dir)
            .arg("--bind")
            .arg(self.bind.to_string())
            .arg("--stop-agents")
            // Agents may work in the demo's own directory as well.
            .env("CALLBOARD_AGENTS__ROOTS", self.roots())
            .env_remove("CALLBOARD_DATABASE_URL")
            .env_remove("CALLBOARD_ADMIN_PASSWORD")
            .spawn()
    }

    fn roots(&self) -> String {
        serde_json::json!(["~", self.data_dir]).to_string()
    }

    fn wait_ready(&mut self) -> Result<(), Failure> {
        let url = self.url();
        let Some(child) = &mut self.child else {
            return Err(self.failed("it is not running"));
        };
        match launch::wait_ready(child, START, || Some(url.clone())) {
            Waited::Ready => Ok(()),
            Waited::Ended(how) => {
                self.child = None;
                Err(self.failed(&how))
            }
            Waited::Late => Err(self.failed("it did not become ready in time")),
        }
    }

    fn failed(&self, why: &str) -> Failure {
        Failure::new(Exit::Failed, "the demo's server failed")
            .because(launch::with_last_words(why, &self.log, 0))
            .mend(format!("read {}", self.log.display()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.is_some()
            && let Err(failure) = self.stop()
        {
            failure.print();
        }
    }
}

/// The address that was asked for, else the usual one, else a free port.
///
/// # Errors
/// When nothing can be bound.
pub fn choose(asked: Option<SocketAddr>) -> Result<SocketAddr, Failure> {
    let bound =
        |address: &str| TcpListener::bind(address).and_then(|listener| listener.local_addr());
    let busy = |error: io::Error| {
        Failure::new(Exit::Failed, "the demo has no address to listen on")
            .because(error.to_string())
            .mend("name a free one: callboard demo --bind 127.0.0.1:8080")
    };
    match asked {
        Some(address) => bound(&address.to_string()).map_err(busy),
        None => bound(PREFERRED)
            .or_else(|_taken| bound("127.0.0.1:0"))
            .map_err(busy),
    }
}
