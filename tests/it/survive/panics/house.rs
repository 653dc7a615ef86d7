//! A server whose points are set while it runs, with a sibling that nothing may touch.
//! Never takes a broken connection for an answer: the server has to stay.

use std::cell::Cell;

use serde_json::{Value, json};

use super::super::*;
use crate::app::Agents;

const SETTINGS: &str = "[agents]\nstop_grace = \"1s\"\ninterrupt_grace = \"300ms\"\n\
                        linger = \"300ms\"\nrestart_base = \"30ms\"\nrestart_cap = \"100ms\"\n\
                        short_life = \"1ms\"\n";

/// Asks until there is an answer, for as long as a panic may be felt.
pub async fn answer<T>(ask: impl AsyncFn() -> Result<T, String>) -> T {
    answer_within(LONG, ask).await
}

/// Sets these points in a running server, `name=action` each, and no others.
pub async fn arm(app: &TestApp, points: &[String]) {
    let draft = app.dir().join("failpoints.part");
    let file = app.dir().join("failpoints");
    std::fs::write(&draft, points.join("\n")).unwrap();
    std::fs::rename(draft, &file).unwrap();
    answer(async || match file.exists() {
        false => Ok(()),
        true => Err("the points are not taken".to_owned()),
    })
    .await;
}

/// See the module.
pub struct House {
    pub app: TestApp,
    pub ada: Caller,
    pub admin: Caller,
    /// A shell that works beside everything.
    pub sibling: String,
    /// The last row of the supervisor's log that was read.
    read: Cell<u64>,
}

/// Two agents that a point is passed with, and what was asked of them.
pub struct Pair {
    pub player: String,
    pub shell: String,
    pids: [i32; 2],
    pub tasks: std::cell::RefCell<Vec<(String, String)>>,
}

impl Pair {
    /// The prompts that one of them was given.
    fn of(&self, id: &str) -> Vec<String> {
        let tasks = self.tasks.borrow();
        let own = tasks.iter().filter(|(of, _)| of == id);
        own.map(|(_, task)| task.clone()).collect()
    }
}

/// A decision about a child.
#[derive(Debug)]
pub struct Strike {
    /// Its row in the supervisor's log.
    pub id: u64,
    pub path: String,
    pub generation: u64,
}

impl House {
    pub async fn new() -> Self {
        Self::with(vec![], Agents::End).await
    }

