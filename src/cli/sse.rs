//! An event stream of the server (SSE), part by part.
//!
//! Never hides an end: whoever reads comes back with the last id.

use std::io::{BufRead, BufReader};

use reqwest::blocking::Response;
use serde_json::Value;

use super::client::{Client, Request};
use super::failure::Failure;

/// What came.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Its name.
    pub event: String,
    /// Its id, if it has one.
    pub id: Option<String>,
    /// Its data.
    pub data: Value,
}

/// A stream that is open.
#[derive(Debug)]
pub struct Sse {
    lines: BufReader<Response>,
}

impl Sse {
    /// Opens it behind the last id that is known.
    ///
    /// # Errors
    /// What the server refuses, or that it is not there.
    pub fn open(client: &Client, path: &str, last: Option<&str>) -> Result<Self, Failure> {
        let reply = client.open(&Request::get(path), last)?;
        Ok(Self {
            lines: BufReader::new(reply),
        })
    }

    /// The next part; `None`: the stream is over.
    pub fn next(&mut self) -> Option<Part> {
        let mut part = Part {
            event: String::new(),
            id: None,
            data: Value::Null,
        };
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let line = line.trim_end_matches(['\n', '\r']);
            if line.is_empty() {
                if part.event.is_empty() && part.id.is_none() {
                    continue;
                }
                return Some(part);
            }
            let (name, value) = line.split_once(": ").unwrap_or((line, ""));
            match name {
                "event" => value.clone_into(&mut part.event),
                "id" => part.id = Some(value.to_owned()),
                "data" => part.data = serde_json::from_str(value).unwrap_or(Value::Null),
                _ => {}
            }
        }
    }
}
