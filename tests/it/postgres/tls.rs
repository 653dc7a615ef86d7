//! A database that is reached over TLS, as far as the address asks for it.
//! Never a connection in the clear where it does, nor one to a server that nobody vouches for.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use diesel::prelude::*;
use serde_json::json;

use super::cluster::postmaster::{Postmaster, at};
use super::words;
use crate::app::TestApp;

/// What PostgreSQL runs as when the tests run as root.
const NOBODY: u32 = 65_534;

/// A PostgreSQL on loopback that takes connections over TLS alone, and who vouches for it.
struct Guarded {
    server: Postmaster,
    dir: tempfile::TempDir,
    port: u16,
}

impl Guarded {
    /// For the name `localhost` and no other.
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let (cert, key) = vouched(dir.path(), "server");
        vouched(dir.path(), "stranger");
        if nix::unistd::geteuid().is_root() {
            chown(&key, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let rules = dir.path().join("rules");
        let only = "local all all trust\nhostssl all all 127.0.0.1/32 trust\n";
        std::fs::write(&rules, only).unwrap();
        std::fs::set_permissions(&rules, PermissionsExt::from_mode(0o644)).unwrap();
        let settings = |port: u16| {
            format!(
                "fsync = off\nlisten_addresses = '127.0.0.1'\nport = {port}\nssl = on\n\
                 ssl_cert_file = '{}'\nssl_key_file = '{}'\nhba_file = '{}'",
                cert.display(),
                key.display(),
                rules.display()
            )
        };
        // Somebody else may take a port before it does.
        for _try in 0..5 {
            let port = free_port();
            if let Ok(server) = Postmaster::start(&settings(port)) {
                return Self { server, dir, port };
            }
        }
        panic!("no PostgreSQL with TLS; it said why above");
    }

    /// Its socket takes connections without TLS, for the test's own questions.
    fn ask<T>(&self, ask: impl FnOnce(&mut PgConnection) -> T) -> T {
        let url = format!("{}&port={}", at(self.server.dir(), "postgres"), self.port);
        ask(&mut PgConnection::establish(&url).unwrap())
    }

    fn url(&self, host: &str, options: &str) -> String {
        let port = self.port;
        format!("postgres://callboard@{host}:{port}/postgres?{options}")
    }

    /// An address that trusts who stands behind this certificate.
    fn trusting(&self, host: &str, name: &str) -> String {
        let file = self.dir.path().join(name).display().to_string();
        let file = file.replace('/', "%2F");
        self.url(host, &format!("sslmode=verify-full&sslrootcert={file}"))
    }
}

/// A port of loopback that nobody has now.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// A certificate that vouches for itself, and its key.
fn vouched(dir: &Path, name: &str) -> (PathBuf, PathBuf) {
    let (cert, key) = (
        dir.join(format!("{name}.crt")),
        dir.join(format!("{name}.key")),
    );
    let made = Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        ])
        .args(["-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&cert)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::set_permissions(&cert, PermissionsExt::from_mode(0o644)).unwrap();
    (cert, key)
}

/// How many connections come over the network, and how many of them over TLS.
fn connections(guarded: &Guarded) -> (i64, i64) {
    #[derive(QueryableByName)]
    struct Counts {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        all: i64,
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        tls: i64,
    }
    let query = "SELECT count(*) AS all, count(*) FILTER (WHERE s.ssl) AS tls \
                 FROM pg_stat_activity AS a JOIN pg_stat_ssl AS s USING (pid) \
                 WHERE a.client_addr IS NOT NULL";
    let counts: Counts = guarded.ask(|conn| diesel::sql_query(query).get_result(conn).unwrap());
    (counts.all, counts.tls)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_vouched_for_is_reached_over_tls() {
    let guarded = tokio::task::spawn_blocking(Guarded::start).await.unwrap();
    let mut app = TestApp::on(guarded.trusting("localhost", "server.crt"), "").await;
    let ada = app.sign_in("ada").await;
    let agent = ada.agent(&json!({"agentType": "script"})).await;
    assert_eq!(ada.turn(&agent, "hi").await["outcome"], "completed");
    let (all, tls) = connections(&guarded);
    assert!(all > 0 && all == tls, "{tls} of {all} connections");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_or_another_name_is_refused_with_the_reason() {
    let guarded = tokio::task::spawn_blocking(Guarded::start).await.unwrap();
    for (url, reason) in [
        (
            guarded.trusting("localhost", "stranger.crt"),
            "certificate verify failed",
        ),
        (
            guarded.trusting("127.0.0.1", "server.crt"),
            "does not match host name",
        ),
        // It takes nobody in the clear.
        (guarded.url("localhost", "sslmode=disable"), "no encryption"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let mut serve = Command::new(env!("CARGO_BIN_EXE_callboard"));
        serve
            .args(["serve", "--bind", "127.0.0.1:0", "--data-dir"])
            .arg(dir.path())
            .env("CALLBOARD_DATABASE_URL", &url)
            .stdin(Stdio::null());
        let refused = tokio::task::spawn_blocking(move || serve.output().unwrap());
        let refused = refused.await.unwrap();
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        let said = words(&refused);
        assert!(said.contains(reason), "{url}: {said}");
    }
}
