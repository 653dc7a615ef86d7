//! People: accounts, registration, the brake on guessing, and what ends with somebody's rights.
//! Never a foreign thing seen, through any door.

mod accounts;
mod cli;
mod register;
mod shut;
mod strangers;
pub mod throttle;

use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{Answer, Caller, PASSWORD, TestApp, answer};

const USERS: &str = "/api/users";
const INVITES: &str = "/api/v1/invites";

/// Another password than everybody's.
const OTHER: &str = "staple battery horse";

/// The id of an account.
pub async fn id_of(admin: &Caller, name: &str) -> String {
    let page = admin.get(&format!("{USERS}?username={name}")).await.ok(200);
    page["users"][0]["id"].as_str().unwrap().to_owned()
}

/// Changes an object.
pub async fn patch(who: &Caller, path: &str, body: &Value) -> Answer {
    answer(who.request(Method::PATCH, path).json(body)).await
}

/// Makes an account with everybody's password and signs it in.
pub async fn hire(app: &TestApp, by: &Caller, name: &str, role: &str) -> Caller {
    let body = json!({"username": name, "password": PASSWORD, "role": role});
    by.post(USERS, &body).await.ok(201);
    app.sign_in(name).await
}

/// Signs in, or is refused.
async fn login(app: &TestApp, name: &str, password: &str) -> Answer {
    let body = json!({"username": name, "password": password});
    answer(app.http.post(app.url() + "/api/auth/login").json(&body)).await
}
