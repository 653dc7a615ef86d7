//! Panics without an end: what gives up says so, what lies above goes on, and what is true is shown.
//! Never a process that nobody can end, and never a half-dead server.

use serde_json::{Value, json};

use super::super::*;
use super::house::{House, Strike, answer};
use crate::app::Agents;

#[tokio::test]
async fn a_session_that_gives_up_says_so_and_comes_back() {
    let points = [
        "feed.Publish",
        "session.Decode",
        "queue.Stand",
        "script.decode",
    ];
    // Most of it is a wait for the next waking.
    futures_util::future::join_all(points.map(gives_up)).await;
}

async fn gives_up(point: &str) {
    let house = House::new().await;
    let pair = house.pair().await;
    let id = pair.player.as_str();
    let (pid, path) = (house.pid(id).await, format!("root/sessions/{id}"));
    // Only this session may be struck: the sibling rests.
    house.arm(&[format!("{point}=panic")]).await;
    let task = house.send_until_gone(id).await;
    house.event(&path, "intensity_reached", point).await;
    house.event(&path, "gave_up", point).await;
    // The others work, the server is whole, and what is said is true.
    house.get(&format!("/api/agents/{}", house.sibling)).await;
    assert_eq!(house.ada.get("/health/ready").await.status, 200);
    let now = house.get(&format!("/api/agents/{id}")).await;
    assert_eq!(pid_of(&now), pid);
    assert!(lives(pid));
    let shown = house.until(id, |now| now["detail"] == "unattached").await;
    assert_eq!(shown["status"], "running", "{shown}");
    let root = house.node("root/sessions").await.unwrap();
    assert_eq!(root["generation"], 1, "{root}");
    house.arm(&[]).await;
    house.ends(id, &task, "completed").await;
    assert_eq!(house.pid(id).await, pid);
    pair.tasks.borrow_mut().push((id.to_owned(), task));
    house.unharmed(&pair, point).await;
    house.close(&pair).await;
}

#[tokio::test]
async fn a_process_behind_a_session_that_gave_up_can_be_stopped() {
    let house = House::new().await;
    let pair = house.pair().await;
    let id = pair.player.as_str();
    let pid = house.pid(id).await;
    house.arm(&["session.Decode=panic".to_owned()]).await;
    house.send_until_gone(id).await;
    house
        .event(&format!("root/sessions/{id}"), "gave_up", "session.Decode")
        .await;
    let stopped = house
        .ada
        .post(&format!("/api/agents/{id}/stop"), &json!({}))
        .await;
    assert_eq!(stopped.ok(200)["stopped"], true, "{}", stopped.text);
    assert!(!lives(pid));
    house.arm(&[]).await;
    house
        .until(id, |now| {
            now["detail"] == "stopped" || now["detail"] == "interrupted"
        })
        .await;
}

#[tokio::test]
async fn a_root_that_gives_up_ends_the_server_and_no_agent() {
    for (point, path) in [
        ("journal.Append", "root/journal"),
        ("hub.Announce", "root/hub"),
        ("sessions.Note", "root/sessions"),
        ("root.Tree", "root"),
    ] {
        let mut house = House::with(vec![], Agents::Stay).await;
        let pair = house.pair().await;
        let id = pair.player.clone();
        let pid = house.pid(&id).await;
        house.arm(&[format!("{point}=panic")]).await;
        let code = house.ended(&id).await;
        assert_eq!(code, Some(1), "{}", house.app.log());
        house.says(point).await;
        house.app.told("the supervisor tree ended").await;
        assert!(lives(pid), "{point}: the agent ended with its server");
        house.app.agents = Agents::End;
        house.app.boot().await;
        house.ada = house.ada.at(&house.app);
        house.admin = house.admin.at(&house.app);
        house.until(&id, |now| now["detail"] == "idle").await;
        assert_eq!(house.pid(&id).await, pid);
        let turn = send(&house.ada, &id, "again").await;
        house.ends(&id, &turn, "completed").await;
        whole(&house.ada, &id).await;
        if path != "root" {
            house.event(path, "child_down", point).await;
            house.event("root", "gave_up", point).await;
        }
    }
}

#[tokio::test]
async fn a_panic_while_the_server_ends_does_not_keep_it() {
    for point in ["journal.Stop", "root.StopTree", "root.Note"] {
        let mut house = House::new().await;
        let pair = house.pair().await;
        let pid = house.pid(&pair.player).await;
        house.arm(&[format!("{point}=1*panic")]).await;
        let code = house.app.stop().await;
        assert!(matches!(code, Some(0 | 1)), "{point}: {code:?}");
        house.says(point).await;
        house.app.agents = Agents::End;
        house.app.boot().await;
        house.ada = house.ada.at(&house.app);
        assert!(!lives(pid), "{point}: it was to be ended");
        house.until(&pair.player, |now| now["pid"].is_null()).await;
    }
}

#[tokio::test]
async fn what_is_done_at_the_start_is_done_again_after_a_panic() {
    let env = vec![("FAILPOINTS", "boot.tidy=1*panic".to_owned())];
    let house = House::with(env, Agents::End).await;
    answer(async || {
        let log = house.app.log();
        let again = log
            .lines()
            .any(|line| line.contains("what is over is forgotten"));
        if house.said("boot.tidy") && again {
            return Ok(());
        }
        Err(log)
    })
    .await;
}

impl House {
    /// Sends a prompt that the session may fall over; the task's id from the rows.
    async fn send_until_gone(&self, id: &str) -> String {
        let path = format!("/api/agents/{id}/message");
        let post = self.ada.request(reqwest::Method::POST, &path);
        let _any = post.json(&json!({"message": "go"})).send().await.unwrap();
        answer(async || {
            let all = self.get(&format!("/api/agents/{id}/tasks")).await;
            all["tasks"][0]["id"]
                .as_str()
                .map(str::to_owned)
                .ok_or_else(|| all.to_string())
        })
        .await
    }

    /// Waits for a line of the supervisor's log about this path.
    async fn event(&self, path: &str, event: &str, point: &str) -> Strike {
        answer(async || {
            let mut after = 0;
            loop {
                let page = format!("/api/supervisor/events?after={after}&limit=1000");
                let page: Value = self.admin.get(&page).await.ok(200);
                for line in page["events"].as_array().unwrap() {
                    after = line["id"].as_u64().unwrap();
                    let reason = line["reason"].as_str().unwrap_or_default();
                    if line["path"] == *path && line["event"] == *event && reason.contains(point) {
                        return Ok(Strike {
                            id: after,
                            path: path.to_owned(),
                            generation: line["generation"].as_u64().unwrap(),
                        });
                    }
                }
                if page["events"] == json!([]) {
                    return Err(format!("no {event} of {path} over {point}"));
                }
            }
        })
        .await
    }

    /// Asks the server until it has ended by itself; its exit code.
    async fn ended(&mut self, id: &str) -> Option<i32> {
        let end = Instant::now() + LONG;
        while !self.app.has_ended() {
            for path in [
                format!("/api/agents/{id}/message"),
                "/api/agents".to_owned(),
            ] {
                let post = self.ada.request(reqwest::Method::POST, &path);
                let body = json!({"message": "true", "agentType": "shell"});
                let post = post.json(&body).timeout(Duration::from_secs(1));
                let _any = crate::app::try_answer(post).await;
            }
            let tree = self
                .admin
                .request(reqwest::Method::GET, "/api/supervisor/tree");
            let _any = crate::app::try_answer(tree.timeout(Duration::from_secs(1))).await;
            assert!(Instant::now() < end, "it does not end: {}", self.app.log());
        }
        self.app.ended().await
    }
}
