//! The document against the routes that are served, the sources and the file that is checked in.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use actix_web::http::Method;
use actix_web::introspection::IntrospectionTree;
use actix_web::test;
use actix_web::{App, web};

use super::codes::CODES;
use super::groups::GROUPS;
use super::*;

/// Codes of frames over a WebSocket.
const ELSEWHERE: [&str; 5] = [
    "id_required",
    "no_terminal",
    "too_many_subscriptions",
    "unknown_channel",
    "unknown_type",
];
/// Codes between parts of the server, which no client hears.
const INSIDE: [&str; 3] = ["schema", "schema_newer", "stale"];

/// `GET /api/agents`, of the document.
fn documented() -> BTreeSet<String> {
    let all = document();
    let mut found = BTreeSet::new();
    for (path, item) in all["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            assert!(METHODS.contains(&method.as_str()), "{method} {path}");
            found.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    found
}

/// The same, of the server itself.
async fn served() -> BTreeSet<String> {
    let list = |tree: web::Data<IntrospectionTree>| async move { tree.report_as_json() };
    let app = App::new()
        .configure(crate::api::routes)
        .route("/routes-of-this-test", web::get().to(list));
    let app = test::init_service(app).await;
    let request = test::TestRequest::get().uri("/routes-of-this-test");
    let told: Value = test::call_and_read_body_json(&app, request.to_request()).await;
    let mut found = BTreeSet::new();
    for route in told.as_array().unwrap() {
        let path = route["full_path"].as_str().unwrap();
        let methods = route["methods"].as_array().unwrap();
        assert!(!methods.is_empty(), "{path} takes every method");
        for method in methods {
            found.insert(format!("{} {path}", method.as_str().unwrap()));
        }
    }
    assert!(found.remove("GET /routes-of-this-test"));
    // It takes a path with a slash at the end for the one without: those are asked themselves.
    for path in slashed() {
        for method in METHODS {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let request = test::TestRequest::with_uri(&path).method(method.clone());
            let reply = test::call_service(&app, request.to_request()).await;
            if reply.status() != 405 {
                found.insert(format!("{method} {path}"));
            }
        }
    }
    found
}

/// Paths of the sources that end with a slash.
fn slashed() -> Vec<String> {
    let doors = sources()
        .into_iter()
        .filter(|file| file.components().any(|part| part.as_os_str() == "api"));
    let texts = doors.map(|file| without_tests(&std::fs::read_to_string(file).unwrap()));
    let paths = texts.flat_map(|text| {
        let named = text.split("resource(\"").skip(1);
        let named = named.map(|rest| rest.split('"').next().unwrap().to_owned());
        named.collect::<Vec<_>>()
    });
    let found: Vec<String> = paths.filter(|path| path.ends_with('/')).collect();
    assert!(found.contains(&"/docs/".to_owned()), "{found:?}");
    found
}

#[actix_web::test]
async fn the_document_has_every_route_that_is_served_and_no_other() {
    let (documented, served) = (documented(), served().await);
    assert!(served.len() > 50, "{served:#?}");
    let unlisted: Vec<_> = served.difference(&documented).collect();
    assert!(unlisted.is_empty(), "not in the document: {unlisted:#?}");
    let invented: Vec<_> = documented.difference(&served).collect();
    assert!(invented.is_empty(), "served by nobody: {invented:#?}");
}

#[actix_web::test]
async fn the_file_that_is_checked_in_is_this_document() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let kept = std::fs::read_to_string(file).unwrap_or_default();
    assert!(
        kept == text(),
        "openapi.json is of another time; renew it: cargo run -q -- openapi > openapi.json"
    );
}

#[actix_web::test]
async fn every_operation_is_whole() {
    let all = document();
    let tags: BTreeSet<&str> = TAGS.iter().map(|(name, _)| *name).collect();
    let mut ids = BTreeSet::new();
    for (path, item) in all["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let place = format!("{method} {path}");
            assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()));
            assert!(
                operation["summary"]
                    .as_str()
                    .is_some_and(|text| text.len() > 5),
                "{place}"
            );
            assert!(
                tags.contains(operation["tags"][0].as_str().unwrap()),
                "{place}"
            );
            let responses = operation["responses"].as_object().unwrap();
            assert!(
                responses
                    .keys()
                    .any(|status| status.starts_with(['1', '2', '3'])),
                "{place}"
            );
            for name in path.split('{').skip(1) {
                let name = name.split('}').next().unwrap();
                let known = operation["parameters"].as_array().unwrap().iter();
                assert_eq!(
                    known.filter(|one| one["name"] == name).count(),
                    1,
                    "{place}"
                );
            }
        }
    }
}

#[actix_web::test]
async fn nothing_is_referred_to_that_is_not_there() {
    fn look(value: &Value, all: &Value) {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(target)) = members.get("$ref") {
                    let pointer = target.strip_prefix('#').unwrap();
                    assert!(all.pointer(pointer).is_some(), "{target}");
                }
                members.values().for_each(|member| look(member, all));
            }
            Value::Array(items) => items.iter().for_each(|item| look(item, all)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let all = document();
    look(&all, &all);
}

