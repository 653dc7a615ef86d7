//! `callboard agent model` as a real process: its line, its file, its answers and its ends.
//!
//! Never waits by sleeping: each wait reads a pipe or a socket, or ends with the process.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_callboard"));
    command.args(["agent", "model"]).args(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// A started model, killed when a test ends early.
struct Model {
    child: Child,
    address: String,
}

impl Model {
    fn start(args: &[&str]) -> Self {
        let mut child = command(args).spawn().unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").unwrap();
        let address = address.to_owned();
        Self { child, address }
    }

    fn ask(&self, request: &str) -> String {
        let mut socket = TcpStream::connect(&self.address).unwrap();
        let patience = Duration::from_secs(20);
        socket.set_read_timeout(Some(patience)).unwrap();
        socket.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).unwrap();
        kill(Pid::from_raw(pid), signal).unwrap();
    }

    fn ended(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        let _over = self.child.kill();
        let _reaped = self.child.wait();
    }
}

#[test]
fn a_model_tells_its_address_answers_and_ends_with_a_signal() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("address");
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut model = Model::start(&["--address-file", file.to_str().unwrap()]);
        let told = std::fs::read_to_string(&file).unwrap();
        assert_eq!(told, format!("http://{}\n", model.address));
        let body = r#"{"model":"m","messages":[{"role":"user","content":"SCENARIO:text \"hi\""}]}"#;
        let answer = model.ask(&format!(
            "POST /v1/messages HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n{body}",
            model.address,
            body.len()
        ));
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(
            answer.contains(r#"{"text":"hi","type":"text"}"#),
            "{answer}"
        );
        // One that is never answered does not hold the end.
        let mut silent = TcpStream::connect(&model.address).unwrap();
        let body = body.replace("text \\\"hi\\\"", "hang");
        let head = format!("host: {}\r\ncontent-length: {}", model.address, body.len());
        let request = format!("POST /v1/messages HTTP/1.1\r\n{head}\r\n\r\n{body}");
        silent.write_all(request.as_bytes()).unwrap();
        silent.read_exact(&mut [0; 15]).unwrap();
        model.signal(signal);
        assert_eq!(model.ended(), Some(0), "{signal}");
    }
}

#[test]
fn a_model_ends_with_its_stdin_only_when_it_is_told_to() {
    let mut model = Model::start(&["--until-eof"]);
    drop(model.child.stdin.take());
    assert_eq!(model.ended(), Some(0));
    let mut model = Model::start(&[]);
    drop(model.child.stdin.take());
    let request = format!(
        "GET / HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
        model.address
    );
    assert!(model.ask(&request).starts_with("HTTP/1.1 200"));
    assert_eq!(model.child.try_wait().unwrap(), None);
}

#[test]
fn a_model_that_others_could_reach_is_refused() {
    let refused = command(&["--bind", "0.0.0.0:0"])
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(refused.stdout.is_empty());
    let why = String::from_utf8(refused.stderr).unwrap();
    assert!(why.contains("not an address of loopback"), "{why}");
    let model = Model::start(&[]);
    let taken = command(&["--bind", &model.address]).output().unwrap();
    assert_eq!(taken.status.code(), Some(1));
}
