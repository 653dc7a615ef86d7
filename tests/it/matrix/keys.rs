//! Every route and every socket with API keys: what their scopes and their people allow.
//! Never a key that goes further than either.

use serde_json::Value;

use super::credentials::{Key, Person};
use super::rules::{RULES, Right};
use super::sockets::{PLACES, knock, sockets};
use super::stage::Stage;
use crate::app::{Document, answer};

#[tokio::test]
async fn a_key_goes_as_far_as_its_scopes_and_its_person() {
    let stage = Stage::set().await;
    let keys = Key::all(&stage).await;
    for rule in RULES {
        for (n, key) in keys.iter().enumerate() {
            let of = stage.object(rule, key.stands_for()).await;
            let request = stage.request(rule, &of);
            // By either header: both carry the same.
            let request = match n % 2 {
                0 => request.bearer_auth(&key.text),
                _ => request.header("x-api-key", &key.text),
            };
            let reply = answer(request).await;
            let (expected, code) = rule.expected_of(key);
            let place = format!(
                "{} by a key of {:?} for {:?}: {}",
                rule.route, key.person, key.scopes, reply.text
            );
            assert!(
                expected.contains(&reply.status.as_u16()),
                "{} is not {expected:?}: {place}",
                reply.status
            );
            if let Some(code) = code {
                assert_eq!(reply.code(), code, "{place}");
            }
        }
    }
}

#[test]
fn the_document_names_the_scopes_that_the_table_asks_for() {
    for rule in RULES {
        let (method, path) = rule.route.split_once(' ').unwrap();
        let told = Document::kept().scopes(method, path);
        let asked = (rule.right != Right::Open).then(|| Value::from(rule.takes().scopes()));
        assert_eq!(told, asked.as_ref(), "{}", rule.route);
    }
}

#[tokio::test]
async fn a_key_opens_sockets_to_look_at() {
    let stage = Stage::set().await;
    for key in Key::all(&stage).await {
        let caller = stage.caller(key.person);
        let person = key.stands_for();
        let foreign = matches!(person, Person::Stranger | Person::Viewer);
        for path in sockets(&stage.owned.agent.id) {
            let expected = match (key.has("read"), foreign && path != "/ws") {
                (false, _) => Some(403),
                (true, true) => Some(404),
                (true, false) => None,
            };
            for place in PLACES {
                let tried = knock(caller, &path, place, &key.text).await.err();
                let status = tried.map(|reply| reply.status.as_u16());
                let named = format!("{:?} for {:?}", key.person, key.scopes);
                assert_eq!(status, expected, "{path} by {named} as {place}");
            }
        }
    }
}
