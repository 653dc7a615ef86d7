//! A server that listens, over real sockets.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::super::super::server::{FakeModel, FakeModelError};
use super::*;

/// A server on a port of its own until the test drops it.
struct Running {
    url: String,
    end: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Running {
    fn start() -> Self {
        let model = FakeModel::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let url = model.url();
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let thread = std::thread::spawn(move || drop(model.run(ended).unwrap()));
        Self {
            url,
            end: Some(end),
            thread: Some(thread),
        }
    }

    fn ask(&self, prompt: &str, stream: bool) -> TcpStream {
        let address = self.url.strip_prefix("http://").unwrap();
        let mut socket = TcpStream::connect(address).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let body = body(prompt, stream).to_string();
        let head = format!(
            "POST /v1/messages HTTP/1.1\r\nhost: {address}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        socket.write_all((head + &body).as_bytes()).unwrap();
        socket
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.end.take());
        let ended = self.thread.take().unwrap().join();
        assert!(ended.is_ok() || std::thread::panicking());
    }
}

/// All that comes until the connection ends.
fn rest(mut socket: TcpStream) -> String {
    let mut all = Vec::new();
    let _reset = socket.read_to_end(&mut all);
    String::from_utf8(all).unwrap()
}

#[test]
fn a_broken_stream_ends_without_an_end() {
    let model = Running::start();
    for stream in [true, false] {
        let got = rest(model.ask("SCENARIO:broken 2", stream));
        assert!(got.starts_with("HTTP/1.1 200"), "{got}");
        assert!(
            got.contains("transfer-encoding: chunked") && !got.ends_with("0\r\n\r\n"),
            "{got}"
        );
        assert!(
            got.contains("chunk1") && !got.contains("output_tokens\":25"),
            "{got}"
        );
        assert!(!got.contains("message_stop"));
    }
}

#[test]
fn a_silence_is_a_silence_and_ends() {
    let model = Running::start();
    let headers = rest(model.ask("SCENARIO:hang 1ms", true));
    assert!(
        headers.starts_with("HTTP/1.1 200") && headers.ends_with("\r\n\r\n"),
        "{headers}"
    );
    let midway = rest(model.ask("SCENARIO:hang midway 1ms", true));
    assert!(midway.contains("chunk2") && !midway.contains("content_block_stop"));
    let pings = rest(model.ask("SCENARIO:hang pings 1500ms", true));
    assert_eq!(pings.matches("event: ping").count(), 2, "{pings}");
    let mut before = model.ask("SCENARIO:hang before", true);
    before
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    let nothing = before.read(&mut [0; 1]).unwrap_err();
    assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
    // The server ends all the same: `Running` waits for it.
}

#[test]
fn only_loopback_is_listened_on() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:80"] {
        let refused = FakeModel::bind(address.parse().unwrap()).unwrap_err();
        assert!(
            matches!(refused, FakeModelError::NotLoopback(_)),
            "{refused}"
        );
    }
    let first = FakeModel::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = first
        .url()
        .strip_prefix("http://")
        .unwrap()
        .parse()
        .unwrap();
    assert!(matches!(
        FakeModel::bind(address),
        Err(FakeModelError::Bind(..))
    ));
}
