//! The wire form of the Messages API, over the routes and over a real socket.
//!
//! Never sleeps: a pause is played by the server and waited for by reading.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::middleware::from_fn;
use actix_web::web::Data;
use actix_web::{App, test as service};
use serde_json::{Value, json};

use super::super::ledger::Ledger;
use super::super::server::{FakeModel, FakeModelError, own_machine, routes};

struct Answer {
    status: StatusCode,
    headers: Vec<(String, String)>,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.iter();
        all.find(|(known, _)| known == name)
            .map(|(_, it)| it.as_str())
    }

    /// Names and data of a stream's events; each event's `type` is its name.
    fn events(&self) -> Vec<Value> {
        let events = self.body.split_terminator("\n\n").map(|event| {
            let (name, data) = event.split_once('\n').unwrap();
            let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
            assert_eq!(name, format!("event: {}", data["type"].as_str().unwrap()));
            data
        });
        events.collect()
    }
}

/// One server with its ledger.
#[derive(Default)]
struct Model {
    ledger: Data<Ledger>,
}

impl Model {
    async fn send(&self, request: service::TestRequest) -> Answer {
        let app = App::new()
            .app_data(Data::clone(&self.ledger))
            .wrap(from_fn(own_machine))
            .configure(routes);
        let app = service::init_service(app).await;
        let response = service::call_service(&app, request.to_request()).await;
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
        let headers = headers.collect();
        let status = response.status();
        let body = service::read_body(response).await;
        let body = String::from_utf8(body.to_vec()).unwrap();
        Answer {
            status,
            headers,
            body,
        }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(local(service::TestRequest::get().uri(path)))
            .await
    }

    async fn post(&self, body: &Value) -> Answer {
        let request = service::TestRequest::post().uri("/v1/messages?beta=true");
        self.send(local(request).set_payload(body.to_string()))
            .await
    }

    async fn say(&self, prompt: &str, stream: bool) -> Answer {
        self.post(&body(prompt, stream)).await
    }
}

fn local(request: service::TestRequest) -> service::TestRequest {
    request.insert_header(("host", "127.0.0.1:1"))
}

fn body(prompt: &str, stream: bool) -> Value {
    json!({
        "model": "claude-sonnet-4-5", "max_tokens": 64, "stream": stream, "some_new_field": {},
        "system": [{"type": "text", "text": "SCENARIO:400"}],
        "messages": [{"role": "user", "content": [
            {"type": "text", "text": "<system-reminder>SCENARIO:500</system-reminder>"},
            {"type": "image", "source": {}},
            {"type": "text", "text": prompt, "cache_control": {"type": "ephemeral"}},
        ]}],
    })
}

#[actix_web::test]
async fn a_text_is_streamed_in_pieces() {
    let answer = Model::default().say("hello", true).await;
    assert_eq!(answer.status, 200);
    assert!(
        answer
            .header("content-type")
            .unwrap()
            .starts_with("text/event-stream")
    );
    let events = answer.events();
    let names: Vec<&str> = events
        .iter()
        .map(|it| it["type"].as_str().unwrap())
        .collect();
    assert_eq!(names[..3], ["message_start", "ping", "content_block_start"]);
    assert_eq!(
        names[names.len() - 3..],
        ["content_block_stop", "message_delta", "message_stop"]
    );
    let start = &events[0]["message"];
    assert_eq!(start["model"], "claude-sonnet-4-5");
    assert_eq!(start["content"], json!([]));
    assert_eq!(
        start["usage"],
        json!({"input_tokens": 100, "cache_creation_input_tokens": 7,
               "cache_read_input_tokens": 3, "output_tokens": 1})
    );
    assert_eq!(
        events[2]["content_block"],
        json!({"type": "text", "text": ""})
    );
    let deltas = events
        .iter()
        .filter(|it| it["type"] == "content_block_delta");
    let pieces: Vec<&str> = deltas
        .map(|it| it["delta"]["text"].as_str().unwrap())
        .collect();
    assert_eq!(pieces, ["Hello ", "from ", "the ", "fake ", "model."]);
    let end = &events[events.len() - 2];
    assert_eq!(
        end["delta"],
        json!({"stop_reason": "end_turn", "stop_sequence": null})
    );
    assert_eq!(end["usage"]["output_tokens"], 25);
}

