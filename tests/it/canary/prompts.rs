//! Secrets that a person says in a prompt: covered in all that is stored and shown, whole to the
//! program that they are for.
//! Never a secret that nobody told the server: such a word is a word.

use diesel::prelude::*;
use reqwest::Method;
use serde_json::{Value, json};

use super::places::{clean, postgres, stored};
use super::{ALL, CONFIG, FROM, SESSION, house, house_on_postgres, raw_log, told};
use crate::app::{Caller, TestApp, until};

/// Says whether it has every byte of each.
fn proof(of: &str) -> String {
    format!(
        "test '{}' = \"$OWN_KEY\" && test '{}' = \"$OF_CONFIG\" && test '{}' = \"$OF_SERVER\" && \
         echo {of}-$((40+2))",
        SESSION.0, CONFIG.0, FROM.0
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_with_secrets_is_covered_and_reaches_its_program_whole() {
    covered_and_whole(house().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgresql_it_is_and_does_too() {
    covered_and_whole(house_on_postgres().await).await;
}

async fn shell(who: &Caller) -> String {
    let body = json!({"agentType": "shell", "permissionMode": "bypassPermissions",
                      "env": {"OWN_KEY": SESSION.0}});
    who.ready_agent(&body).await
}

/// Puts this prompt into a queue that is held.
async fn post(who: &Caller, id: &str, message: &str) -> (String, String) {
    let (note, name) = (format!("for {}", SESSION.0), format!("of {}", SESSION.0));
    let body = json!({"message": message, "metadata": {"note": note, name: 1}});
    let path = format!("/api/agents/{id}/message");
    let taken = who.post_once(&path, &body).await;
    let task = taken.ok(202)["taskId"].as_str().unwrap().to_owned();
    (task, taken.text)
}

async fn ended(who: &Caller, id: &str, task: &str) -> Value {
    let path = format!("/api/agents/{id}/tasks/{task}");
    until(async || who.get(&path).await.ok(200)["outcome"].is_string()).await;
    who.get(&path).await.ok(200)
}

async fn covered_and_whole(mut app: TestApp) {
    let ada = app.sign_in("ada").await;
    let id = shell(&ada).await;
    let path = format!("/api/agents/{id}");
    ada.post_once(&format!("{path}/pause"), &json!({}))
        .await
        .ok(200);
    let (first, reply) = post(&ada, &id, &proof("first")).await;
    clean("the reply", &reply, &ALL);
    let (second, _) = post(&ada, &id, "echo nothing").await;
    let edit = json!({"message": proof("second")});
    let edited = ada.request(Method::PATCH, &format!("{path}/queue/{second}"));
    let edited = ada.ask(edited.json(&edit)).await;
    edited.ok(200);
    clean("the reply of an edit", &edited.text, &ALL);

    let waiting = ada.get(&format!("{path}/queue")).await.text;
    assert!(waiting.contains("test '********"), "{waiting}");
    // What is shown, sent back, is not what was said.
    let tasks: Value = serde_json::from_str(&waiting).unwrap();
    let tasks = tasks["queue"].as_array().unwrap();
    let shown = tasks.iter().find(|task| task["taskId"] == *second).unwrap();
    let shown = shown["message"].as_str().unwrap();
    let again = async |message: String| {
        let edit = ada.request(Method::PATCH, &format!("{path}/queue/{second}"));
        ada.ask(edit.json(&json!({"message": message}))).await
    };
    again(shown.to_owned()).await.ok(200);
    let refused = again(format!("{shown}; echo more")).await;
    refused.fails(400, "covered_words");
    clean("the queue", &waiting, &ALL);
    clean("the replies", &told(&app, &ada, &id).await, &ALL);
    clean("the rows while it waits", &stored(&app), &ALL);
    assert_eq!(sealed(&app), 2);

    // They outlive the server.
    app.kill9();
    app.boot().await;
    let ada = ada.at(&app);
    ada.post_once(&format!("{path}/resume"), &json!({}))
        .await
        .ok(200);
    for (task, of) in [(first, "first-42"), (second, "second-42")] {
        let done = ended(&ada, &id, &task).await;
        assert_eq!(done["outcome"], "completed", "{done}");
        assert!(done.to_string().contains(of), "{done}");
        assert_eq!(
            done["metadata"]["note"],
            format!("for {}", "*".repeat(SESSION.0.len()))
        );
    }
    assert_eq!(sealed(&app), 0);
    assert!(!raw_log(&ada, &id).await.is_empty());
    clean("the replies", &told(&app, &ada, &id).await, &ALL);
    app.stop().await;
    clean("the rows", &stored(&app), &ALL);
    clean("the log", &app.log(), &ALL);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_whose_words_are_damaged_is_withdrawn_and_the_next_one_runs() {
    let mut app = house().await;
    let ada = app.sign_in("ada").await;
    let id = shell(&ada).await;
    let path = format!("/api/agents/{id}");
    ada.post_once(&format!("{path}/pause"), &json!({}))
        .await
        .ok(200);
    let (damaged, _) = post(&ada, &id, &proof("damaged")).await;
    let (sound, _) = post(&ada, &id, &proof("sound")).await;
    app.kill9();
    damage(&app, &damaged);
    app.boot().await;
    let ada = ada.at(&app);
    ada.post_once(&format!("{path}/resume"), &json!({}))
        .await
        .ok(200);
    let lost = ended(&ada, &id, &damaged).await;
    assert_eq!(
        (lost["outcome"].as_str(), lost["reason"].as_str()),
        (Some("stopped"), Some("words_lost")),
        "{lost}"
    );
    let done = ended(&ada, &id, &sound).await;
    assert!(done.to_string().contains("sound-42"), "{done}");
    assert!(app.log().contains("the words of a prompt cannot be opened"));
}

/// Nothing goes out that would say so, and still nothing waits then.
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_whose_only_prompt_is_damaged_is_idle_behind_it() {
    let mut app = house().await;
    let ada = app.sign_in("ada").await;
    let id = shell(&ada).await;
    let path = format!("/api/agents/{id}");
    ada.post_once(&format!("{path}/pause"), &json!({}))
        .await
        .ok(200);
    let (damaged, _) = post(&ada, &id, &proof("damaged")).await;
    app.kill9();
    damage(&app, &damaged);
    app.boot().await;
    let ada = ada.at(&app);
    ada.post_once(&format!("{path}/resume"), &json!({}))
        .await
        .ok(200);
    let lost = ended(&ada, &id, &damaged).await;
    assert_eq!(lost["reason"], "words_lost", "{lost}");
    let idle = async || {
        let now = ada.get(&path).await.ok(200);
        now["detail"] == "idle" && now["queueDepth"] == 0
    };
    until(idle).await;
}

fn damage(app: &TestApp, task: &str) {
    let change = format!("UPDATE tasks SET said = x'0203' WHERE id = '{task}'");
    let mut rows = SqliteConnection::establish(&app.database()).unwrap();
    assert_eq!(diesel::sql_query(change).execute(&mut rows).unwrap(), 1);
}

/// How many tasks have words of their own that are sealed.
fn sealed(app: &TestApp) -> i64 {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        count: i64,
    }
    let query = "SELECT count(*) AS count FROM tasks WHERE said IS NOT NULL";
    let counted: Result<Count, _> = match postgres(app) {
        Some(url) => {
            diesel::sql_query(query).get_result(&mut PgConnection::establish(&url).unwrap())
        }
        None => diesel::sql_query(query)
            .get_result(&mut SqliteConnection::establish(&app.database()).unwrap()),
    };
    counted.unwrap().count
}
