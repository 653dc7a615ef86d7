//! What a socket asks for, done: one at a time where it is about who is signed in, else some at once.
//!
//! Never without an answer where one is wanted, also when what answers panics.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use actix_web::http::Method as HttpMethod;
use futures_util::FutureExt;
use serde_json::{Map, Value, json};
use tokio::sync::{Semaphore, mpsc};

use super::link::{Link, Request, answered};
use super::packet::{Addressed, Packet};
use super::words;
use crate::api::feathers::call::{Call, Method};
use crate::api::feathers::{fault, services};
use crate::api::shared::needs::needs;
use crate::app::{Caller, Visit};
use crate::crash;
use crate::domain::{Error, Result};

/// Calls of one socket that are under way at the same time.
const AT_ONCE: usize = 8;
/// The service that signs in and out.
const AUTHENTICATION: &str = "authentication";
/// The one that gives a new token for the next of an old one.
const REFRESH: &str = "authentication/refresh";

/// Answers what a connection asks for, until it is over.
pub async fn answer(link: Arc<Link>, mut asked: mpsc::Receiver<Request>) {
    let room = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let request = tokio::select! {
            request = asked.recv() => request,
            () = link.outbox.wait_end() => None,
        };
        let Some(request) = request else { return };
        let bytes = request.bytes();
        // It waits behind answers that are not read.
        if !link.outbox.wait_room_behind().await {
            return;
        }
        let (id, all) = match request {
            Request::Connect(auth) => {
                connect(&link, &auth).await;
                continue;
            }
            Request::Call(id, all, _) => (id, all),
        };
        // Who asks is who is signed in now, whatever comes behind.
        let visit = link.visit();
        if all.get(1).and_then(Value::as_str).is_some_and(signs_in) {
            // What comes behind it is asked by who it leaves signed in.
            acknowledged(&link, visit, (id, all, bytes)).await;
            continue;
        }
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        let serving = Arc::clone(&link);
        link.outbox.serve(Caller::carry(async move {
            acknowledged(&serving, visit, (id, all, bytes)).await;
            drop(permit);
        }));
    }
}

/// Answers one call.
async fn acknowledged(
    link: &Link,
    visit: Option<Visit>,
    (id, all, bytes): (Option<u64>, Vec<Value>, usize),
) {
    let answer = caught(link, visit, &all).await;
    link.done(bytes);
    if let Some(id) = id
        && link.outbox.wait_room_behind().await
    {
        link.outbox.push(answered(id, answer).write());
    }
}

