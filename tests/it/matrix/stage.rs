//! A server on which everybody has signed in, and what they ask it for.
//! Never one object for two requests where asking changes it.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::credentials::Person;
use super::rules::{Right, Rule};
use crate::app::{Caller, PASSWORD, TestApp};
use crate::approvals::{asked, question, send};
use crate::keys::with_key;
use crate::people::{id_of, patch};

/// Room for the sockets that a test opens one after the other.
const SETTINGS: &str = "[limits]\nsockets_per_user = 200\n";

/// What a path or a body names.
#[derive(Clone)]
pub struct Object {
    /// Of an agent, a question, a remembered answer, an account, an invitation or a key.
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

/// What somebody has: one of each noun.
pub struct Things {
    /// It has run, and is paused.
    pub agent: Object,
    /// Open.
    pub question: Object,
    /// An answer that is remembered.
    pub remembered: Object,
    /// Where nothing runs.
    pub workspace: Object,
}

impl Things {
    async fn of(who: &Caller, app: &TestApp) -> Self {
        let agent = json!({"agentType": "script", "cwd": app.dir()});
        let id = who.ready_agent(&agent).await;
        Self {
            agent: Object {
                task: waiting(who, &id).await,
                id,
            },
            question: asks(who, app).await,
            remembered: remembers(who, app).await,
            workspace: workspace(who, app).await,
        }
    }
}

/// A server on which everybody has signed in; the owner and the viewer have one of each.
pub struct Stage {
    pub app: TestApp,
    callers: Vec<(Person, Caller)>,
    pub owned: Things,
    /// The viewer made them when they still were a member.
    pub viewed: Things,
}

impl Stage {
    pub async fn set() -> Self {
        let app = TestApp::with(SETTINGS).await;
        let edit = json!({"ask": {"tool": "Edit", "args": {"path": "a.txt"}}});
        let turns = json!({"turns": [[edit]]});
        std::fs::write(app.dir().join(ASKS), turns.to_string()).unwrap();
        let mut callers = Vec::new();
        let amy =
            json!({"username": Person::Admin.username(), "password": PASSWORD, "role": "admin"});
        let first = app.sign_in(Person::Superadmin.username()).await;
        first.post("/api/users", &amy).await.ok(201);
        for person in Person::ALL {
            callers.push((person, app.sign_in(person.username()).await));
        }
        let caller = |person| &callers.iter().find(|(own, _)| *own == person).unwrap().1;
        let viewer = Person::Viewer.username();
        let path = format!("/api/users/{}", id_of(&first, viewer).await);
        patch(&first, &path, &json!({"role": "member"}))
            .await
            .ok(200);
        let viewed = Things::of(caller(Person::Viewer), &app).await;
        patch(&first, &path, &json!({"role": "viewer"}))
            .await
            .ok(200);
        Self {
            owned: Things::of(caller(Person::Owner), &app).await,
            viewed,
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
        let (_, path) = rule.route.split_once(' ').unwrap();
        if path.starts_with("/api/providers/") {
            return Object::of(&"anthropic".into());
        }
        if path.starts_with("/api/v1/invites/") {
            let admin = self.caller(Person::Admin);
            let made = admin.post("/api/v1/invites", &json!({})).await.ok(201);
            return Object::of(&made["id"]);
        }
        let (whose, things) = match person {
            Person::Viewer => (Person::Viewer, &self.viewed),
            Person::Owner | Person::Stranger | Person::Admin | Person::Superadmin => {
                (Person::Owner, &self.owned)
            }
        };
        if path.starts_with("/api/v1/user/api-keys/") {
            let (_, id) = with_key(self.caller(whose), &["read"]).await;
            return Object::of(&id.into());
        }
        if path.starts_with("/api/users/") || path.starts_with("/users/") {
            return self.account(rule, person, whose).await;
        }
        let (owner, app) = (self.caller(Person::Owner), &self.app);
        let drives = person == Person::Owner || person.governs();
        let fresh = rule.right == Right::Drives && drives;
        if path.starts_with("/api/workspaces/") {
            return match fresh {
                true => workspace(owner, app).await,
                false => things.workspace.clone(),
            };
        }
        if path.starts_with("/tasks/") {
            let agent = match fresh {
                true => agent(owner).await,
                false => things.agent.clone(),
            };
            return Object {
                id: agent.task.clone(),
                task: agent.task,
            };
        }
        match (path, fresh) {
            ("/api/chat/approve", true) => asks(owner, app).await,
            ("/api/chat/approve", false) => things.question.clone(),
            ("/api/chat/approvals/overrides/{id}", true) => remembers(owner, app).await,
            ("/api/chat/approvals/overrides/{id}", false) => things.remembered.clone(),
            (_, true) => agent(owner).await,
            (_, false) => things.agent.clone(),
        }
    }

    /// The own account; a fresh one for who may delete it.
    async fn account(&self, rule: &Rule, person: Person, whose: Person) -> Object {
        if rule.right != Right::Governs || !person.governs() {
            let own = self.caller(whose).get("/api/auth/me").await.ok(200);
            return Object::of(&own["id"]);
        }
        let name = format!("n{}", uuid::Uuid::new_v4().simple());
        let body = json!({"username": name, "password": PASSWORD});
        let admin = self.caller(Person::Admin);
        let made = admin.post("/api/users", &body).await.ok(201);
        Object::of(&made["id"])
    }

    pub fn request(&self, rule: &Rule, of: &Object) -> RequestBuilder {
        self.request_with(rule, of, "")
    }

    /// The same with more at the end of the address.
    pub fn request_with(&self, rule: &Rule, of: &Object, query: &str) -> RequestBuilder {
        let (method, path) = rule.route.split_once(' ').unwrap();
        let path = path.replace("{id}", &of.id).replace("{name}", &of.id);
        let path = path.replace("{task}", &of.task);
        let path = path.replace("{file}", "swagger-ui.css");
        let path = path.replace("/control/stream", "/control/stream?types=none");
        let query = match path.contains('?') {
            true => query.replacen('?', "&", 1),
            false => query.to_owned(),
        };
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = self
            .app
            .http
            .request(method, self.app.url() + &path + &query);
        if rule.body.is_empty() {
            return request;
        }
        let fresh = uuid::Uuid::new_v4().simple().to_string();
        let body = rule.body.replace("TASK", &of.task);
        let body = body.replace("QUESTION", &of.id);
        let body = body.replace("NEW", &format!("n{fresh}"));
        let body = body.replace("PASSWORD", PASSWORD);
        let request = request.header("content-type", "application/json");
        request.body(body)
    }
}

/// The scenario that asks before it edits a file.
const ASKS: &str = "asks.json";

async fn asker(who: &Caller, app: &TestApp) -> String {
    let scenario = app.dir().join(ASKS);
    let made = json!({"agentType": "script", "scenario": scenario, "cwd": app.dir()});
    who.ready_agent(&made).await
}

/// An open question.
async fn asks(who: &Caller, app: &TestApp) -> Object {
    let id = asker(who, app).await;
    send(who, &id, "go").await;
    Object::of(&question(who, &id).await["requestId"])
}

/// An answer that is remembered.
async fn remembers(who: &Caller, app: &TestApp) -> Object {
    let id = asker(who, app).await;
    let (reply, _) = asked(who, &id, "go", (true, json!("session"))).await;
    Object::of(&reply["remembered"]["id"])
}

async fn agent(who: &Caller) -> Object {
    let id = who
        .agent(&json!({"agentType": "script", "start": false}))
        .await;
    let task = waiting(who, &id).await;
    Object { id, task }
}

async fn workspace(who: &Caller, app: &TestApp) -> Object {
    let name = format!("w{}", uuid::Uuid::new_v4().simple());
    let body = json!({"name": name, "path": app.dir().join(&name)});
    Object::of(&who.post("/api/workspaces", &body).await.ok(200)["id"])
}

/// A task that waits because its agent is paused.
async fn waiting(who: &Caller, agent: &str) -> String {
    let path = format!("/api/agents/{agent}");
    who.post(&format!("{path}/pause"), &json!({})).await.ok(200);
    let body = json!({"message": "hello"});
    let sent = who.post(&format!("{path}/message"), &body).await.ok(202);
    sent["taskId"].as_str().unwrap().to_owned()
}
