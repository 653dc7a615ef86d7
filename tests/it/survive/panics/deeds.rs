//! What makes a server pass its points: each deed as a person would do it, to its right end.
//! Never a deed that takes a failure for its end: it asks again until the answer is the true one.

use futures_util::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};

use super::super::*;
use super::house::{House, Pair, answer};
use super::points::Deed;
use crate::doors_terminals::try_attach;

impl House {
    /// Points that have to be passed before the one in question can be.
    pub fn before(deed: Deed) -> Vec<String> {
        let points: &[&str] = match deed {
            Deed::Rebuild | Deed::RebuildShell => &["feed.Read"],
            Deed::Reconnect => &["keeper.write"],
            Deed::Hub => &["hub.Announce"],
            Deed::Journal => &["journal.Append"],
            Deed::Turn
            | Deed::Ask
            | Deed::Hold
            | Deed::Interrupt
            | Deed::StopPlayer
            | Deed::StopShell
            | Deed::Missing
            | Deed::Lost
            | Deed::Delete
            | Deed::Sleep
            | Deed::Create
            | Deed::Bury
            | Deed::Wait
            | Deed::Look
            | Deed::Sit
            | Deed::Tune
            | Deed::Reopen
            | Deed::Close => &[],
        };
        points
            .iter()
            .map(|name| format!("{name}=1*panic"))
            .collect()
    }

    pub async fn does(&self, deed: Deed, pair: &Pair) {
        match deed {
            Deed::Turn | Deed::Reconnect | Deed::Hub | Deed::Journal => self.turns(pair).await,
            Deed::Rebuild => self.rebuilds(pair, [&pair.player, &pair.shell]).await,
            Deed::RebuildShell => self.rebuilds(pair, [&pair.shell, &pair.player]).await,
            Deed::Ask => self.asks().await,
            Deed::Hold => self.holds(pair).await,
            Deed::Interrupt => self.interrupts().await,
            Deed::StopPlayer => self.stops("play").await,
            Deed::StopShell => self.stops("").await,
            Deed::Missing => self.misses().await,
            Deed::Lost => self.loses().await,
            Deed::Delete => self.deletes().await,
            Deed::Sleep => self.sleeps().await,
            Deed::Create => self.creates().await,
            Deed::Bury => self.buries().await,
            Deed::Wait => {}
            Deed::Sit => self.sits().await,
            Deed::Close => self.closes().await,
            Deed::Reopen => self.reopens().await,
            Deed::Tune => self.tunes().await,
            Deed::Look => {
                self.node("root/sessions").await;
            }
        }
    }

    async fn turns(&self, pair: &Pair) {
        for id in [&pair.player, &pair.shell] {
            // Somebody waits for news meanwhile.
            let news = format!("/api/agents/{id}/events?after=latest&wait=1");
            let turn = async {
                let task = send(&self.ada, id, "true").await;
                self.ends(id, &task, "completed").await;
                task
            };
            let (_page, task) = tokio::join!(self.get(&news), turn);
            pair.tasks.borrow_mut().push((id.clone(), task));
        }
    }

    /// A reader meets the panic that the rebuilding begins with.
    async fn rebuilds(&self, pair: &Pair, order: [&str; 2]) {
        for id in order {
            self.get(&format!("/api/agents/{id}/events?after=latest"))
                .await;
        }
        self.turns(pair).await;
    }

    async fn asks(&self) {
        let id = self.spare("asks").await;
        let task = send(&self.ada, &id, "go").await;
        let asked = answer(async || {
            let open = self.get("/api/chat/approvals/pending").await;
            let mut open = open["approvals"].as_array().unwrap().iter();
            let own = open.find(|one| one["agentId"] == *id);
            own.cloned().ok_or_else(|| "no question".to_owned())
        })
        .await;
        let yes = json!({"requestId": asked["requestId"], "approved": true});
        // It may have been taken by an actor that died before it could say so.
        let reply = self.ada.post("/api/chat/approve", &yes).await;
        assert!(matches!(reply.status.as_u16(), 200 | 409), "{}", reply.text);
        self.ends(&id, &task, "completed").await;
        self.removes(&id).await;
    }

