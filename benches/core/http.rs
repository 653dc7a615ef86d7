//! A lean HTTP/1.1 client: one kept connection, one request at a time, and a load of many.
//!
//! Never takes a share of the machine that a fuller client would: it parses the length alone.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::Res;
use super::stats::{quantile, real_len};

/// The bytes of a GET.
pub fn get(path: &str, token: Option<&str>) -> Vec<u8> {
    request("GET", path, token, "")
}

/// The bytes of a POST.
pub fn post(path: &str, token: Option<&str>, body: &Value) -> Vec<u8> {
    request("POST", path, token, &body.to_string())
}

fn request(method: &str, path: &str, token: Option<&str>, body: &str) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n");
    if let Some(token) = token {
        head.push_str(&format!("authorization: Bearer {token}\r\n"));
    }
    if !body.is_empty() {
        let length = body.len();
        head.push_str(&format!(
            "content-type: application/json\r\ncontent-length: {length}\r\n"
        ));
    }
    head.push_str("\r\n");
    head.push_str(body);
    head.into_bytes()
}

/// One connection.
pub struct Line {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
}

/// An answer, until the next question.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// Its status.
    pub status: u16,
    /// Status line and headers.
    pub head: &'a [u8],
    /// Its body.
    pub body: &'a [u8],
}

impl Line {
    /// Connects.
    pub async fn open(address: &str) -> Res<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: vec![0; 256 * 1024],
            filled: 0,
        })
    }

    /// Sends a request and reads its answer.
    pub async fn ask(&mut self, request: &[u8]) -> Res<Answer<'_>> {
        self.stream.write_all(request).await?;
        self.filled = 0;
        let head = loop {
            self.more().await?;
            let filled = self.buffer.get(..self.filled).unwrap_or_default();
            if let Some(at) = filled.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
        };
        let text = std::str::from_utf8(self.buffer.get(..head).unwrap_or_default())?;
        let status = text.get(9..12).unwrap_or_default().parse()?;
        let whole = head + length(text)?;
        while self.filled < whole {
            self.more().await?;
        }
        Ok(Answer {
            status,
            head: self.buffer.get(..head).unwrap_or_default(),
            body: self.buffer.get(head..whole).unwrap_or_default(),
        })
    }

    async fn more(&mut self) -> Res<()> {
        if self.filled == self.buffer.len() {
            let twice = self.buffer.len() * 2;
            self.buffer.resize(twice, 0);
        }
        let free = self.buffer.get_mut(self.filled..).unwrap_or_default();
        match self.stream.read(free).await? {
            0 => Err("the server hung up".into()),
            count => {
                self.filled += count;
                Ok(())
            }
        }
    }
}

fn length(head: &str) -> Res<usize> {
    let value = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map(|(_, value)| value.trim());
    Ok(value.ok_or("an answer without its length")?.parse()?)
}

/// What a load found.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Answers a second.
    pub rate: f64,
    /// Median time of an answer in ms.
    pub p50: f64,
    /// Answers, the warm-up included.
    pub answers: usize,
}

/// The same request over so many connections for so long, of which a fifth warms up.
pub async fn load(address: &str, request: &[u8], lines: usize, time: Duration) -> Res<Load> {
    let warm = Instant::now() + time / 5;
    let end = warm + time.mul_f64(0.8);
    let mut tasks = Vec::new();
    for _line in 0..lines {
        let (mut line, request) = (Line::open(address).await?, request.to_vec());
        tasks.push(tokio::spawn(async move {
            let (mut times, mut answers) = (Vec::new(), 0_usize);
            loop {
                let begun = Instant::now();
                if begun >= end {
                    return Ok::<_, Box<dyn std::error::Error + Send + Sync>>((times, answers));
                }
                let status = line.ask(&request).await?.status;
                if status != 200 {
                    return Err(format!("an answer with the status {status}").into());
                }
                answers += 1;
                if begun >= warm {
                    times.push(begun.elapsed().as_secs_f64() * 1000.0);
                }
            }
        }));
    }
    let (mut all, mut answers) = (Vec::new(), 0);
    for task in tasks {
        let (times, count) = task.await??;
        all.extend(times);
        answers += count;
    }
    Ok(Load {
        rate: real_len(all.len()) / (end - warm).as_secs_f64(),
        p50: quantile(&mut all, 500),
        answers,
    })
}
