//! `key create`, `key list` and `key revoke`.
//!
//! Never prints a key but the one that was made just now, and that on stdout alone.

use reqwest::Method;
use serde_json::{Value, json};

use super::super::args::{JsonArgs, KeyAction, KeyArgs, KeyCreateArgs};
use super::super::client::{Client, Request};
use super::super::failure::{Exit, Failure};
use super::super::find::{self, short};
use super::super::render::field;
use super::super::{clock, out};

const PATH: &str = "/api/v1/user/api-keys";

/// Does what was asked.
pub fn key(client: &Client, args: KeyArgs) -> Result<Exit, Failure> {
    match args.action {
        KeyAction::Create(args) => create(client, &args),
        KeyAction::List(args) => list(client, args),
        KeyAction::Revoke { id } => revoke(client, &id),
    }
}

fn create(client: &Client, args: &KeyCreateArgs) -> Result<Exit, Failure> {
    let mut body = json!({ "name": args.name });
    if let Some(fields) = body.as_object_mut() {
        if !args.scope.is_empty() {
            fields.insert("scopes".into(), json!(args.scope));
        }
        if let Some(life) = args.expires {
            let at = clock::from_now(life).ok_or_else(|| {
                Failure::new(Exit::Usage, "the key would live too long")
                    .mend("leave --expires out for a key without an end")
            })?;
            fields.insert("expiresAt".into(), at.into());
        }
    }
    let request = Request::post(PATH)
        .body(body)
        .key(uuid::Uuid::new_v4().to_string());
    let made: Value = client.json(&request)?;
    if args.json {
        out::json(&made)?;
        return Ok(Exit::Completed);
    }
    let raw = field(&made, &["rawKey"])
        .ok_or_else(|| Failure::new(Exit::Failed, "the server made a key and did not show it"))?;
    out::line(&raw)?;
    let id = field(&made, &["id"]).unwrap_or_default();
    out::note(&format!(
        "the key {} ({}), {}; it is not shown again",
        short(&id),
        scopes(&made),
        match field(&made, &["expiresAt"]) {
            Some(at) => format!("good until {at}"),
            None => "without an end".to_owned(),
        }
    ));
    Ok(Exit::Completed)
}

fn list(client: &Client, args: JsonArgs) -> Result<Exit, Failure> {
    let keys: Vec<Value> = client.json(&Request::get(PATH))?;
    if args.json {
        out::json(&Value::Array(keys))?;
        return Ok(Exit::Completed);
    }
    let rows = keys.iter().map(row).collect();
    out::line(&out::table(
        &["ID", "NAME", "KEY", "SCOPES", "AGE", "USED", "EXPIRES"],
        rows,
    ))?;
    if keys.is_empty() {
        out::note("no keys; make one: callboard key create NAME");
    }
    Ok(Exit::Completed)
}

fn row(key: &Value) -> Vec<String> {
    let text = |name: &str| field(key, &[name]).unwrap_or_default();
    let used = field(key, &["lastUsedAt"]).map_or_else(|| "-".to_owned(), |at| clock::age(&at));
    vec![
        short(&text("id")).to_owned(),
        text("name"),
        format!("{}...", text("prefix")),
        scopes(key),
        clock::age(&text("createdAt")),
        used,
        field(key, &["expiresAt"]).unwrap_or_else(|| "never".to_owned()),
    ]
}

fn scopes(key: &Value) -> String {
    let words = key.get("scopes").and_then(Value::as_array);
    let words: Vec<&str> = words
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    words.join(",")
}

fn revoke(client: &Client, typed: &str) -> Result<Exit, Failure> {
    let keys: Vec<Value> = client.json(&Request::get(PATH))?;
    let id = picked(&keys, typed)?;
    client.send(&Request::of(Method::DELETE, format!("{PATH}/{id}")))?;
    out::note(&format!("revoked {}", short(&id)));
    Ok(Exit::Completed)
}

/// A key by its name, where only one has it, or by its id.
fn picked(keys: &[Value], typed: &str) -> Result<String, Failure> {
    let named: Vec<String> = keys
        .iter()
        .filter(|key| field(key, &["name"]).as_deref() == Some(typed))
        .filter_map(|key| field(key, &["id"]))
        .collect();
    if let [only] = named.as_slice() {
        return Ok(only.clone());
    }
    let ids: Vec<String> = keys.iter().filter_map(|key| field(key, &["id"])).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    find::pick(&ids, typed, "key").map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{Answer, Fake};
    use super::*;

    fn keys() -> Vec<Value> {
        vec![
            json!({"id": "1f0c0000-0000-4000-8000-00000000000a", "name": "ci", "scopes": ["read", "write"]}),
            json!({"id": "2f0c0000-0000-4000-8000-00000000000b", "name": "twice"}),
            json!({"id": "3f0c0000-0000-4000-8000-00000000000c", "name": "twice"}),
        ]
    }

    #[test]
    fn a_key_is_picked_by_name_or_id() {
        let pick = |typed| picked(&keys(), typed);
        assert!(pick("ci").unwrap().starts_with("1f0c"));
        assert!(pick("2f0c").unwrap().starts_with("2f0c"));
        assert_eq!(pick("twice").unwrap_err().exit, Exit::NotFound);
        assert_eq!(scopes(&keys()[0]), "read,write");
    }

    #[test]
    fn a_creation_names_scopes_and_end_and_can_be_repeated() {
        let fake = Fake::start(|_, _| {
            Answer::Json(
                201,
                r#"{"id":"1f0c0000","rawKey":"agor_sk_x","scopes":["read"]}"#.into(),
            )
        });
        let client = Client::new(&fake.url, Some("t".into())).unwrap();
        let args = KeyCreateArgs {
            name: "ci".into(),
            scope: vec!["read".into()],
            expires: Some(std::time::Duration::from_secs(60)),
            json: false,
        };
        assert_eq!(create(&client, &args).unwrap(), Exit::Completed);
        let got = &fake.seen()[0];
        assert_eq!(got.line, format!("POST {PATH}"));
        assert!(got.header("idempotency-key").is_some());
        let body: Value = serde_json::from_str(&got.body).unwrap();
        assert_eq!(body["scopes"], json!(["read"]));
        assert!(body["expiresAt"].as_str().unwrap().ends_with('Z'));
    }
}