#[actix_web::test]
async fn every_code_of_the_document_is_in_the_table_and_every_one_of_the_table_in_the_document() {
    let all = document();
    let mut used: BTreeMap<String, BTreeSet<u16>> = BTreeMap::new();
    for item in all["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            for (status, response) in operation["responses"].as_object().unwrap() {
                for code in response["x-error-codes"].as_array().into_iter().flatten() {
                    let code = code.as_str().unwrap().to_owned();
                    used.entry(code)
                        .or_default()
                        .insert(status.parse().unwrap());
                }
            }
        }
    }
    for code in CODES.iter().filter(|code| !STORE_ONLY.contains(&code.name)) {
        let found = used.remove(code.name).unwrap_or_default();
        assert_eq!(found, BTreeSet::from([code.status]), "{}", code.name);
    }
    assert!(used.is_empty(), "in no table: {used:?}");
    for (group, members) in GROUPS {
        for member in *members {
            let group_of = GROUPS.iter().any(|(name, _)| name == member);
            let known = CODES.iter().any(|code| code.name == *member);
            assert!(group_of || known, "{group}: {member}");
        }
    }
}

/// Codes that rows may give, but no route asks for today.
const STORE_ONLY: [&str; 1] = ["already_exists"];

/// Sources whose codes may reach a client.
fn sources() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut open: Vec<PathBuf> = ["api", "app", "auth", "domain", "runtime", "store"]
        .map(|room| root.join(room))
        .into();
    let mut files = Vec::new();
    while let Some(at) = open.pop() {
        if at.is_dir() {
            open.extend(
                std::fs::read_dir(&at)
                    .unwrap()
                    .map(|one| one.unwrap().path()),
            );
        } else if !at.ends_with("tests.rs") && !at.to_string_lossy().contains("conformance") {
            files.push(at);
        }
    }
    assert!(files.len() > 100, "{files:?}");
    files
}

fn without_tests(text: &str) -> String {
    let code = text.split("\n#[cfg(test)]\nmod ").next().unwrap();
    code.to_owned()
}

/// The codes that these lines make: behind `code:`, and as the first text of a refusal's maker.
fn made(text: &str) -> BTreeSet<String> {
    let text = without_tests(text);
    let makers = [
        "code: ",
        "conflict(",
        "forbidden(",
        "invalid(",
        "unavailable(",
        "refuse(",
        "refused(",
        "Refusal::new(",
        "refuse_scenario(",
    ];
    let mut found = BTreeSet::new();
    for maker in makers {
        for rest in text.split(maker).skip(1) {
            let Some(rest) = rest.trim_start().strip_prefix('"') else {
                continue;
            };
            let word = rest.split('"').next().unwrap();
            let plain = word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            if plain && !word.is_empty() {
                found.insert(word.to_owned());
            }
        }
    }
    found
}

#[actix_web::test]
async fn every_code_of_the_sources_is_told() {
    let mut found = BTreeSet::new();
    for file in sources() {
        found.extend(made(&std::fs::read_to_string(file).unwrap()));
    }
    assert!(found.len() > 50, "{found:?}");
    let known = |code: &String| {
        CODES.iter().any(|known| known.name == code)
            || ELSEWHERE.contains(&code.as_str())
            || INSIDE.contains(&code.as_str())
    };
    let untold: Vec<_> = found.into_iter().filter(|code| !known(code)).collect();
    assert!(
        untold.is_empty(),
        "in no table of document/codes.rs: {untold:?}"
    );
}

#[actix_web::test]
async fn the_pages_ask_no_other_server() {
    let app = test::init_service(App::new().configure(crate::api::routes)).await;
    for path in [
        "/docs/",
        "/swagger",
        "/swagger/",
        "/docs/swagger-initializer.js",
    ] {
        let request = test::TestRequest::get().uri(path).to_request();
        let reply = test::call_service(&app, request).await;
        assert_eq!(reply.status(), 200, "{path}");
        let policy = reply
            .headers()
            .get("content-security-policy")
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        for part in [
            "default-src 'none';",
            "script-src 'self';",
            "connect-src 'self';",
        ] {
            assert!(policy.contains(part), "{part}: {policy}");
        }
        assert!(!policy.contains("http"), "{policy}");
        let body = test::read_body(reply).await;
        let text = String::from_utf8(body.to_vec()).unwrap();
        assert!(!text.contains("://"), "{path}: {text}");
        for file in text.split("=\"/docs/").skip(1) {
            let file = file.split('"').next().unwrap();
            let request = test::TestRequest::get()
                .uri(&format!("/docs/{file}"))
                .to_request();
            assert_eq!(
                test::call_service(&app, request).await.status(),
                200,
                "{file}"
            );
        }
    }
    for path in ["/docs/nothing.js", "/docs/%2e%2e%2fetc"] {
        let request = test::TestRequest::get().uri(path).to_request();
        assert_eq!(
            test::call_service(&app, request).await.status(),
            404,
            "{path}"
        );
    }
}

#[actix_web::test]
async fn a_document_that_is_known_is_not_sent_again() {
    let app = test::init_service(App::new().configure(crate::api::routes)).await;
    let get = || test::TestRequest::get().uri("/openapi.json");
    let reply = test::call_service(&app, get().to_request()).await;
    let tag = reply.headers().get("etag").unwrap().clone();
    let body: Value = test::read_body_json(reply).await;
    assert_eq!(body["openapi"], "3.1.0");
    let again = get().insert_header(("If-None-Match", tag)).to_request();
    assert_eq!(test::call_service(&app, again).await.status(), 304);
    let other = get().insert_header(("If-None-Match", "\"x\"")).to_request();
    assert_eq!(test::call_service(&app, other).await.status(), 200);
}
