//! A reader of an event stream, as a browser's is.
//! Never waits for ever: what does not come in time fails the test.

use serde_json::Value;

use super::{Answer, Caller, PATIENCE, document};

/// A reader of an event stream.
pub struct Sse {
    reply: reqwest::Response,
    rest: String,
    /// The id of the last event that had one.
    pub last: Option<String>,
    /// Bytes that came.
    pub bytes: usize,
}

/// What came.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Its name.
    pub event: String,
    /// Its id, if it has one.
    pub id: Option<String>,
    pub data: Value,
}

impl Part {
    /// Whether it is the last of an event that is stored: an event may be several parts.
    pub fn stored(&self) -> bool {
        let id = self.id.as_deref();
        self.event != "hello" && id.is_some_and(|id| !id.contains('.'))
    }
}

impl Sse {
    /// Opens a stream, from behind this id.
    pub async fn open(who: &Caller, query: &str, last: Option<&str>) -> Self {
        let opened = Self::ask(who, query, last).await;
        opened.unwrap_or_else(|refused| panic!("{} {}", refused.status, refused.text))
    }

    /// The same; the answer when it is refused.
    pub async fn ask(who: &Caller, query: &str, last: Option<&str>) -> Result<Self, Box<Answer>> {
        let path = format!("/api/control/stream{query}");
        let request = who.request(reqwest::Method::GET, &path);
        let request = request.timeout(std::time::Duration::from_secs(600));
        let request = match last {
            Some(id) => request.header("last-event-id", id),
            None => request,
        };
        Self::of(request.send().await.unwrap()).await
    }

    /// Of an answer that came.
    pub async fn of(reply: reqwest::Response) -> Result<Self, Box<Answer>> {
        if reply.status() != 200 {
            let (status, headers) = (reply.status(), reply.headers().clone());
            let text = reply.text().await.unwrap();
            let answer = Answer {
                status,
                headers,
                text,
            };
            let path = "/api/control/stream";
            document::hold(&reqwest::Method::GET, path, &answer);
            return Err(Box::new(answer));
        }
        let kind = reply.headers()["content-type"].to_str().unwrap();
        assert!(kind.starts_with("text/event-stream"), "{kind}");
        Ok(Self {
            reply,
            rest: String::new(),
            last: None,
            bytes: 0,
        })
    }

    /// The next part; `None`: the stream is over.
    pub async fn part(&mut self) -> Option<Part> {
        loop {
            if let Some((part, rest)) = self.rest.split_once("\n\n") {
                let part = read(part);
                self.rest = rest.to_owned();
                if let Some(id) = &part.id {
                    self.last = Some(id.clone());
                }
                if part.event.is_empty() {
                    continue;
                }
                return Some(part);
            }
            let chunk = tokio::time::timeout(PATIENCE, self.reply.chunk()).await;
            match chunk.expect("nothing comes") {
                Ok(Some(bytes)) => {
                    self.bytes += bytes.len();
                    self.rest += std::str::from_utf8(&bytes).unwrap();
                }
                Ok(None) | Err(_) => return None,
            }
        }
    }

    /// Reads until a part of this name comes, and returns it.
    pub async fn until(&mut self, event: &str) -> Part {
        self.until_like(|part| part.event == event).await
    }

    /// Reads until a part like that comes, and returns it.
    pub async fn until_like(&mut self, like: impl Fn(&Part) -> bool) -> Part {
        loop {
            let part = self.part().await.expect("the stream is over");
            if like(&part) {
                return part;
            }
        }
    }
}

fn read(text: &str) -> Part {
    let mut part = Part {
        event: String::new(),
        id: None,
        data: Value::Null,
    };
    for line in text.lines() {
        let (name, value) = line.split_once(": ").unwrap_or((line, ""));
        match name {
            "event" => value.clone_into(&mut part.event),
            "id" => part.id = Some(value.to_owned()),
            "data" => part.data = serde_json::from_str(value).unwrap(),
            "retry" => assert!(value.parse::<u32>().is_ok(), "{line}"),
            _ => panic!("unexpected {line:?}"),
        }
    }
    if !part.event.is_empty() {
        assert_eq!(part.data["type"], part.event.as_str());
    }
    part
}
