//! A test that runs itself again in a network with nothing but its own loopback, so that no agent
//! program of it can reach anything else.
//!
//! Never skipped where the machine has no such networks: it then runs in the machine's own, and
//! says so.

use std::process::{Command, Stdio};

/// Set in the copy of the test that has a network of its own.
const INSIDE: &str = "CALLBOARD_TEST_OWN_NETWORK";

/// Brings the loopback of a fresh network up: SIOCSIFFLAGS with IFF_UP (netdevice(7)).
const UP: &str = r#"perl -e 'socket(my $s, 2, 2, 0) or die $!; my $r = pack("a16 s x22", "lo", 1);
ioctl($s, 0x8914, $r) or die $!;'"#;

/// Runs the body of the test of this name, whose path within this crate is `module::name`.
#[expect(
    clippy::disallowed_methods,
    reason = "the test runs itself below unshare"
)]
pub async fn alone(module: &str, name: &str, body: impl AsyncFnOnce()) {
    if std::env::var_os(INSIDE).is_some() || !allowed() {
        return body().await;
    }
    let own = std::env::current_exe().unwrap();
    let (_, module) = module.split_once("::").unwrap();
    let mut again = Command::new("unshare");
    again
        .args(["--map-root-user", "--net", "--", "sh", "-c"])
        .arg(format!("{UP} && exec \"$@\""))
        .arg("sh")
        .arg(own)
        .args(["--exact", &format!("{module}::{name}"), "--nocapture"])
        .env(INSIDE, "1")
        .stdin(Stdio::null());
    let done = tokio::task::spawn_blocking(move || again.output().unwrap())
        .await
        .unwrap();
    let told = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && told.contains("1 passed"), "{told}");
}

/// Whether this machine gives its users networks of their own.
#[expect(
    clippy::disallowed_methods,
    reason = "the machine is asked by doing it"
)]
fn allowed() -> bool {
    let tried = Command::new("unshare")
        .args(["--map-root-user", "--net", "--", "sh", "-c", UP])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let allowed = tried.is_ok_and(|status| status.success());
    if !allowed {
        eprintln!("no network of one's own on this machine: claude runs in the machine's");
    }
    allowed
}