#[actix_web::test]
async fn thoughts_and_calls_have_their_deltas() {
    let model = Model::default();
    let events = model
        .say("SCENARIO:think \"hm\" \"so\"", true)
        .await
        .events();
    let deltas: Vec<&Value> = events
        .iter()
        .map(|it| &it["delta"])
        .filter(|it| it["type"].is_string())
        .collect();
    assert_eq!(
        deltas[0],
        &json!({"type": "thinking_delta", "thinking": "hm"})
    );
    assert_eq!(deltas[1]["type"], "signature_delta");
    assert_eq!(deltas[2], &json!({"type": "text_delta", "text": "so"}));

    let input = json!({"command": "touch \"a\" && echo ünïcödé of some length"});
    let prompt = format!("SCENARIO:tool Bash {input} Write {{}} out=9");
    let events = model.say(&prompt, true).await.events();
    let calls: Vec<&Value> = events
        .iter()
        .map(|it| &it["content_block"])
        .filter(|it| it["type"] == "tool_use")
        .collect();
    assert_eq!(
        (&calls[0]["name"], &calls[1]["name"]),
        (&json!("Bash"), &json!("Write"))
    );
    assert_eq!(calls[0]["input"], json!({}));
    assert_ne!(calls[0]["id"], calls[1]["id"]);
    let parts = events.iter().filter(|it| it["index"] == 1);
    let json: String = parts
        .filter_map(|it| it["delta"]["partial_json"].as_str())
        .collect();
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), input);
    let end = &events[events.len() - 2];
    assert_eq!(end["delta"]["stop_reason"], "tool_use");
    assert_eq!(end["usage"]["output_tokens"], 9);
}

#[actix_web::test]
async fn an_answer_in_one_document_is_the_same() {
    let model = Model::default();
    let answer = model
        .say("SCENARIO:think \"hm\" \"so\" in=5 out=6", false)
        .await
        .json();
    assert_eq!(answer["type"], "message");
    assert_eq!(answer["content"][0]["thinking"], "hm");
    assert_eq!(answer["content"][1], json!({"type": "text", "text": "so"}));
    assert_eq!(answer["stop_reason"], "end_turn");
    assert_eq!(
        (
            &answer["usage"]["input_tokens"],
            &answer["usage"]["output_tokens"]
        ),
        (&json!(5), &json!(6))
    );
    let call = model.say("SCENARIO:task", false).await.json();
    assert_eq!(call["content"][1]["name"], "Agent");
    let mut old = body("SCENARIO:task", false);
    old["tools"] = json!([{"name": "Task", "input_schema": {}}, {"type": "web_search"}]);
    assert_eq!(model.post(&old).await.json()["content"][1]["name"], "Task");
}

#[actix_web::test]
async fn what_a_tool_gave_is_quoted() {
    let mut asked = body("SCENARIO:tool go", false);
    let turns = asked["messages"].as_array_mut().unwrap();
    turns.push(json!({"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "Bash", "input": {}}]}));
    turns.push(json!({"role": "user", "content": [
        {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "denied"}], "is_error": true},
        {"type": "text", "text": "<system-reminder>more</system-reminder>"},
    ]}));
    turns.push(json!({"role": "system", "content": "SCENARIO:500"}));
    let answer = Model::default().post(&asked).await.json();
    let closing = "The tool failed or was refused: denied";
    assert_eq!(
        answer["content"],
        json!([{"type": "text", "text": closing}])
    );
    asked["messages"][2] = json!({"role": "user", "content": "a plain prompt"});
    let answer = Model::default().post(&asked).await.json();
    assert_eq!(answer["content"][0]["text"], "Hello from the fake model.");
}

#[actix_web::test]
async fn refusals_have_the_form_of_the_api() {
    let model = Model::default();
    for (status, kind) in [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (529, "overloaded_error"),
    ] {
        let answer = model
            .say(&format!("SCENARIO:err{status} retry=no"), true)
            .await;
        assert_eq!(answer.status.as_u16(), status);
        assert_eq!(answer.json()["type"], "error");
        assert_eq!(answer.json()["error"]["type"], kind);
        assert_eq!(answer.header("x-should-retry"), Some("false"));
        assert!(answer.header("request-id").unwrap().starts_with("req_"));
    }
    assert_eq!(
        model.say("SCENARIO:stream_error 500", false).await.status,
        500
    );
    let falter = model.say("SCENARIO:stream_error", true).await;
    assert_eq!(falter.status, 200);
    let last = falter.events().pop().unwrap();
    assert_eq!(
        (&last["type"], &last["error"]["type"]),
        (&json!("error"), &json!("overloaded_error"))
    );
}

#[actix_web::test]
async fn the_first_requests_of_a_mark_are_refused_and_told_when_to_come_again() {
    let model = Model::default();
    let prompt = "SCENARIO:rate_limit 2 after=2500ms limit=five_hour";
    for _ in 0..2 {
        let answer = model.say(prompt, true).await;
        assert_eq!(answer.status, 429);
        assert_eq!(answer.header("retry-after"), Some("3"));
        assert_eq!(
            answer.header("anthropic-ratelimit-requests-remaining"),
            Some("0")
        );
        assert!(
            answer
                .header("anthropic-ratelimit-tokens-reset")
                .unwrap()
                .ends_with('Z')
        );
        assert_eq!(
            answer.header("anthropic-ratelimit-unified-status"),
            Some("rejected")
        );
        let reset: i64 = answer
            .header("anthropic-ratelimit-unified-reset")
            .unwrap()
            .parse()
            .unwrap();
        let left = reset - time::OffsetDateTime::now_utc().unix_timestamp();
        assert!((1..=3).contains(&left), "{left}");
    }
    assert_eq!(model.say(prompt, true).await.status, 200);
    assert_eq!(
        model.say(&format!("{prompt} other"), true).await.status,
        429
    );
    let forgotten = model
        .send(local(service::TestRequest::delete().uri("/_/requests")))
        .await;
    assert_eq!(forgotten.status, 204);
    assert_eq!(model.say(prompt, true).await.status, 429);
}

#[actix_web::test]
async fn bad_requests_are_told_what_was_expected() {
    let model = Model::default();
    let post = |text: &'static str| {
        local(service::TestRequest::post().uri("/v1/messages")).set_payload(text)
    };
    for (text, words) in [
        ("", "EOF"),
        ("{", "EOF"),
        ("[]", "struct Request"),
        (r#"{"messages":[]}"#, "missing field `model`"),
        (r#"{"model":"m","messages":[]}"#, "at least one message"),
        (
            r#"{"model":"m","messages":[{"role":"dog","content":""}]}"#,
            "role `dog`",
        ),
        (
            r#"{"model":"m","messages":[{"role":"user","content":7}]}"#,
            "Content",
        ),
        (
            r#"{"model":"m","messages":[{"role":"user","content":"SCENARIO:dance"}]}"#,
            "`dance` is unknown",
        ),
    ] {
        let answer = model.send(post(text)).await;
        assert_eq!(answer.status, 400, "{text}");
        let told = answer.json()["error"]["message"].to_string();
        assert!(told.contains(words), "{text}: {told}");
    }
    let big =
        local(service::TestRequest::post().uri("/v1/messages"))
            .set_payload(vec![b' '; super::BODY + 1]);
    let answer = model.send(big).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["error"]["type"]),
        (413, &json!("request_too_large"))
    );
    assert_eq!(
        model.get("/v2/messages").await.json()["error"]["type"],
        "not_found_error"
    );
    assert_eq!(model.get("/v1/messages").await.status, 404);
}

