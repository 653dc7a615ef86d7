//! The wire form of the Messages API, over the routes and over a real socket.
//!
//! Never sleeps: a pause is played by the server and waited for by reading.

mod refusals;
mod running;

use actix_web::http::StatusCode;
use actix_web::middleware::from_fn;
use actix_web::web::Data;
use actix_web::{App, test as service};
use serde_json::{Value, json};

use super::super::ledger::Ledger;
use super::super::server::{own_machine, routes};

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