    async fn holds(&self, pair: &Pair) {
        let id = &pair.player;
        let path = format!("/api/agents/{id}");
        self.ada
            .post(&format!("{path}/pause"), &json!({}))
            .await
            .ok(200);
        self.until(id, |now| now["detail"] == "paused").await;
        let (first, second) = (
            send(&self.ada, id, "first").await,
            send(&self.ada, id, "second").await,
        );
        let put = {
            let put = self
                .ada
                .request(Method::PUT, &format!("{path}/queue/order"));
            put.json(&json!({"order": [second, first]}))
        };
        self.ada.ask(put).await.ok(200);
        let edit = {
            let edit = self
                .ada
                .request(Method::PATCH, &format!("{path}/queue/{first}"));
            edit.json(&json!({"message": "third"}))
        };
        self.ada.ask(edit).await.ok(200);
        self.ada
            .post(&format!("{path}/resume"), &json!({}))
            .await
            .ok(200);
        for task in [second, first] {
            self.ends(id, &task, "completed").await;
            pair.tasks.borrow_mut().push((id.clone(), task));
        }
    }

    async fn interrupts(&self) {
        let id = self.spare("hangs").await;
        let task = send(&self.ada, &id, "go").await;
        self.until(&id, |now| now["detail"] == "busy").await;
        let path = format!("/api/agents/{id}/interrupt");
        let reply = self.ada.post(&path, &json!({})).await;
        assert!(matches!(reply.status.as_u16(), 202 | 409), "{}", reply.text);
        self.ends(&id, &task, "stopped").await;
        self.removes(&id).await;
    }

    /// The end and the next start of a process; nothing of the first is left.
    async fn stops(&self, scenario: &str) {
        let id = self.spare(scenario).await;
        let before = self.pid(&id).await;
        let path = format!("/api/agents/{id}");
        self.ada
            .post(&format!("{path}/stop"), &json!({}))
            .await
            .ok(200);
        assert!(!lives(before), "it runs on behind its stop");
        self.until(&id, |now| now["detail"] == "stopped").await;
        let begun = Instant::now();
        self.start(&id).await;
        let took = begun.elapsed();
        assert!(
            took < Duration::from_secs(10),
            "the start was not answered: {took:?}"
        );
        let after = self.pid(&id).await;
        assert!(lives(after) && after != before);
        let history = whole(&self.ada, &id).await;
        // A start that was struck before there was a process has an end of its own.
        let same = |event: &&Value| event["type"] == "exit" && event["data"]["pid"] == before;
        let exits = history.iter().filter(same).count();
        assert_eq!(exits, 1, "{history:?}");
        self.removes(&id).await;
        assert!(!lives(after));
    }

    async fn misses(&self) {
        let gone = self.app.dir().join("gone");
        std::fs::create_dir_all(&gone).unwrap();
        let body = json!({"agentType": "shell", "cwd": gone, "start": false});
        let id = self.ada.agent(&body).await;
        std::fs::remove_dir(&gone).unwrap();
        self.ada
            .post(&format!("/api/agents/{id}/start"), &json!({}))
            .await;
        self.until(&id, |now| now["detail"] == "failed").await;
        self.removes(&id).await;
    }

    async fn loses(&self) {
        let id = self.spare("").await;
        let task = send(&self.ada, &id, "exec sleep 60").await;
        self.ends(&id, &task, "failed").await;
        self.removes(&id).await;
    }

    async fn deletes(&self) {
        let id = self.spare("play").await;
        let pid = self.pid(&id).await;
        self.removes(&id).await;
        assert!(!lives(pid), "it runs on behind its deletion");
        assert!(!self.app.dir().join("keepers").join(&id).exists());
    }