#[actix_web::test]
async fn a_web_page_is_refused() {
    let model = Model::default();
    for request in [
        service::TestRequest::get().insert_header(("host", "model.example:80")),
        service::TestRequest::get(),
        local(service::TestRequest::get()).insert_header(("origin", "http://x.example")),
    ] {
        assert_eq!(model.send(request.uri("/_/requests")).await.status, 403);
    }
    for host in ["localhost", "localhost:9", "[::1]", "[::1]:9", "127.0.0.1"] {
        let request = service::TestRequest::get()
            .uri("/")
            .insert_header(("host", host));
        assert_eq!(model.send(request).await.status, 200, "{host}");
    }
}

#[actix_web::test]
async fn requests_are_told_without_their_keys() {
    let model = Model::default();
    let mut asked = body("SCENARIO:text hi", true);
    asked["thinking"] = json!({"type": "enabled", "budget_tokens": 1024});
    asked["output_config"] = json!({"effort": "high"});
    asked["tools"] = json!([{"name": "Bash"}]);
    let request = local(service::TestRequest::post().uri("/v1/messages?beta=true"));
    let request = request
        .insert_header(("x-api-key", "secret-key"))
        .set_payload(asked.to_string());
    model.send(request).await;
    let count = local(service::TestRequest::post().uri("/v1/messages/count_tokens"));
    let counted = model
        .send(count.set_payload(asked.to_string()))
        .await
        .json();
    assert!(counted["input_tokens"].as_u64().unwrap() > 50);
    assert_eq!(
        model.get("/v1/models").await.json()["data"][0]["type"],
        "model"
    );
    assert_eq!(model.get("/v1/models/claude-opus-4-5").await.status, 200);
    assert_eq!(model.get("/v1/models/none").await.status, 404);
    let told = model.get("/_/requests").await;
    assert!(!told.body.contains("secret-key"));
    let told = told.json();
    let mut first = told[0].clone();
    assert!(first["time_ms"].as_i64().unwrap() > 1_700_000_000_000);
    first.as_object_mut().unwrap().remove("time_ms");
    assert_eq!(
        first,
        json!({"method": "POST", "path": "/v1/messages?beta=true", "status": 200, "api_key": true,
               "model": "claude-sonnet-4-5", "scenario": "text hi", "attempt": 1, "messages": 1,
               "tools": 1, "max_tokens": 64, "stream": true,
               "thinking": {"type": "enabled", "budget_tokens": 1024}, "effort": "high"})
    );
    let rest: Vec<&Value> = told.as_array().unwrap()[1..]
        .iter()
        .map(|it| &it["status"])
        .collect();
    assert_eq!(rest, [200, 200, 200, 404]);
    for _ in 0..210 {
        model.get("/nowhere").await;
    }
    assert_eq!(
        model
            .get("/_/requests")
            .await
            .json()
            .as_array()
            .unwrap()
            .len(),
        200
    );
}

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