/// Lets a client in, signed in if it brings a token.
async fn connect(link: &Link, auth: &Value) {
    let entered = match token(link, auth) {
        Ok(Some(token)) => enter(link, &token).await,
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    let packet = match entered {
        Ok(()) if link.connect() => Packet::Connect(json!({"sid": link.socket})),
        Ok(()) => return,
        Err(error) => {
            let data = told(&error);
            let message = data.get("message").cloned().unwrap_or_default();
            Packet::ConnectError(json!({"message": message, "data": data}))
        }
    };
    link.say(&Addressed::new(packet));
}

/// What a client signs in by in its handshake.
fn token(link: &Link, auth: &Value) -> Result<Option<String>> {
    match auth.get("token") {
        None | Some(Value::Null) => link.token.clone(),
        Some(Value::String(token)) => Ok(Some(token.clone())),
        Some(_) => {
            let message = "the token of the handshake is no text";
            Err(Error::invalid("bad_field", "token", message, "a token"))
        }
    }
}

async fn enter(link: &Link, token: &str) -> Result<()> {
    let visit = link.app.authenticate(token).await?;
    link.enter(&visit).await
}

/// A failure in the client's words; one of ours is logged.
fn told(error: &Error) -> Value {
    if let Error::Internal(text) = error {
        tracing::error!(error = %text, "a call of a socket failed");
    }
    fault::wire(error)
}

/// The answer, also when what answers panics.
async fn caught(
    link: &Link,
    visit: Option<Visit>,
    all: &[Value],
) -> std::result::Result<Value, Value> {
    let answering = AssertUnwindSafe(called(link, visit, all)).catch_unwind();
    match answering.await {
        Ok(answer) => answer,
        Err(_panic) => {
            tracing::error!("a call of a socket panicked");
            Err(fault::wire(&Error::internal("a call panicked")))
        }
    }
}

async fn called(
    link: &Link,
    visit: Option<Visit>,
    all: &[Value],
) -> std::result::Result<Value, Value> {
    let name = all.first().and_then(Value::as_str).unwrap_or_default();
    let path = all.get(1).and_then(Value::as_str).map(trimmed);
    if visit.is_none() && !path.is_some_and(signs_in) {
        return Err(words::not_signed_in());
    }
    let method = Method::parse(name).ok_or_else(|| words::no_method(name))?;
    let call = call(method, all).map_err(|error| told(&error))?;
    crash::point("socket.call");
    match (path, visit) {
        (Some(AUTHENTICATION), visit) => authentication(link, visit, call).await,
        (Some(REFRESH), visit) => refreshed(link, visit, call).await,
        (_, Some(visit)) => {
            let answer = Box::pin(served(link, &visit, call));
            let answer = Caller::acting(visit.who.sid.clone(), answer).await;
            answer.map_err(|error| told(&error))
        }
        (_, None) => Err(words::not_signed_in()),
    }
}

/// Signs in or out.
async fn authentication(
    link: &Link,
    visit: Option<Visit>,
    call: Call,
) -> std::result::Result<Value, Value> {
    let done = match (call.method, visit) {
        (Method::Create, _) => signed_in(link, &call.data).await,
        (Method::Remove, Some(visit)) => signed_out(link, &visit).await,
        (Method::Remove, None) => return Err(words::not_signed_in()),
        (Method::Find | Method::Get | Method::Update | Method::Patch, _) => {
            return Err(words::not_taken(AUTHENTICATION, call.method.name()));
        }
    };
    done.map_err(|error| told(&error))
}

/// A new token; who is signed in goes on with it.
async fn refreshed(
    link: &Link,
    visit: Option<Visit>,
    call: Call,
) -> std::result::Result<Value, Value> {
    if call.method != Method::Create {
        return Err(words::not_taken(REFRESH, call.method.name()));
    }
    let done = async {
        let entered = services::refresh(&link.app, &call.data).await?;
        if visit.is_some_and(|visit| visit.who.user == entered.visit.who.user) {
            link.enter(&entered.visit).await?;
        }
        Ok(entered.reply)
    };
    done.await.map_err(|error| told(&error))
}

async fn signed_in(link: &Link, data: &Value) -> Result<Value> {
    let entered = services::sign_in(&link.app, data).await?;
    link.enter(&entered.visit).await?;
    Ok(entered.reply)
}

/// The end of the token ends all that it opened, but not the socket that asks for it.
async fn signed_out(link: &Link, visit: &Visit) -> Result<Value> {
    link.leave()?;
    Caller::acting(visit.who.sid.clone(), services::leave(&link.app, visit)).await
}

async fn served(link: &Link, visit: &Visit, call: Call) -> Result<Value> {
    let method = match call.method {
        Method::Find | Method::Get => HttpMethod::GET,
        Method::Create => HttpMethod::POST,
        Method::Update => HttpMethod::PUT,
        Method::Patch => HttpMethod::PATCH,
        Method::Remove => HttpMethod::DELETE,
    };
    // What a key may do is asked of the path that the same call has over REST.
    let path = format!("/{}", call.path);
    let what = format!("{} {}", call.method.name(), call.path);
    let needed = needs(&method, &path);
    link.app.admit(&visit.who, needed, &what).await?;
    services::answer(&link.app, visit, call).await
}

/// Whether a path is that of signing in and out.
fn signs_in(path: &str) -> bool {
    [AUTHENTICATION, REFRESH].contains(&trimmed(path))
}

fn trimmed(path: &str) -> &str {
    path.trim_matches('/')
}

/// Reads the arguments of a call: its name, the path, then an id, data and a query as the method
/// takes them.
fn call(method: Method, all: &[Value]) -> Result<Call> {
    let mut rest = all.iter().skip(1);
    let path = rest.next().and_then(Value::as_str).map(trimmed);
    let path = path.filter(|path| !path.is_empty());
    let path = path.ok_or_else(|| argument("path", "the path of a service"))?;
    let id = match method.takes_id() {
        true => id(rest.next())?,
        false => None,
    };
    if method == Method::Get && id.is_none() {
        return Err(argument("id", "an id"));
    }
    let data = match method.takes_data() {
        true => data(rest.next())?,
        false => Value::Null,
    };
    let query = query(rest.next())?;
    match rest.next() {
        None => Ok(Call {
            method,
            path: path.to_owned(),
            id,
            data,
            query,
            key: None,
        }),
        Some(_) => Err(argument("arguments", "no more arguments")),
    }
}

fn id(value: Option<&Value>) -> Result<Option<String>> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(id)) if !id.is_empty() => Ok(Some(id.clone())),
        Some(Value::Number(id)) => Ok(Some(id.to_string())),
        Some(Value::String(_) | Value::Bool(_) | Value::Array(_) | Value::Object(_)) => {
            Err(argument("id", "an id, or null"))
        }
    }
}