    /// Deletes an agent. One that was deleted by a request that could not say so is as good.
    async fn removes(&self, id: &str) {
        let path = format!("/api/agents/{id}");
        let reply = self.ada.delete(&path).await;
        assert!(matches!(reply.status.as_u16(), 200 | 404), "{}", reply.text);
        assert_eq!(self.ada.get(&path).await.status, 404);
    }

    /// An agent without a process gives its actors back; a prompt wakes it.
    async fn sleeps(&self) {
        let id = self.made("play").await;
        self.get(&format!("/api/agents/{id}/events?after=0")).await;
        let path = format!("root/sessions/{id}");
        answer(async || match self.node(&path).await {
            None => Ok(()),
            Some(node) => Err(node.to_string()),
        })
        .await;
        let task = send(&self.ada, &id, "wake").await;
        self.ends(&id, &task, "completed").await;
        self.removes(&id).await;
    }

    async fn creates(&self) {
        let id = self.made("play").await;
        let task = send(&self.ada, &id, "first").await;
        self.ends(&id, &task, "completed").await;
        self.removes(&id).await;
    }

    /// Sits down again whenever the line breaks or what was typed does not come back.
    async fn sits(&self) {
        let id = self.spare("").await;
        answer(async || {
            let path = format!("{id}?tty=binary&events=none");
            let Ok(mut ws) = try_attach(&self.ada, &path).await else {
                return Err("no line".to_owned());
            };
            ws.say(json!({"type": "resize", "rows": 20, "cols": 70}))
                .await;
            ws.say(json!({"type": "input", "text": "echo ty''ped\r"}))
                .await;
            let mut shown = Vec::new();
            let reading = async {
                while let Some(Ok(message)) = ws.stream.next().await {
                    if message.is_binary() {
                        shown.extend_from_slice(&message.into_data());
                    }
                    if String::from_utf8_lossy(&shown).contains("typed\r") {
                        return Ok(());
                    }
                }
                Err("the line broke".to_owned())
            };
            let bound = Duration::from_secs(2);
            let read = tokio::time::timeout(bound, reading).await;
            read.unwrap_or_else(|_late| Err("nothing came back".to_owned()))
        })
        .await;
        self.removes(&id).await;
    }

    async fn closes(&self) {
        let id = self.spare("play").await;
        let path = format!("/api/agents/sessions/{id}");
        let before = self.pid(&id).await;
        self.ada
            .post(&format!("{path}/reset"), &json!({}))
            .await
            .ok(200);
        assert!(!lives(before), "it runs on behind its reset");
        self.until(&id, |now| now["detail"] == "idle").await;
        let done = json!({"status": "success"});
        self.ada
            .post(&format!("{path}/complete"), &done)
            .await
            .ok(200);
        let after = self.until(&id, |now| now["detail"] == "completed").await;
        assert!(after["pid"].is_null(), "{after}");
        self.removes(&id).await;
    }

    async fn reopens(&self) {
        let id = self.spare("play").await;
        let path = format!("/api/control/missions/{id}/status");
        for status in ["completed", "active"] {
            let said = self.ada.post(&path, &json!({"status": status})).await;
            assert_eq!(said.ok(200)["mission"]["status"], status);
        }
        self.removes(&id).await;
    }

    async fn tunes(&self) {
        let id = self.spare("play").await;
        let path = format!("/api/agents/{id}");
        for mode in ["plan", "default"] {
            let tune = self.ada.request(Method::PATCH, &path);
            let tune = tune.json(&json!({"permissionMode": mode}));
            let tuned = self.ada.ask(tune).await.ok(200);
            assert_eq!(tuned["permissionMode"], mode);
        }
        self.removes(&id).await;
    }

    async fn buries(&self) {
        let id = self.spare("play").await;
        let pid = self.pid(&id).await;
        kill9(recorded(&keeper_dir(&self.app, &id), "keeper_pid"));
        let next = |now: &Value| now["detail"] == "idle" && now["incarnation"] == 2;
        self.until(&id, next).await;
        assert!(!lives(pid), "the program outlived its keeper");
        self.removes(&id).await;
    }
}
