//! The machine below a server, as far as a test can break it: its disk, its database, its clock, the
//! number of its files, the log's file, and its memory.
//! Never a fault that outlives its strike: what was broken works again when it returns.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use diesel::Connection;
use diesel::connection::SimpleConnection;
use diesel::sqlite::SqliteConnection;

use super::plan::Fault;
use super::*;
use crate::faults::memory::GREEDY;
use crate::faults::small_disk;
use crate::postgres::cluster::{Cluster, End};

/// Room for the events of some minutes, in MiB; what is left of it is filled in moments.
const ROOM: u32 = 1_024;
/// An hour, in milliseconds.
const HOUR: &str = "3600000";

/// See the module.
pub enum Machine {
    /// With the embedded database, on a disk of its own.
    Embedded(PathBuf),
    /// With PostgreSQL, which has its files elsewhere.
    Postgresql(Arc<Cluster>),
}

impl Machine {
    /// `None` after the test of this name has run in a copy of this process that has such a disk.
    pub async fn embedded(test: &'static str) -> Option<Self> {
        small_disk(test, ROOM).await.map(Self::Embedded)
    }

    pub async fn postgresql() -> Self {
        let cluster = tokio::task::spawn_blocking(Cluster::start).await;
        Self::Postgresql(Arc::new(cluster.unwrap()))
    }

    /// A server on it.
    pub async fn app(&self, settings: &str) -> TestApp {
        match self {
            Self::Embedded(place) => {
                let inside = tempfile::tempdir_in(place).unwrap();
                let mut app = TestApp::prepared(inside, settings).await;
                app.boot().await;
                app
            }
            Self::Postgresql(cluster) => {
                let database = cluster.url(&cluster.create(None));
                TestApp::on(database, settings).await
            }
        }
    }

    /// Breaks something for a time, and waits until the server is ready again.
    pub async fn strikes(&self, app: &TestApp, who: &Caller, fault: Fault, time: Duration) {
        match (fault, self) {
            (Fault::Database | Fault::DatabaseCrash, Self::Embedded(_)) => {
                let mut other = SqliteConnection::establish(&app.database()).unwrap();
                other
                    .batch_execute("PRAGMA busy_timeout = 5000; BEGIN EXCLUSIVE")
                    .unwrap();
                tokio::time::sleep(time).await;
                other.batch_execute("ROLLBACK").unwrap();
            }
            (Fault::Disk, Self::Embedded(place)) => {
                let filler = place.join("filler");
                tokio::task::spawn_blocking({
                    let filler = filler.clone();
                    move || fill(&filler)
                })
                .await
                .unwrap();
                tokio::time::sleep(time).await;
                std::fs::remove_file(filler).unwrap();
            }
            (Fault::Database, Self::Postgresql(cluster)) => restart(cluster, End::Fast, time).await,
            (Fault::DatabaseCrash | Fault::Disk, Self::Postgresql(cluster)) => {
                restart(cluster, End::Crash, time).await;
            }
            (Fault::Files, _) => few_files(app, time).await,
            (Fault::Clock, _) => jump(app).await,
            (Fault::Log, _) => lose_log(app).await,
            (Fault::Memory, _) => greed(app, who).await,
        }
        ready(app).await;
    }
}

/// Ends PostgreSQL, and starts it again after a time.
async fn restart(cluster: &Arc<Cluster>, how: End, time: Duration) {
    told(cluster, move |cluster| cluster.end(how)).await;
    tokio::time::sleep(time).await;
    told(cluster, Cluster::again).await;
}

/// Talks to the cluster on a thread that may wait.
async fn told(cluster: &Arc<Cluster>, word: impl FnOnce(&Cluster) + Send + 'static) {
    let cluster = Arc::clone(cluster);
    let said = tokio::task::spawn_blocking(move || word(&cluster));
    said.await.unwrap();
}

/// Takes every byte that is left.
fn fill(file: &Path) {
    let mut out = std::fs::File::create(file).unwrap();
    for size in [1 << 20, 4096, 1] {
        let block = vec![7_u8; size];
        while std::io::Write::write_all(&mut out, &block).is_ok() {}
    }
}

/// Leaves two descriptors for a time.
async fn few_files(app: &TestApp, time: Duration) {
    let pid = app.pid().to_string();
    let limit = |soft: &str| {
        let limit = Command::new("prlimit")
            .args(["--pid", &pid, &format!("--nofile={soft}:")])
            .stdin(Stdio::null())
            .status();
        assert!(limit.unwrap().success());
    };
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let before = line.unwrap().split_whitespace().nth(3).unwrap();
    let open = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .count();
    limit(&(open + 2).to_string());
    tokio::time::sleep(time).await;
    limit(before);
}

/// Sets the server's wall clock an hour forward, or back to what it is.
async fn jump(app: &TestApp) {
    let (file, draft) = (app.dir().join("clock"), app.dir().join("clock.new"));
    let ahead = app.dir().join("ahead");
    let by = match std::fs::remove_file(&ahead) {
        Ok(()) => "0",
        Err(_) => {
            std::fs::write(&ahead, app.pid().to_string()).unwrap();
            HOUR
        }
    };
    std::fs::write(&draft, by).unwrap();
    std::fs::rename(draft, &file).unwrap();
    super::super::answer(async || match file.exists() {
        false => Ok(()),
        true => Err("the clock is not set".to_owned()),
    })
    .await;
}

/// Takes the log's file away, and waits for a new one.
async fn lose_log(app: &TestApp) {
    let old = std::fs::metadata(&app.log).unwrap().ino();
    let old_name = format!("{}.log", uuid::Uuid::new_v4());
    std::fs::rename(&app.log, app.dir().join(old_name)).unwrap();
    super::super::answer(async || match std::fs::metadata(&app.log) {
        Ok(new) if new.ino() != old => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
}

/// A session whose shell takes more memory than it may, to the end of that process.
async fn greed(app: &TestApp, who: &Caller) {
    let made = json!({
        "agentType": "shell", "cwd": app.dir(), "permissionMode": "bypassPermissions",
    });
    let id = who.ready_agent(&made).await;
    send(who, &id, GREEDY).await;
    let ended = agent_until(who, &id, |now| !now["lastExit"].is_null()).await;
    let exit = &ended["lastExit"];
    assert!(exit["oom"] == true || exit["exitCode"] == 2, "{ended}");
    who.delete(&format!("/api/agents/{id}")).await.ok(200);
}

/// How often this stands in the server's logs, the lost ones as well.
pub fn told_in_logs(app: &TestApp, words: &str) -> usize {
    let files = std::fs::read_dir(app.dir()).unwrap();
    let files = files.map(|entry| entry.unwrap().path());
    let logs = files.filter(|file| file.extension().is_some_and(|kind| kind == "log"));
    let texts = logs.map(|file| std::fs::read_to_string(file).unwrap());
    texts.map(|text| text.matches(words).count()).sum()
}

/// Waits until the server takes new work.
async fn ready(app: &TestApp) {
    let url = format!("{}/health/ready", app.url());
    super::super::answer(async || match app.http.get(&url).send().await {
        Ok(reply) if reply.status() == 200 => Ok(()),
        Ok(reply) => Err(reply.text().await.unwrap_or_default()),
        Err(error) => Err(error.to_string()),
    })
    .await;
}
