//! Children that come and go by order: start, terminate, delete, restart, count, many of them.

use super::*;

fn dynamic(stage: &Arc<Stage>) -> SupervisorSpec {
    stage.spec(Strategy::OneForOne, &[])
}

#[test]
fn a_child_can_be_added_terminated_restarted_and_deleted() {
    run(async {
        let stage = Stage::new();
        let root = start(dynamic(&stage)).await;
        assert_eq!(add(&root, stage.child("a")).await, Ok(()));
        assert_eq!(
            add(&root, stage.child("a")).await,
            Err(StartError::AlreadyPresent)
        );
        assert_eq!(delete(&root, "a").await, Err(ChildError::Running));
        assert_eq!(restart(&root, "a").await, Err(ChildError::Running));
        assert_eq!(terminate(&root, "a").await, Ok(()));
        assert_eq!(terminate(&root, "a").await, Ok(()), "stopped already");
        assert_eq!(states(&root).await, ["a:Stopped"]);
        assert_eq!(
            add(&root, stage.child("a")).await,
            Err(StartError::AlreadyPresent)
        );
        assert_eq!(restart(&root, "a").await, Ok(()));
        let info = which(&root).await.remove(0);
        assert_eq!(
            (info.generation, info.restarts),
            (2, 0),
            "not the supervisor's doing"
        );
        assert_eq!(terminate(&root, "a").await, Ok(()));
        assert_eq!(delete(&root, "a").await, Ok(()));
        assert_eq!(delete(&root, "a").await, Err(ChildError::NotFound));
        assert_eq!(restart(&root, "a").await, Err(ChildError::NotFound));
        assert_eq!(terminate(&root, "a").await, Err(ChildError::NotFound));
        assert_eq!(add(&root, stage.child("a")).await, Ok(()));
        pass(100_000).await;
        assert_eq!(states(&root).await, ["a:Running"]);
    });
}

#[test]
fn terminating_waits_for_the_end_and_prevents_a_restart() {
    run(async {
        let stage = Stage::new();
        stage.manner("a", Manner::Slow(ms(700)));
        let root = start(stage.spec(Strategy::OneForOne, &["a", "b"])).await;
        let before = tokio::time::Instant::now();
        terminate(&root, "a").await.expect("stopped");
        assert_eq!(before.elapsed(), ms(700));
        stage.crash("b").await;
        assert_eq!(delete(&root, "b").await, Err(ChildError::Restarting));
        assert_eq!(restart(&root, "b").await, Err(ChildError::Restarting));
        terminate(&root, "b").await.expect("taken back");
        pass(100_000).await;
        assert_eq!(states(&root).await, ["a:Stopped", "b:Stopped"]);
    });
}

#[test]
fn terminating_a_temporary_child_forgets_it() {
    run(async {
        let stage = Stage::new();
        let root = start(dynamic(&stage)).await;
        add(&root, stage.restarting("a", Restart::Temporary))
            .await
            .expect("up");
        terminate(&root, "a").await.expect("stopped");
        assert_eq!(counts(&root).await.specs, 0);
    });
}

#[test]
fn an_added_child_that_does_not_start_is_answered_and_forgotten() {
    run(async {
        let stage = Stage::new();
        let root = start(dynamic(&stage)).await;
        stage.plan("a", [Plan::Fail("full"), Plan::Panic("broken"), Plan::Hang]);
        let failed = add(&root, stage.child("a")).await;
        assert_eq!(failed, Err(StartError::Failed("full".into())));
        let panicked = add(&root, stage.child("a")).await;
        assert!(
            matches!(&panicked, Err(StartError::Failed(text)) if text.starts_with("broken at")),
            "{panicked:?}"
        );
        let before = tokio::time::Instant::now();
        assert!(matches!(
            add(&root, stage.child("a")).await,
            Err(StartError::Failed(_))
        ));
        assert_eq!(before.elapsed(), START_TIMEOUT);
        assert_eq!(counts(&root).await.specs, 0);
        assert!(stage.records(Event::RestartIn).is_empty());
        assert_eq!(add(&root, stage.child("a")).await, Ok(()));
    });
}

#[test]
fn a_requested_restart_that_fails_leaves_the_child_stopped() {
    run(async {
        let stage = Stage::new();
        let root = start(stage.spec(Strategy::OneForOne, &["a"])).await;
        terminate(&root, "a").await.expect("stopped");
        stage.plan("a", [Plan::Fail("full")]);
        assert_eq!(
            restart(&root, "a").await,
            Err(ChildError::Failed("full".into()))
        );
        pass(100_000).await;
        assert_eq!(states(&root).await, ["a:Stopped"]);
        assert_eq!(restart(&root, "a").await, Ok(()));
        stage.crash("a").await;
        pass(100).await;
        assert_eq!(states(&root).await, ["a:Running"], "supervised as before");
    });
}

#[test]
fn terminating_a_child_that_still_starts_answers_both() {
    run(async {
        let stage = Stage::new();
        let root = start(dynamic(&stage)).await;
        stage.plan("a", [Plan::HangAfter]);
        let (address, child) = (root.addr(), stage.child("a"));
        let adding = actix::spawn(async move { address.send(StartChild(child)).await });
        pass(10).await;
        assert_eq!(terminate(&root, "a").await, Ok(()));
        let added = adding.await.expect("joined").expect("an answer");
        assert!(matches!(added, Err(StartError::Failed(_))), "{added:?}");
        assert_eq!(states(&root).await, ["a:Stopped"]);
        assert!(stage.lines().contains(&"alone a1".to_owned()));
    });
}