fn data(value: Option<&Value>) -> Result<Value> {
    match value {
        None => Ok(Value::Null),
        Some(value @ (Value::Null | Value::Object(_) | Value::Array(_))) => Ok(value.clone()),
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
            Err(argument("data", "an object, or a list of objects"))
        }
    }
}

fn query(value: Option<&Value>) -> Result<Map<String, Value>> {
    match value {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(query)) => Ok(query.clone()),
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            Err(argument("query", "an object"))
        }
    }
}

fn argument(field: &str, expected: &str) -> Error {
    let message = format!("the call's `{field}` is missing, of a wrong type or too much");
    Error::invalid("bad_field", field, message, expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(all: Value) -> Result<Call> {
        let all = all.as_array().unwrap().clone();
        let name = all[0].as_str().unwrap();
        call(Method::parse(name).unwrap(), &all)
    }

    #[test]
    fn arguments_are_read_by_what_the_method_takes() {
        let call = read(json!(["find", "/sessions/", {"$limit": 1}])).unwrap();
        assert_eq!(
            (call.path.as_str(), call.id, call.data),
            ("sessions", None, Value::Null)
        );
        assert_eq!(call.query["$limit"], 1);
        let call = read(json!(["patch", "tasks", "x", {"a": 1}, {}])).unwrap();
        assert_eq!(
            (call.id.as_deref(), &call.data),
            (Some("x"), &json!({"a": 1}))
        );
        let call = read(json!(["create", "sessions/x/stop"])).unwrap();
        assert_eq!((call.data, call.query.len()), (Value::Null, 0));
        let call = read(json!(["remove", "tasks", null, {"a": 1}])).unwrap();
        assert_eq!((call.id, call.query.len()), (None, 1));
        assert_eq!(
            read(json!(["get", "users", 7, {}])).unwrap().id.as_deref(),
            Some("7")
        );
    }

    #[test]
    fn wrong_arguments_are_refused_by_their_name() {
        for (all, field) in [
            (json!(["find"]), "path"),
            (json!(["find", 7]), "path"),
            (json!(["find", "/"]), "path"),
            (json!(["find", "x", [1]]), "query"),
            (json!(["find", "x", {}, {}]), "arguments"),
            (json!(["get", "x", null, {}]), "id"),
            (json!(["get", "x", true, {}]), "id"),
            (json!(["patch", "x", {}, {}, {}]), "id"),
            (json!(["create", "x", "text", {}]), "data"),
            (json!(["update", "x", "1", {}, "q"]), "query"),
        ] {
            let error = read(all.clone()).unwrap_err();
            let told = fault::wire(&error);
            assert_eq!(
                (&told["name"], &told["data"]["field"]),
                (&json!("BadRequest"), &json!(field)),
                "{all}"
            );
        }
    }
}