    /// With these variables, and this end of the agents when the server ends.
    pub async fn with(env: Vec<(&'static str, String)>, agents: Agents) -> Self {
        let mut app = TestApp::prepared(tempfile::tempdir().unwrap(), SETTINGS).await;
        app.env = env;
        app.agents = agents;
        app.boot().await;
        let (ada, admin) = (app.sign_in("ada").await, app.sign_in("admin").await);
        let (ada, admin) = (ada.patient(), admin.patient());
        let sibling = shell(&app, &ada).await;
        agent_until(&ada, &sibling, |now| now["detail"] == "idle").await;
        Self {
            app,
            ada,
            admin,
            sibling,
            read: Cell::new(0),
        }
    }

    /// Sets these points, `name=action` each, and no others.
    pub async fn arm(&self, points: &[String]) {
        arm(&self.app, points).await;
    }

    pub async fn get(&self, path: &str) -> Value {
        self.ada.get(path).await.ok(200)
    }

    /// Two agents with processes that take prompts.
    pub async fn pair(&self) -> Pair {
        let ask = json!({"ask": {"tool": "edit", "args": {}}});
        let turns = json!({"turns": [[{"sleep_ms": 20}, {"say": "{{message}}"},
                                     {"sleep_ms": 20},
                                     {"stream": {"say": "done", "chunks": 2, "ms": 10}}]]});
        let asks = json!({"turns": [[ask, {"say": "asked"}]]});
        let hangs = json!({"turns": [[{"hang": true}]]});
        for (name, text) in [("play", turns), ("asks", asks), ("hangs", hangs)] {
            let file = self.app.dir().join(format!("{name}.json"));
            std::fs::write(file, text.to_string()).unwrap();
        }
        let (player, shell) = (self.spare("play").await, self.spare("").await);
        let pids = [self.pid(&player).await, self.pid(&shell).await];
        Pair {
            player,
            shell,
            pids,
            tasks: std::cell::RefCell::default(),
        }
    }

    /// An agent that is up: a player of this scenario, or a shell.
    pub async fn spare(&self, scenario: &str) -> String {
        let id = self.made(scenario).await;
        self.start(&id).await;
        id
    }

    /// An agent without a process.
    pub async fn made(&self, scenario: &str) -> String {
        let mut body = json!({"agentType": "shell", "cwd": self.app.dir(), "start": false,
                              "permissionMode": "bypassPermissions"});
        if !scenario.is_empty() {
            let file = self.app.dir().join(format!("{scenario}.json"));
            body["agentType"] = json!("script");
            body["permissionMode"] = json!("default");
            body["scenario"] = json!(file);
        }
        self.ada.agent(&body).await
    }

    pub async fn start(&self, id: &str) {
        self.ada
            .post(&format!("/api/agents/{id}/start"), &json!({}))
            .await
            .ok(200);
        self.until(id, |now| now["detail"] == "idle").await;
    }

    pub async fn until(&self, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let path = format!("/api/agents/{id}");
        answer(async || {
            let now = self.get(&path).await;
            if wanted(&now) {
                return Ok(now);
            }
            Err(now.to_string())
        })
        .await
    }

    pub async fn pid(&self, id: &str) -> i32 {
        pid_of(&self.get(&format!("/api/agents/{id}")).await)
    }

    /// Waits for the end of a task and checks how it went.
    pub async fn ends(&self, id: &str, task: &str, outcome: &str) {
        let path = format!("/api/agents/{id}/tasks/{task}");
        answer(async || {
            let now = self.get(&path).await;
            match now["state"].as_str() {
                Some(state) if state == outcome => Ok(()),
                Some(state) if ended(state) || state == "uncertain" => panic!("{now}"),
                _ => Err(format!(
                    "{now}: {}",
                    self.get(&format!("/api/agents/{id}")).await
                )),
            }
        })
        .await;
    }

    /// A prompt and its good end, noted for the last look.
    pub async fn turn(&self, pair: &Pair, id: &str, message: &str) {
        let task = send(&self.ada, id, message).await;
        self.ends(id, &task, "completed").await;
        pair.tasks.borrow_mut().push((id.to_owned(), task));
    }

    /// The decision that a panic at this point led to. Reads on from the last one.
    pub async fn strike(&self, point: &str) -> Strike {
        let said = format!("failpoint {point} panic");
        answer(async || {
            loop {
                let path = format!(
                    "/api/supervisor/events?after={}&limit=1000",
                    self.read.get()
                );
                let page = self.admin.get(&path).await.ok(200);
                for line in page["events"].as_array().unwrap() {
                    self.read.set(line["id"].as_u64().unwrap());
                    let about =
                        matches!(line["event"].as_str(), Some("child_down" | "start_failed"));
                    if about && line["reason"].as_str().is_some_and(|r| r.contains(&said)) {
                        return Ok(Strike {
                            id: self.read.get(),
                            path: line["path"].as_str().unwrap().to_owned(),
                            generation: line["generation"].as_u64().unwrap(),
                        });
                    }
                }
                if page["events"] == json!([]) {
                    return Err(format!(
                        "no decision about {said}; said: {}",
                        self.said(point)
                    ));
                }
            }
        })
        .await
    }

    /// Whether the server's own log names the point.
    pub fn said(&self, point: &str) -> bool {
        self.app.log().contains(&format!("failpoint {point} panic"))
    }

    /// Whether it comes to that shortly.
    pub async fn said_soon(&self, point: &str) -> bool {
        let end = Instant::now() + Duration::from_secs(1);
        while !self.said(point) {
            if Instant::now() >= end {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        true
    }

    /// Waits until it does.
    pub async fn says(&self, point: &str) {
        self.app.told(&format!("failpoint {point} panic")).await;
    }

    /// The node of a path in the supervisor tree.
    pub async fn node(&self, path: &str) -> Option<Value> {
        let mut node = self.admin.get("/api/supervisor/tree").await.ok(200);
        let mut parts = path.split('/').skip(1);
        loop {
            let Some(part) = parts.next() else {
                return Some(node);
            };
            let children = node["children"].as_array()?;
            node = children.iter().find(|child| child["id"] == *part)?.clone();
        }
    }

    /// Waits until a later generation runs in the place of the one that was struck.
    pub async fn risen(&self, strike: &Strike) {
        answer(async || match self.node(&strike.path).await {
            Some(node)
                if node["state"] == "running"
                    && node["generation"].as_u64() > Some(strike.generation) =>
            {
                Ok(())
            }
            node => Err(format!("{strike:?}: {node:?}")),
        })
        .await;
    }

    /// Waits until the supervisor's log tells of a later generation, or of a first one of a subtree
    /// that was put to sleep and woken behind the strike.
    pub async fn rose(&self, strike: &Strike) {
        answer(async || {
            let path = format!("/api/supervisor/events?after={}&limit=1000", strike.id);
            let page = self.admin.get(&path).await.ok(200);
            let parent = strike.path.rsplit_once('/').unwrap().0;
            let mut anew = false;
            let rose = page["events"].as_array().unwrap().iter().any(|line| {
                anew |= line["path"] == *parent && line["event"] == "ended";
                line["path"] == *strike.path
                    && line["event"] == "child_started"
                    && (anew || line["generation"].as_u64() > Some(strike.generation))
            });
            rose.then_some(())
                .ok_or_else(|| format!("{strike:?}: {page}"))
        })
        .await;
    }

    /// Generations of the sibling's actors.
    pub async fn generations(&self) -> Value {
        let node = self.node(&format!("root/sessions/{}", self.sibling)).await;
        let children = node
            .map(|node| node["children"].clone())
            .unwrap_or_default();
        let children = children.as_array().cloned().unwrap_or_default();
        json!(
            children
                .iter()
                .map(|one| &one["generation"])
                .collect::<Vec<_>>()
        )
    }

    /// The processes of the pair are the ones from before, and both take prompts.
    pub async fn unharmed(&self, pair: &Pair, point: &str) {
        for (id, pid) in [(&pair.player, pair.pids[0]), (&pair.shell, pair.pids[1])] {
            assert_eq!(self.pid(id).await, pid, "{point}: another process");
            assert!(lives(pid), "{point}: {id} is dead");
            self.turn(pair, id, "true").await;
        }
        let ready = self.ada.get("/health/ready").await;
        assert_eq!(ready.status, 200, "{point}: {}", ready.text);
        self.get(&format!("/api/agents/{}/events?after=latest", self.sibling))
            .await;
    }

    /// Every prompt ended once, and no number is missing or there twice.
    pub async fn close(&self, pair: &Pair) {
        for id in [&pair.player, &pair.shell] {
            let own = pair.of(id);
            let history = with_ends(&self.ada, id, &own).await;
            ended_once(&history, &own);
            let all = self.get(&format!("/api/agents/{id}/tasks?limit=1")).await;
            assert_eq!(all["total"], own.len(), "more tasks than were sent");
            self.ada.delete(&format!("/api/agents/{id}")).await.ok(200);
        }
    }
}
