//! A server and a keeper of different builds.
//! Never a keeper that is asked for what it does not know.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use callboard::keeper::{ClientFrame, ConnectError, Hello, KeeperFrame, connect};

use super::Rig;

/// A keeper that is only its greeting: it says these bytes to whoever says hello, and gives back
/// what it heard.
fn keeper(dir: &Path, says: Vec<u8>) -> std::thread::JoinHandle<Vec<u8>> {
    let listener = UnixListener::bind(dir.join("sock")).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        let mut heard = vec![0; ClientFrame::Hello { version: 1 }.encode().len()];
        stream.read_exact(&mut heard).unwrap();
        stream.write_all(&says).unwrap();
        // Until the server goes.
        let mut rest = Vec::new();
        let _cut = stream.read_to_end(&mut rest);
        heard.extend(rest);
        heard
    })
}

fn greeting(version: u8) -> Vec<u8> {
    KeeperFrame::Hello(Hello {
        version,
        keeper_pid: std::process::id(),
        program_pid: 1,
        start_ticks: 1,
        base: 0,
        length: 0,
        exited: false,
        incarnation: 1,
        mark: "m".to_owned(),
    })
    .encode()
}

#[tokio::test]
async fn a_newer_keeper_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let newer = keeper(dir.path(), greeting(2));
    let refused = connect(dir.path()).await.err().unwrap();
    assert!(matches!(refused, ConnectError::Version(2)), "{refused}");
    let heard = tokio::task::spawn_blocking(|| newer.join().unwrap());
    let hello = ClientFrame::Hello { version: 1 }.encode();
    assert_eq!(heard.await.unwrap(), hello, "it was asked for more");
}

#[tokio::test]
async fn what_a_keeper_says_beyond_the_protocol_is_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    // A greeting with more fields than this build knows, then a kind that it does not know.
    let mut longer = greeting(1);
    longer.extend([7, 7, 7]);
    let body = u32::try_from(longer.len() - 5).unwrap().to_be_bytes();
    longer[1..5].copy_from_slice(&body);
    longer.extend([200, 0, 0, 0, 2, 9, 9]);
    let bye = KeeperFrame::Error {
        code: "bye".to_owned(),
        text: "later".to_owned(),
    };
    longer.extend(bye.encode());
    let _same = keeper(dir.path(), longer);
    let (hello, mut reader, _writer) = connect(dir.path()).await.unwrap();
    assert_eq!((hello.version, hello.mark.as_str()), (1, "m"));
    assert_eq!(reader.next().await.unwrap(), Some(bye));
}

/// The way of an upgrade: the keeper is of the old build, the server that comes speaks more.
#[tokio::test]
async fn an_old_keeper_answers_a_newer_server_in_its_own_version() {
    let rig = Rig::new();
    let agent = rig.start(rig.shell("exec cat")).await;
    let mut stream = UnixStream::connect(agent.dir.path().join("sock")).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    stream
        .write_all(&ClientFrame::Hello { version: 9 }.encode())
        .unwrap();
    let mut head = [0; 6];
    stream.read_exact(&mut head).unwrap();
    let own = greeting(1);
    assert_eq!((head[0], head[5]), (own[0], 1), "{head:?}");
    drop(stream);
    let link = agent.greet(0).await;
    assert_eq!(link.hello.version, 1);
}