#[test]
fn a_transient_child_that_was_added_leaves_nothing_when_it_is_done() {
    run(async {
        let stage = Stage::new();
        let of_the_spec = stage.restarting("fixed", Restart::Transient);
        let root = start(stage.spec_of(Strategy::OneForOne, vec![of_the_spec])).await;
        add(&root, stage.restarting("added", Restart::Transient))
            .await
            .expect("up");
        for id in ["fixed", "added"] {
            stage.tell(id, Do::Leave).await;
        }
        pass(1).await;
        assert_eq!(states(&root).await, ["fixed:Stopped"]);
        add(&root, stage.restarting("added", Restart::Transient))
            .await
            .expect("up again");
    });
}

#[test]
fn max_children_counts_all_specs() {
    run(async {
        let stage = Stage::new();
        let mut spec = stage.spec(Strategy::OneForOne, &["a"]);
        spec.max_children = Some(2);
        let root = start(spec).await;
        assert_eq!(add(&root, stage.child("b")).await, Ok(()));
        assert_eq!(
            add(&root, stage.child("c")).await,
            Err(StartError::MaxChildren)
        );
        terminate(&root, "b").await.expect("stopped");
        assert_eq!(
            add(&root, stage.child("c")).await,
            Err(StartError::MaxChildren)
        );
        delete(&root, "b").await.expect("deleted");
        assert_eq!(add(&root, stage.child("c")).await, Ok(()));
    });
}

#[test]
fn an_invalid_spec_is_refused() {
    run(async {
        let stage = Stage::new();
        let root = start(dynamic(&stage)).await;
        let significant = ChildSpec {
            significant: true,
            ..stage.restarting("a", Restart::Temporary)
        };
        assert!(matches!(
            add(&root, significant).await,
            Err(StartError::Invalid(_))
        ));
        assert!(matches!(
            add(&root, stage.child("a/b")).await,
            Err(StartError::Invalid(_))
        ));
        assert_eq!(counts(&root).await.specs, 0);
    });
}

#[test]
fn children_are_counted_and_listed_in_the_order_of_their_start() {
    run(async {
        let stage = Stage::new();
        let below = Arc::clone(&stage);
        let inner = Supervisor::child_spec(
            "s",
            Arc::new(move || below.spec(Strategy::OneForOne, &["x"])),
        );
        let children = vec![stage.child("b"), stage.child("a"), inner];
        let root = start(stage.spec_of(Strategy::OneForOne, children)).await;
        add(&root, stage.child("0")).await.expect("up");
        stage.plan("a", [Plan::Hang]);
        stage.crash("a").await;
        pass(100).await;
        stage.crash("b").await;
        let expected = ChildCounts {
            specs: 4,
            active: 2,
            supervisors: 1,
            workers: 3,
        };
        assert_eq!(counts(&root).await, expected);
        assert_eq!(
            states(&root).await,
            ["b:Restarting", "a:Starting", "s:Running", "0:Running"]
        );
        let kinds: Vec<Kind> = which(&root).await.iter().map(|info| info.kind).collect();
        assert_eq!(
            kinds,
            [Kind::Worker, Kind::Worker, Kind::Supervisor, Kind::Worker]
        );
    });
}

#[test]
fn a_thousand_added_children_stop_in_the_time_of_one_before_the_fixed_ones() {
    run(async {
        let stage = Stage::new();
        let mut root = start(stage.spec(Strategy::OneForOne, &["fixed"])).await;
        for n in 0..1_000 {
            let id = format!("c{n}");
            stage.manner(&id, Manner::Slow(ms(900)));
            add(&root, stage.child(&id)).await.expect("up");
        }
        terminate(&root, "c0").await.expect("stopped");
        assert_eq!(counts(&root).await.active, 1_000);
        stage.clear();
        let before = tokio::time::Instant::now();
        assert_eq!(root.stop().await, Exit::Shutdown);
        assert_eq!(before.elapsed(), ms(900));
        let lines = stage.lines();
        let of = |text: &str| {
            lines
                .iter()
                .position(|line| line == text)
                .expect("such a line")
        };
        assert!(
            of("stop c11") < of("child_down c9991 shutdown"),
            "all are told at once"
        );
        assert!(of("stop fixed1") > of("child_down c21 shutdown"));
        assert_eq!(stage.records(Event::ChildDown).len(), 1_000);
    });
}

#[test]
fn children_of_a_group_supervisor_stop_one_by_one_also_when_added() {
    run(async {
        let stage = Stage::new();
        let mut root = start(stage.spec(Strategy::RestForOne, &["a"])).await;
        for id in ["b", "c"] {
            stage.manner(id, Manner::Slow(ms(100)));
            add(&root, stage.child(id)).await.expect("up");
        }
        let before = tokio::time::Instant::now();
        root.stop().await;
        assert_eq!(before.elapsed(), ms(200));
    });
}
