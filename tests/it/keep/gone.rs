//! The file of the database, taken away under the server or exchanged for another one.

use super::*;
use crate::app::{answer, until};
use crate::keys::KEYS;

/// What stands in the health of the server under `writes`, once that is not well.
async fn told(app: &TestApp) -> Value {
    let look = async || {
        answer(app.http.get(app.url() + "/health/detailed"))
            .await
            .ok(200)
    };
    until(async || look().await["services"]["writes"]["status"] == "unhealthy").await;
    look().await["services"]["writes"].clone()
}

#[tokio::test]
async fn a_file_that_is_gone_is_written_no_more_until_it_is_back() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let id = ada
        .agent(&json!({"agentType": "script", "start": false}))
        .await;
    let (one, body) = (format!("/api/agents/{id}"), json!({"name": "ci"}));
    let (file, aside) = (app.dir().join("callboard.db"), app.dir().join("aside.db"));
    std::fs::rename(&file, &aside).unwrap();
    let refused = ada.post(KEYS, &body).await;
    refused.fails(503, "database_gone");
    assert!(refused.headers.contains_key("retry-after"));
    // What is read is read, and everybody is told.
    assert_eq!(ada.get(&one).await.ok(200)["detail"], "created");
    let writes = told(&app).await;
    assert!(
        writes["message"]
            .as_str()
            .unwrap()
            .contains("removed or replaced"),
        "{writes}"
    );
    let ready = answer(app.http.get(app.url() + "/health/ready")).await;
    assert_eq!(ready.ok(503)["reason"], "database_writes");
    // Another file under the name is none of ours: nothing of it is read either.
    std::fs::copy(&aside, &file).unwrap();
    ada.get("/api/agents?limit=1")
        .await
        .fails(503, "database_gone");
    std::fs::rename(&aside, &file).unwrap();
    until(async || ada.post(KEYS, &body).await.status == 201).await;
    let ready = async || {
        answer(app.http.get(app.url() + "/health/ready"))
            .await
            .status
    };
    until(async || ready().await == 200).await;
    assert_eq!(ada.get(KEYS).await.ok(200).as_array().unwrap().len(), 1);
}
