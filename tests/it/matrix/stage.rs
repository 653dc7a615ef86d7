//! A server on which everybody has signed in, and what they ask it for.
//! Never one object for two requests where asking changes it.

use callboard::domain::{
    Facts, Kind, Options, PermissionMode, Session, SessionId, Status, Timestamp,
};
use callboard::store::sessions::{self, NewSessionRow};
use callboard::store::{Store, users};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::credentials::Person;
use super::document::Document;
use super::rules::{Right, Rule};
use crate::app::{Answer, Caller, PASSWORD, TestApp};
use crate::keys::with_key;

/// Room for the sockets that a test opens one after the other.
const SETTINGS: &str = "[limits]\nsockets_per_user = 200\n";

/// What a path names.
#[derive(Clone)]
pub struct Object {
    /// Of an agent, an account, an invitation or a key.
    pub id: String,
    /// Of an agent: a task that waits.
    pub task: String,
}

impl Object {
    fn of(id: &Value) -> Self {
        Self {
            id: id.as_str().unwrap().to_owned(),
            task: String::new(),
        }
    }
}

/// A server on which everybody has signed in, and a viewer owns an agent.
pub struct Stage {
    pub app: TestApp,
    pub document: Document,
    callers: Vec<(Person, Caller)>,
    /// The agent of the owner.
    pub owned: Object,
    /// That of the viewer, who made it when they still were a member.
    pub viewed: Object,
}

impl Stage {
    pub async fn set() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut app = TestApp::prepared(dir, SETTINGS).await;
        let viewed = own_by_viewer(&app).await.to_string();
        app.boot().await;
        let mut callers = Vec::new();
        let amy =
            json!({"username": Person::Admin.username(), "password": PASSWORD, "role": "admin"});
        let first = app.sign_in(Person::Superadmin.username()).await;
        first.post("/api/users", &amy).await.ok(201);
        for person in Person::ALL {
            callers.push((person, app.sign_in(person.username()).await));
        }
        let caller = |person| {
            callers
                .iter()
                .find(|(own, _)| *own == person)
                .unwrap()
                .1
                .clone()
        };
        let owned = agent(&caller(Person::Owner)).await;
        let task = waiting(&caller(Person::Admin), &viewed).await;
        Self {
            document: Document::of(&app).await,
            viewed: Object { id: viewed, task },
            owned,
            callers,
            app,
        }
    }

    pub fn caller(&self, person: Person) -> &Caller {
        let own = self.callers.iter().find(|(own, _)| *own == person);
        &own.unwrap().1
    }

    /// What somebody asks for: a viewer for their own, everybody else for the owner's; a fresh one
    /// where asking changes it.
    pub async fn object(&self, rule: &Rule, person: Person) -> Object {
        let whose = match person {
            Person::Viewer => Person::Viewer,
            Person::Owner | Person::Stranger | Person::Admin | Person::Superadmin => Person::Owner,
        };
        let admin = self.caller(Person::Admin);
        let (_, path) = rule.route.split_once(' ').unwrap();
        if path.starts_with("/api/v1/invites/") {
            let made = admin.post("/api/v1/invites", &json!({})).await.ok(201);
            return Object::of(&made["id"]);
        }
        if path.starts_with("/api/v1/user/api-keys/") {
            let (_, id) = with_key(self.caller(whose), &["read"]).await;
            return Object::of(&id.into());
        }
        if path.starts_with("/api/users/") {
            if rule.right != Right::Governs || !person.governs() {
                let own = self.caller(whose).get("/api/auth/me").await.ok(200);
                return Object::of(&own["id"]);
            }
            let name = format!("n{}", uuid::Uuid::new_v4().simple());
            let body = json!({"username": name, "password": PASSWORD});
            let made = admin.post("/api/users", &body).await.ok(201);
            return Object::of(&made["id"]);
        }
        match (rule.right, person) {
            (Right::Drives, Person::Owner | Person::Admin | Person::Superadmin) => {
                agent(self.caller(Person::Owner)).await
            }
            (Right::Looks | Right::Drives, Person::Viewer) => self.viewed.clone(),
            _ => self.owned.clone(),
        }
    }

    pub fn request(&self, rule: &Rule, of: &Object) -> RequestBuilder {
        let (method, path) = rule.route.split_once(' ').unwrap();
        let path = path.replace("{id}", &of.id).replace("{name}", &of.id);
        let path = path.replace("{task}", &of.task);
        let path = path.replace("{file}", "swagger-ui.css");
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = self.app.http.request(method, self.app.url() + &path);
        if rule.body.is_empty() {
            return request;
        }
        let fresh = uuid::Uuid::new_v4().simple().to_string();
        let body = rule.body.replace("TASK", &of.task);
        let body = body.replace("NEW", &format!("n{fresh}"));
        let body = body.replace("PASSWORD", PASSWORD);
        let request = request.header("content-type", "application/json");
        request.body(body)
    }

    /// Holds a reply against the document.
    pub fn judge(&self, rule: &Rule, reply: &Answer) {
        let (method, path) = rule.route.split_once(' ').unwrap();
        self.document.judge(method, path, reply);
    }
}

/// An agent of the viewer, as if they had made it as a member.
async fn own_by_viewer(app: &TestApp) -> SessionId {
    let store = Store::open(app.dir().join("callboard.db")).unwrap();
    let cwd = app.dir().to_str().unwrap().to_owned();
    let id = SessionId::generate();
    // One that rested for years would be deleted at the start.
    let made = time::OffsetDateTime::now_utc().unix_timestamp() * 1_000;
    let made = Timestamp(made);
    store
        .write(move |conn| {
            let owner = users::by_login(conn, Person::Viewer.username())?.unwrap();
            let session = Session {
                id,
                owner: owner.id,
                group: id,
                name: None,
                kind: Kind::Script,
                cwd,
                model: None,
                permission_mode: PermissionMode::Default,
                scenario: None,
                options: Options::default(),
                topic: None,
                metadata: Value::Null,
                created_at: made,
                updated_at: made,
                archived_at: None,
                status: Status::Created,
                facts: Facts::default(),
            };
            let row = NewSessionRow {
                session: &session,
                env_blob: None,
            };
            sessions::insert(conn, &row)
        })
        .await
        .unwrap();
    store.close();
    id
}

async fn agent(who: &Caller) -> Object {
    let id = who
        .agent(&json!({"agentType": "script", "start": false}))
        .await;
    let task = waiting(who, &id).await;
    Object { id, task }
}

/// A task that waits because its agent is paused.
async fn waiting(who: &Caller, agent: &str) -> String {
    let path = format!("/api/agents/{agent}");
    who.post(&format!("{path}/pause"), &json!({})).await.ok(200);
    let body = json!({"message": "hello"});
    let sent = who.post(&format!("{path}/message"), &body).await.ok(202);
    sent["taskId"].as_str().unwrap().to_owned()
}
