//! Somebody with a token, and what they are answered.
//! Never hides a status: each helper names the one that it expects.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Response;

use super::ws::Ws;
use super::{TestApp, document, until};

/// Somebody with a token.
#[derive(Clone)]
pub struct Caller {
    pub(super) url: String,
    pub address: String,
    pub(super) http: reqwest::Client,
    pub token: String,
    /// Whether it asks again what is refused because a part is being restarted.
    pub patient: bool,
}

/// A reply with its status and body.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text)
            .unwrap_or_else(|error| panic!("{error} in {} {}", self.status, self.text))
    }

    /// The body, after checking the status.
    pub fn ok(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self.json()
    }

    /// The stable code of a failure, in the words of either kind of door.
    pub fn code(&self) -> Value {
        let body = self.json();
        match body["code"].is_number() {
            true => body["data"]["code"].clone(),
            false => body["code"].clone(),
        }
    }

    /// Checks status and code of a failure.
    pub fn fails(&self, status: u16, code: &str) -> Value {
        let body = self.json();
        assert_eq!(
            (self.status.as_u16(), self.code().as_str()),
            (status, Some(code)),
            "{body}"
        );
        let (words, id) = match body["code"].as_u64() {
            Some(told) => {
                assert_eq!(told, u64::from(status), "{body}");
                (&body["message"], &body["data"]["requestId"])
            }
            None => (&body["error"], &body["requestId"]),
        };
        assert!(words.as_str().is_some_and(|e| !e.is_empty()), "{body}");
        assert_eq!(id.as_str().map(str::len), Some(32), "{body}");
        body
    }
}

/// Asks, and holds the answer against the document of the API.
pub async fn answer(request: reqwest::RequestBuilder) -> Answer {
    try_answer(request).await.unwrap()
}

/// The same where the line may be cut.
///
/// # Errors
/// What cut it.
pub async fn try_answer(request: reqwest::RequestBuilder) -> reqwest::Result<Answer> {
    let (http, request) = request.build_split();
    let request = request?;
    let (method, path) = (request.method().clone(), request.url().path().to_owned());
    let reply = http.execute(request).await?;
    let (status, headers) = (reply.status(), reply.headers().clone());
    assert!(headers.contains_key("x-request-id"), "{status}");
    let answer = Answer {
        status,
        headers,
        text: reply.text().await?,
    };
    document::hold(&method, &path, &answer);
    Ok(answer)
}

/// The answer to a handshake, held against the document as well.
fn shaken(path: &str, reply: Response) -> Answer {
    let (head, body) = reply.into_parts();
    let body = body.unwrap_or_default();
    let answer = Answer {
        status: head.status,
        headers: head.headers,
        text: String::from_utf8(body).unwrap(),
    };
    // A handshake that is refused is read no further than its head came.
    let length = answer.headers.get("content-length");
    let length = length.map_or(0, |length| length.to_str().unwrap().parse().unwrap());
    if answer.text.len() == length {
        let path = path.split('?').next().unwrap();
        document::hold(&Method::GET, path, &answer);
    }
    answer
}

impl Caller {
    /// The same person with the same token at the next start of the server.
    pub fn at(&self, app: &TestApp) -> Self {
        Self {
            url: app.url(),
            address: app.address.clone(),
            ..self.clone()
        }
    }

    /// Where the server is.
    pub fn base(&self) -> &str {
        &self.url
    }

    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.url);
        self.http.request(method, url).bearer_auth(&self.token)
    }

    /// The same person, who asks again what is refused because a part is being restarted.
    pub fn patient(&self) -> Self {
        Self {
            patient: true,
            ..self.clone()
        }
    }

    /// Asks, again and again when patient.
    pub async fn ask(&self, request: reqwest::RequestBuilder) -> Answer {
        let started = std::time::Instant::now();
        loop {
            let reply = answer(request.try_clone().unwrap()).await;
            let passing = matches!(reply.status.as_u16(), 429 | 503);
            if !(self.patient && passing) {
                return reply;
            }
            assert!(
                started.elapsed() < super::PATIENCE,
                "for ever: {}",
                reply.text
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask(self.request(Method::POST, path).json(body)).await
    }

    /// A post that is accepted once, however often it is asked.
    pub async fn post_once(&self, path: &str, body: &Value) -> Answer {
        let request = self.request(Method::POST, path).json(body);
        let key = uuid::Uuid::new_v4().to_string();
        self.ask(request.header("idempotency-key", key)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.ask(self.request(Method::DELETE, path)).await
    }

    /// Makes an agent and returns its id.
    pub async fn agent(&self, body: &Value) -> String {
        let made = self.post("/api/agents", body).await.ok(201);
        made["id"].as_str().unwrap().to_owned()
    }

    /// Runs a prompt to its end and returns the task.
    pub async fn turn(&self, id: &str, message: &str) -> Value {
        let path = format!("/api/agents/{id}/message?wait=30");
        self.post(&path, &json!({ "message": message }))
            .await
            .ok(200)
    }

    /// Runs a prompt that takes its time to its end.
    pub async fn turn_long(&self, id: &str) {
        let path = format!("/api/agents/{id}/message?wait=120");
        let request = self
            .request(Method::POST, &path)
            .json(&json!({"message": "go"}));
        let done = answer(request.timeout(Duration::from_secs(130)))
            .await
            .ok(200);
        assert_eq!(done["outcome"], "completed");
    }

    /// Makes an agent, waits until its process takes prompts, and returns its id.
    pub async fn ready_agent(&self, body: &Value) -> String {
        let id = self.agent(body).await;
        let path = format!("/api/agents/{id}");
        until(async || self.get(&path).await.ok(200)["detail"] == "idle").await;
        id
    }

    /// A long poll in the background that waits even when others hold the places at first.
    pub fn long_poll(&self, path: String) -> tokio::task::JoinHandle<Answer> {
        let caller = self.clone();
        tokio::spawn(async move {
            loop {
                let reply = caller.get(&path).await;
                if reply.status != 429 {
                    return reply;
                }
            }
        })
    }

    /// Every event of an agent so far.
    pub async fn history(&self, id: &str) -> Vec<Value> {
        let mut all = Vec::new();
        let mut after = 0;
        loop {
            let page = self
                .get(&format!("/api/agents/{id}/events?after={after}"))
                .await
                .ok(200);
            all.extend(page["events"].as_array().unwrap().iter().cloned());
            after = page["nextCursor"].as_u64().unwrap();
            if page["hasMore"] == false {
                return all;
            }
        }
    }

    /// Opens `/ws` with the token in a header.
    pub async fn ws(&self) -> Ws {
        self.try_ws(
            "/ws",
            &[("authorization", &format!("Bearer {}", self.token))],
        )
        .await
        .unwrap()
    }

    /// Opens a WebSocket with these headers; the HTTP status when it is refused.
    pub async fn try_ws(&self, path: &str, headers: &[(&'static str, &str)]) -> Result<Ws, u16> {
        let shaken = self.handshake(path, headers).await;
        shaken.map_err(|refused| refused.status.as_u16())
    }

    /// The same; the whole answer when it is refused.
    pub async fn handshake(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Ws, Box<Answer>> {
        let url = format!("ws://{}{path}", self.address);
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        match connect_async(request).await {
            Ok((stream, reply)) => {
                shaken(path, reply);
                Ok(Ws { stream })
            }
            Err(WsError::Http(reply)) => Err(Box::new(shaken(path, *reply))),
            Err(error) => panic!("{error}"),
        }
    }
}
