//! Finds: operators, order, pages, totals, what is shown; and what is refused.

use super::*;

async fn titles(who: &Caller, query: &str) -> (u64, Vec<String>) {
    let page = who.get(&format!("/sessions?{query}")).await.ok(200);
    let titles = page["data"].as_array().unwrap().iter();
    let titles = titles.map(|one| one["title"].as_str().unwrap().to_owned());
    (page["total"].as_u64().unwrap(), titles.collect())
}

async fn five(app: &TestApp, who: &Caller) -> Vec<String> {
    let mut ids = Vec::new();
    for title in ["a", "b", "c", "d", "e"] {
        let body = json!({"title": title, "cwd": app.dir(), "custom_context": {"n": title}});
        ids.push(id(&session(who, &body).await).to_owned());
    }
    ids
}

#[tokio::test]
async fn every_operator_finds_what_it_says() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let ids = five(&app, &ada).await;
    let up = "$sort[created_at]=1&$sort[session_id]=1";
    let second = ada.get(&format!("/sessions/{}", ids[1])).await.ok(200);
    let at = second["created_at"].as_str().unwrap();
    for (query, found) in [
        (String::new(), "abcde"),
        ("title=b".into(), "b"),
        ("title[$ne]=b".into(), "acde"),
        ("title[$in][]=a&title[$in][]=e".into(), "ae"),
        ("title[$in][0]=a&title[$in][1]=e".into(), "ae"),
        ("title[$nin][]=a&title[$nin][]=e".into(), "bcd"),
        ("title[$gt]=b&title[$lte]=d".into(), "cd"),
        ("title[$gte]=b&title[$lt]=d".into(), "bc"),
        ("$or[0][title]=a&$or[1][title]=c".into(), "ac"),
        ("$or[0][title]=a&$or[1][title]=c&title[$ne]=a".into(), "c"),
        (format!("session_id={}", ids[3]), "d"),
        (format!("created_at[$lt]={at}"), "a"),
        ("status=idle".into(), "abcde"),
        ("status[$in][]=running&status[$in][]=failed".into(), ""),
        ("agentic_tool=script".into(), "abcde"),
        ("agentic_tool=claude-code".into(), ""),
        ("agentic_tool=cursor".into(), ""),
        ("archived=false".into(), "abcde"),
        ("archived=true".into(), ""),
    ] {
        let (total, found_now) = titles(&ada, &format!("{query}&{up}")).await;
        assert_eq!(found_now.concat(), found, "{query}");
        assert_eq!(total, u64::try_from(found.len()).unwrap(), "{query}");
    }
}

/// The total is of what matches, whatever page is shown (contract/agor.md 2).
#[tokio::test]
async fn pages_go_on_to_the_end_of_what_matches() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    five(&app, &ada).await;
    let mut all = String::new();
    for skip in 0..6 {
        let query = format!("title[$ne]=c&$limit=1&$skip={skip}&$sort[title]=-1");
        let (total, found) = titles(&ada, &query).await;
        assert_eq!(total, 4);
        all.push_str(&found.concat());
    }
    assert_eq!(all, "edba");
    let none = ada.get("/sessions?$limit=0").await.ok(200);
    assert_eq!((&none["total"], &none["data"]), (&json!(5), &json!([])));
    // The newest first, where nobody says otherwise.
    assert_eq!(titles(&ada, "$limit=2").await.1.concat(), "ed");
    let page = ada.get("/sessions?$select[]=title&$limit=1").await.ok(200);
    let shown = page["data"][0].as_object().unwrap();
    assert_eq!(shown.keys().collect::<Vec<_>>(), ["session_id", "title"]);
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_by_its_name() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    for (query, field) in [
        ("nothing=1", "nothing"),
        ("status=asleep", "status"),
        ("title[$like]=a", "title.$like"),
        ("$limit=-1", "$limit"),
        ("$limit=10001", "$limit"),
        ("$skip=x", "$skip"),
        ("$sort[none]=1", "$sort.none"),
        ("a[b=1", "a[b"),
    ] {
        for service in ["sessions", "tasks"] {
            let refused = ada.get(&format!("/{service}?{query}")).await;
            if service == "tasks" && query.starts_with("title") {
                continue;
            }
            let refused = refused.fails(400, "bad_query");
            assert_eq!(refused["data"]["field"], field, "{service}?{query}");
            assert_eq!(refused["className"], "bad-request");
        }
    }
    let wrong = ada.request(reqwest::Method::PUT, "/sessions");
    answer(wrong).await.fails(405, "method_not_allowed");
    let lost = ada
        .get("/sessions/0199c0de-0000-4000-8000-000000000000")
        .await;
    let lost = lost.fails(404, "not_found");
    assert_eq!(lost["name"], "NotFound");
}

/// Nobody finds what is a stranger's, by whatever condition.
#[tokio::test]
async fn finds_end_at_the_owner() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.sign_in("ada").await, app.sign_in("bob").await);
    let ids = five(&app, &ada).await;
    for query in [
        "",
        "$or[0][title]=a&$or[1][status]=idle",
        "created_by[$ne]=x",
    ] {
        assert_eq!(titles(&bob, query).await, (0, Vec::new()), "{query}");
    }
    let prompt = json!({"prompt": "hi"});
    let path = format!("/sessions/{}", ids[0]);
    ada.post(&format!("{path}/prompt"), &prompt).await.ok(201);
    let tasks = bob.get("/tasks").await.ok(200);
    assert_eq!((&tasks["total"], &tasks["data"]), (&json!(0), &json!([])));
    bob.get(&path).await.fails(404, "not_found");
    bob.get(&format!("/sessions/{}", ids[0].get(..8).unwrap()))
        .await
        .fails(404, "not_found");
    let admin = app.sign_in("admin").await;
    assert_eq!(titles(&admin, "").await.0, 5);
}

#[tokio::test]
async fn one_is_found_by_the_beginning_of_its_id() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let one = session(&ada, &json!({"title": "one"})).await;
    for length in [8, 13, 36] {
        let path = format!("/sessions/{}", id(&one).get(..length).unwrap());
        assert_eq!(
            ada.get(&path).await.ok(200)["session_id"],
            one["session_id"]
        );
    }
    let mut known = std::collections::HashMap::new();
    let twins = loop {
        let made = session(&ada, &json!({})).await;
        let first = id(&made).get(..1).unwrap().to_owned();
        if known.insert(first.clone(), ()).is_some() {
            break first;
        }
    };
    let refused = ada.get(&format!("/sessions/{twins}")).await;
    let refused = refused.fails(400, "ambiguous_id");
    assert!(
        refused["data"]["expected"]
            .as_str()
            .unwrap()
            .contains(&twins)
    );
}
