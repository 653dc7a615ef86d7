//! The tree as read by a person, also when a part of it does not answer.

use super::*;

const EXPECTED: &str = r#"{
                "id": "root", "path": "root", "kind": "supervisor", "state": "running",
                "strategy": "one_for_one", "generation": 1, "restarts": 0,
                "children": [
                    {
                        "id": "hub", "path": "root/hub", "kind": "worker",
                        "state": "restarting", "restart": "permanent", "generation": 2,
                        "restarts": 1, "next_in_ms": 90
                    },
                    {
                        "id": "sessions", "path": "root/sessions", "kind": "supervisor",
                        "state": "running", "restart": "permanent",
                        "strategy": "rest_for_one", "generation": 1, "restarts": 0,
                        "uptime_ms": 60,
                        "children": [{
                            "id": "s1", "path": "root/sessions/s1", "kind": "supervisor",
                            "state": "running", "restart": "permanent",
                            "strategy": "rest_for_one", "generation": 1, "restarts": 0,
                            "uptime_ms": 60,
                            "children": [{
                                "id": "feed", "path": "root/sessions/s1/feed",
                                "kind": "worker", "state": "running", "restart": "permanent",
                                "generation": 1, "restarts": 0, "uptime_ms": 60
                            }]
                        }]
                    }
                ]
            }"#;

fn nested(stage: &Arc<Stage>, id: &'static str, children: Vec<ChildSpec>) -> ChildSpec {
    let stage = Arc::clone(stage);
    Supervisor::child_spec(
        id,
        Arc::new(move || stage.spec_of(Strategy::RestForOne, children.clone())),
    )
}

async fn tree(root: &Root) -> TreeNode {
    root.addr().send(Tree::default()).await.expect("an answer")
}

#[test]
fn the_tree_is_read_through_all_levels() {
    run(async {
        let stage = Stage::new();
        let session = nested(&stage, "s1", vec![stage.child("feed")]);
        let sessions = nested(&stage, "sessions", vec![session]);
        let children = vec![stage.child("hub"), sessions];
        let root = start(stage.spec_of(Strategy::OneForOne, children)).await;
        stage.plan("hub", [Plan::Fail("full")]);
        stage.crash("hub").await;
        pass(60).await;
        let json = serde_json::to_value(tree(&root).await).expect("JSON");
        assert_eq!(
            json,
            serde_json::from_str::<serde_json::Value>(EXPECTED).expect("JSON")
        );
    });
}

/// Blocks the mailbox of a supervisor for some time.
#[derive(Message)]
#[rtype(result = "()")]
struct Doze(Duration);

impl Handler<Doze> for Supervisor {
    type Result = ();

    fn handle(&mut self, Doze(time): Doze, ctx: &mut Self::Context) {
        ctx.wait(actix::fut::wrap_future(sleep(time)));
    }
}

/// A supervisor whose address the test gets hold of.
fn reachable(spec: &ChildSpec, found: &Arc<Mutex<Vec<Addr<Supervisor>>>>) -> ChildSpec {
    let (start, found) = (Arc::clone(&spec.start), Arc::clone(found));
    ChildSpec {
        start: start_fn(move |lifeline| {
            let (start, found) = (Arc::clone(&start), Arc::clone(&found));
            async move {
                let child = start(lifeline).await?;
                found.lock().expect("found").extend(child.below().cloned());
                Ok(child)
            }
        }),
        ..spec.clone()
    }
}

#[test]
fn a_supervisor_that_does_not_answer_is_named_and_blocks_nobody() {
    run(async {
        let stage = Stage::new();
        let found = Arc::default();
        let deaf = nested(&stage, "deaf", vec![stage.child("x")]);
        let middle = nested(&stage, "middle", vec![reachable(&deaf, &found)]);
        let children = vec![middle, stage.child("hub")];
        let root = start(stage.spec_of(Strategy::OneForOne, children)).await;
        let deaf = found.lock().expect("found").remove(0);
        deaf.send(Doze(Duration::from_secs(5))).await.expect("told");
        let before = tokio::time::Instant::now();
        let seen = tree(&root).await;
        assert_eq!(
            before.elapsed().as_millis() / 10,
            40,
            "four fifths of 500 ms"
        );
        let middle = &seen.children[0];
        assert_eq!(middle.state, StateName::Running);
        assert_eq!(middle.children[0].path, "root/middle/deaf");
        assert_eq!(middle.children[0].state, StateName::Unresponsive);
        assert_eq!(seen.children[1].state, StateName::Running);
        pass(5_000).await;
        let seen = tree(&root).await;
        assert_eq!(seen.children[0].children[0].state, StateName::Running);
        assert_eq!(seen.children[0].children[0].children.len(), 1);
    });
}

#[test]
fn what_stops_starts_and_stands_still_is_told_apart() {
    run(async {
        let stage = Stage::new();
        stage.manner("stopping", Manner::Slow(ms(500)));
        let ids = ["stopping", "stopped", "starting"];
        let root = start(stage.spec(Strategy::OneForOne, &ids)).await;
        terminate(&root, "stopped").await.expect("stopped");
        stage.plan("starting", [Plan::Hang]);
        stage.crash("starting").await;
        pass(100).await;
        let address = root.addr();
        let id = "stopping".to_owned();
        actix::spawn(async move { address.send(TerminateChild(id)).await });
        pass(1).await;
        let states: Vec<_> = tree(&root)
            .await
            .children
            .iter()
            .map(|node| node.state)
            .collect();
        assert_eq!(
            states,
            [StateName::Stopping, StateName::Stopped, StateName::Starting]
        );
    });
}
