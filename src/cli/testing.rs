//! A server of one page for the client's tests: it answers each request by a function.
//!
//! Never part of the program.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// One request as it came.
#[derive(Debug, Clone)]
pub struct Got {
    /// `GET /path?query`.
    pub line: String,
    /// Header lines, lower case.
    pub headers: Vec<String>,
    /// The body.
    pub body: String,
}

impl Got {
    pub fn header(&self, name: &str) -> Option<String> {
        let start = format!("{name}: ");
        self.headers
            .iter()
            .find_map(|line| line.strip_prefix(&start))
            .map(str::to_owned)
    }
}

/// What is answered.
#[derive(Debug, Clone)]
pub enum Answer {
    /// This status and JSON.
    Json(u16, String),
    /// The connection breaks without an answer.
    Cut,
}

/// The server; it ends with the process.
pub struct Fake {
    pub url: String,
    seen: Arc<Mutex<Vec<Got>>>,
}

impl Fake {
    /// Answers each request with what `answer` says to it and its number, from 0.
    pub fn start(answer: impl Fn(usize, &Got) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let theirs = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let got = read(&stream);
                let number = theirs.lock().unwrap().len();
                theirs.lock().unwrap().push(got.clone());
                if let Answer::Json(status, body) = answer(number, &got) {
                    write!(
                        stream,
                        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n\
                         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
                        body.len()
                    )
                    .unwrap();
                }
            }
        });
        Self { url, seen }
    }

    pub fn seen(&self) -> Vec<Got> {
        self.seen.lock().unwrap().clone()
    }
}

fn read(stream: &TcpStream) -> Got {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let first = lines.remove(0);
    let mut got = Got {
        line: first.trim_end_matches(" HTTP/1.1").to_owned(),
        headers: lines.iter().map(|line| lower_name(line)).collect(),
        body: String::new(),
    };
    let length: u64 = got
        .header("content-length")
        .map_or(0, |length| length.parse().unwrap());
    reader.take(length).read_to_string(&mut got.body).unwrap();
    got
}

fn lower_name(line: &str) -> String {
    let (name, value) = line.split_once(':').unwrap();
    format!("{}:{value}", name.to_ascii_lowercase())
}
