//! Commands by the real keeper's program. Never a wait without an end.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch;

use super::*;
use crate::domain::UserId;
use crate::keeper::{Caps, Isolation, KeeperBinary, Spawner};

fn yard() -> Yard {
    let keeper = KeeperBinary::resolve(None).unwrap();
    let spawner = Spawner::start(keeper).unwrap();
    let means = (Isolation::Group, None);
    Yard::new(spawner, means, Caps::default(), Duration::from_millis(200))
}

fn command(words: &str) -> Command {
    Command {
        words: words.to_owned(),
        cwd: std::env::temp_dir(),
        env: BTreeMap::new(),
        input: None,
        timeout: Duration::from_secs(30),
        seat: Seats::new(1, 1).take(UserId::generate()).unwrap(),
        refused: Box::pin(std::future::pending()),
    }
}

async fn run(command: Command) -> Outcome {
    let (_drain, draining) = watch::channel(false);
    // Its thread is what commands hang on.
    let yard = yard();
    let run = yard.start(command, draining).await.unwrap();
    run.collect(1024).await.unwrap()
}

#[tokio::test]
async fn a_command_says_what_it_printed_and_how_it_ended() {
    let done = run(command("echo out; echo err >&2; exit 3")).await;
    assert_eq!(
        (done.stdout.text.as_str(), done.stderr.text.as_str()),
        ("out\n", "err\n")
    );
    assert_eq!((done.ending.exit_code, done.ending.signal), (3, None));
    let killed = run(command("kill -9 $$")).await.ending;
    assert_eq!((killed.exit_code, killed.signal), (137, Some(9)));
}

#[tokio::test]
async fn it_reads_what_it_is_given_and_nothing_else() {
    assert_eq!(run(command("cat")).await.stdout.bytes, 0);
    let much = vec![b'x'; 300_000];
    let fed = run(Command {
        input: Some(much),
        ..command("wc -c")
    });
    assert_eq!(fed.await.stdout.text.trim(), "300000");
    let deaf = run(Command {
        input: Some(vec![b'x'; 300_000]),
        ..command("exec true")
    });
    assert_eq!(deaf.await.ending.exit_code, 0);
}

#[tokio::test]
async fn one_that_runs_out_of_time_keeps_what_it_printed() {
    let late = run(Command {
        timeout: Duration::from_millis(300),
        ..command("trap '' TERM; echo before; while :; do sleep 1; done")
    });
    let late = late.await;
    assert_eq!(late.stdout.text, "before\n");
    assert_eq!((late.ending.exit_code, late.ending.timed_out), (-1, true));
}

#[tokio::test]
async fn a_drain_asks_it_to_end() {
    let (drain, draining) = watch::channel(false);
    let words = "trap 'echo bye; exit 4' TERM; echo up; while :; do sleep 0.05; done";
    let yard = yard();
    let mut run = yard.start(command(words), draining).await.unwrap();
    let Ok(Step::Out(Channel::Stdout, said)) = run.next().await else {
        panic!("nothing said");
    };
    assert_eq!(&said[..], b"up\n");
    drain.send(true).unwrap();
    let done = run.collect(1024).await.unwrap();
    assert_eq!(done.stdout.text, "bye\n");
    assert_eq!((done.ending.exit_code, done.ending.drained), (4, true));
}

#[tokio::test]
async fn what_cannot_begin_says_why() {
    let (_drain, draining) = watch::channel(false);
    let lost = Command {
        cwd: "/nonexistent".into(),
        ..command("true")
    };
    let yard = yard();
    let run = yard.start(lost, draining).await.unwrap();
    let error = run.collect(1).await.unwrap_err();
    assert!(matches!(error, ExecError::CwdMissing), "{error:?}");
}
