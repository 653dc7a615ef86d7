//! The Anthropic Messages API of a scripted model: answers, counts of tokens, models.
//!
//! Never looks at a key, and never fails on a field that it does not know.

mod answer;
mod refusal;
mod request;
#[cfg(test)]
mod tests;

use actix_web::http::header;
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use serde_json::{Value, json};

use super::conversation::standing;
use super::ledger::{Ledger, Seen};
use super::mark;
use super::playback::{self, Beat, End};
use super::reply::{Ending, Message, Reply, reply};
use super::scenario::Scenario;
use request::Request;

/// The largest body.
const BODY: usize = 32 * 1024 * 1024;

/// The models that are listed; every other one answers too.
const MODELS: &[(&str, &str)] = &[
    ("claude-opus-4-5", "Scripted Opus"),
    ("claude-sonnet-4-5", "Scripted Sonnet"),
    ("claude-haiku-4-5", "Scripted Haiku"),
];

/// The routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/v1/messages", web::post().to(messages))
        .route("/v1/messages/count_tokens", web::post().to(count_tokens))
        .route("/v1/models", web::get().to(models))
        .route("/v1/models/{id}", web::get().to(model));
}

/// What stands nowhere.
pub async fn nowhere(ledger: Data<Ledger>, http: HttpRequest) -> HttpResponse {
    ledger.note(seen(&http, 404));
    let text = format!("{} {} is not found", http.method(), http.path());
    refusal::told(404, &text)
}

/// A request with a foreign `Host` or from a web page.
#[must_use]
pub fn foreign() -> HttpResponse {
    refusal::told(403, "only programs of this machine are answered")
}

async fn messages(ledger: Data<Ledger>, http: HttpRequest, body: Payload) -> HttpResponse {
    let mut seen = seen(&http, 0);
    match asked(&ledger, body, &mut seen).await {
        Ok((request, scenario, reply)) => {
            seen.status = status(&reply);
            ledger.note(seen);
            perform(&request, &scenario, reply).await
        }
        Err((status, text)) => {
            seen.status = status;
            ledger.note(seen);
            refusal::told(status, &text)
        }
    }
}

type Asked = (Request, Scenario, Reply);

/// Reads the request and decides what to play.
async fn asked(ledger: &Ledger, body: Payload, seen: &mut Seen) -> Result<Asked, (u16, String)> {
    let body = whole(body).await?;
    let request = Request::read(&body).map_err(|text| (400, text))?;
    drop(body);
    describe(seen, &request);
    let said = request.said();
    let standing = standing(&said);
    seen.scenario = standing.mark.map(str::to_owned);
    let scenario = match standing.mark {
        Some(mark) => mark::read(mark).map_err(|error| (400, error.to_string()))?,
        None => Scenario::default(),
    };
    if let (Some(mark), 0) = (standing.mark, standing.answers) {
        seen.attempt = ledger.attempt(mark);
    }
    let reply = reply(&scenario, &standing, seen.attempt);
    Ok((request, scenario, reply))
}

async fn whole(body: Payload) -> Result<Bytes, (u16, String)> {
    match body.to_bytes_limited(BODY).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) => Err((400, format!("the body did not come whole: {error}"))),
        Err(_) => Err((413, format!("the body has more than {BODY} bytes"))),
    }
}

fn status(reply: &Reply) -> u16 {
    match reply {
        Reply::Message(_) | Reply::Silence { headers: true, .. } => 200,
        Reply::Refusal(refusal) => refusal.status,
        Reply::Silence { headers: false, .. } => 0,
    }
}

async fn perform(request: &Request, scenario: &Scenario, reply: Reply) -> HttpResponse {
    tokio::time::sleep(scenario.wait).await;
    match reply {
        Reply::Message(message) => play(request, &message),
        Reply::Refusal(refusal) => refusal::played(&refusal),
        Reply::Silence {
            headers: true,
            lasts,
        } => sent(request, Vec::new(), End::Silence(lasts, None)),
        Reply::Silence {
            headers: false,
            lasts,
        } => {
            tokio::time::sleep(lasts).await;
            refusal::told(504, "the scenario's silence is over")
        }
    }
}

fn play(request: &Request, message: &Message) -> HttpResponse {
    if request.stream {
        let (beats, end) = answer::streamed(message, request);
        return sent(request, beats, end);
    }
    if let Ending::Refusal(refusal) = &message.ending {
        return refusal::played(refusal);
    }
    let (beats, end) = answer::whole(message, request);
    sent(request, beats, end)
}

fn sent(request: &Request, beats: Vec<Beat>, end: End) -> HttpResponse {
    let kind = if request.stream {
        "text/event-stream; charset=utf-8"
    } else {
        "application/json"
    };
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, kind))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header(("request-id", answer::id("req")))
        .streaming(playback::body(beats, end))
}

async fn count_tokens(ledger: Data<Ledger>, http: HttpRequest, body: Payload) -> HttpResponse {
    let mut seen = seen(&http, 200);
    let counted = match whole(body).await {
        Ok(body) => Request::read(&body)
            .map(|request| (request, Request::tokens(&body)))
            .map_err(|text| (400, text)),
        Err(refused) => Err(refused),
    };
    let answer = match counted {
        Ok((request, tokens)) => {
            describe(&mut seen, &request);
            HttpResponse::Ok().json(json!({"input_tokens": tokens}))
        }
        Err((status, text)) => {
            seen.status = status;
            refusal::told(status, &text)
        }
    };
    ledger.note(seen);
    answer
}

async fn models(ledger: Data<Ledger>, http: HttpRequest) -> HttpResponse {
    ledger.note(seen(&http, 200));
    let data: Vec<Value> = MODELS.iter().map(|(id, name)| card(id, name)).collect();
    HttpResponse::Ok().json(json!({
        "data": data,
        "has_more": false,
        "first_id": MODELS.first().map(|(id, _)| id),
        "last_id": MODELS.last().map(|(id, _)| id),
    }))
}

async fn model(ledger: Data<Ledger>, http: HttpRequest, id: Path<String>) -> HttpResponse {
    let known = MODELS.iter().find(|(known, _)| *known == id.as_str());
    ledger.note(seen(&http, if known.is_some() { 200 } else { 404 }));
    match known {
        Some((id, name)) => HttpResponse::Ok().json(card(id, name)),
        None => refusal::told(404, "there is no such model"),
    }
}

fn card(id: &str, name: &str) -> Value {
    json!({"type": "model", "id": id, "display_name": name, "created_at": "2026-01-01T00:00:00Z"})
}

fn seen(http: &HttpRequest, status: u16) -> Seen {
    let key = |name: &str| http.headers().get(name).is_some_and(|it| !it.is_empty());
    let path = http.uri().path_and_query();
    Seen {
        method: http.method().to_string(),
        path: path.map(ToString::to_string).unwrap_or_default(),
        status,
        api_key: key("x-api-key") || key("authorization"),
        ..Seen::now()
    }
}

fn describe(seen: &mut Seen, request: &Request) {
    seen.model = Some(request.model.clone());
    seen.messages = request.length();
    seen.tools = request.tools();
    seen.max_tokens = request.max_tokens;
    seen.stream = request.stream;
    seen.thinking = request.thinking.clone();
    seen.effort = request.effort().map(str::to_owned);
}
