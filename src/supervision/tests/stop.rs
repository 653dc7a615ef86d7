//! OTP group "stop": order, grace, infinity, brutal, and nothing that starts afterwards.

use super::*;

#[test]
fn children_stop_right_to_left_each_after_the_one_before() {
    run(async {
        let stage = Stage::new();
        stage.manner("c", Manner::Slow(ms(200)));
        let mut root = start(stage.spec(Strategy::OneForOne, &["a", "b", "c"])).await;
        stage.clear();
        let before = tokio::time::Instant::now();
        assert_eq!(root.stop().await, Exit::Shutdown);
        assert_eq!(before.elapsed().as_millis(), 200);
        assert_eq!(
            stage.lines(),
            [
                "shutdown root1",
                "stop c1",
                "child_down c1 shutdown",
                "stop b1",
                "child_down b1 shutdown",
                "stop a1",
                "child_down a1 shutdown",
                "ended root1 shutdown",
            ]
        );
    });
}

#[test]
fn a_child_that_ignores_the_stop_is_abandoned_after_its_grace() {
    run(async {
        let stage = Stage::new();
        stage.manner("b", Manner::Ignore);
        let mut root = start(stage.spec(Strategy::OneForOne, &["a", "b"])).await;
        let before = tokio::time::Instant::now();
        stage.clear();
        assert_eq!(root.stop().await, Exit::Shutdown);
        assert_eq!(before.elapsed().as_secs(), 5, "the grace of a worker");
        let mut lines = stage.lines();
        let alone = lines.iter().position(|line| line == "alone b1");
        assert!(alone.map(|at| lines.remove(at)).is_some(), "{lines:?}");
        assert_eq!(
            lines,
            [
                "shutdown root1",
                "stop b1",
                "abandoned b1 abandoned",
                "stop a1",
                "child_down a1 shutdown",
                "ended root1 shutdown",
            ]
        );
        assert_eq!(stage.last(Event::Abandoned).delay, Some(WORKER_GRACE));
    });
}

#[test]
fn infinity_waits_as_long_as_it_takes() {
    run(async {
        let stage = Stage::new();
        stage.manner("a", Manner::Slow(Duration::from_hours(3)));
        let patient = ChildSpec {
            shutdown: Shutdown::Infinity,
            ..stage.child("a")
        };
        let mut root = start(stage.spec_of(Strategy::OneForOne, vec![patient])).await;
        let before = tokio::time::Instant::now();
        root.stop().await;
        assert_eq!(before.elapsed(), Duration::from_hours(3));
        assert!(stage.records(Event::Abandoned).is_empty());
    });
}

#[test]
fn brutal_asks_nobody_and_waits_for_nobody() {
    run(async {
        let stage = Stage::new();
        let brutal = |id: &str| ChildSpec {
            shutdown: Shutdown::Brutal,
            ..stage.child(id)
        };
        let children = vec![brutal("a"), brutal("b")];
        let mut root = start(stage.spec_of(Strategy::OneForOne, children)).await;
        stage.clear();
        assert_eq!(root.stop().await, Exit::Shutdown);
        pass(1).await;
        let lines = stage.lines();
        assert_eq!(
            lines[..4],
            [
                "shutdown root1",
                "killed b1 abandoned",
                "killed a1 abandoned",
                "ended root1 shutdown"
            ]
        );
        assert!(lines.contains(&"alone a1".into()) && lines.contains(&"alone b1".into()));
        assert!(!lines.iter().any(|line| line.starts_with("stop ")));
    });
}

#[test]
fn a_panic_while_stopping_is_told_and_not_restarted() {
    run(async {
        let stage = Stage::new();
        stage.manner("a", Manner::Panic);
        let mut root = start(stage.spec(Strategy::OneForOne, &["a"])).await;
        assert_eq!(root.stop().await, Exit::Shutdown);
        let down = stage.last(Event::ChildDown);
        assert_eq!(down.exit, Some(Exit::Panic));
        assert!(
            down.reason
                .expect("a text")
                .starts_with("refuses to stop at ")
        );
        assert!(stage.records(Event::RestartIn).is_empty());
    });
}

#[test]
fn no_restart_comes_after_a_shutdown() {
    run(async {
        let stage = Stage::new();
        let mut root = start(stage.spec(Strategy::OneForOne, &["a", "b"])).await;
        stage.crash("b").await;
        assert_eq!(states(&root).await, ["a:Running", "b:Restarting"]);
        root.stop().await;
        stage.clear();
        pass(100_000).await;
        assert_eq!(stage.lines(), Vec::<String>::new());
        assert!(root.addr().send(WhichChildren).await.is_err());
    });
}

#[test]
fn a_child_that_crashes_while_others_are_stopped_stays_down() {
    run(async {
        let stage = Stage::new();
        stage.manner("b", Manner::Slow(ms(500)));
        let mut root = start(stage.spec(Strategy::OneForOne, &["a", "b"])).await;
        let address = root.addr();
        actix::spawn(async move { address.send(StopTree).await });
        pass(100).await;
        stage.crash("a").await;
        assert_eq!(states(&root).await, ["a:Stopped", "b:Stopping"]);
        assert_eq!(root.ended().await, Exit::Shutdown);
        assert!(stage.records(Event::RestartIn).is_empty());
    });
}

#[test]
fn a_supervisor_that_is_ending_takes_no_more_orders() {
    run(async {
        let stage = Stage::new();
        stage.manner("a", Manner::Slow(ms(500)));
        let mut root = start(stage.spec(Strategy::OneForOne, &["a", "b"])).await;
        terminate(&root, "b").await.expect("stopped");
        let address = root.addr();
        let first = actix::spawn(async move { address.send(StopTree).await });
        pass(100).await;
        assert_eq!(
            add(&root, stage.child("c")).await,
            Err(StartError::Stopping)
        );
        assert_eq!(restart(&root, "b").await, Err(ChildError::Stopping));
        root.addr()
            .send(StopTree)
            .await
            .expect("the second waits as well");
        assert!(first.is_finished());
        assert_eq!(root.ended().await, Exit::Shutdown);
    });
}

#[test]
fn a_stop_during_the_first_start_takes_it_back() {
    run(async {
        let stage = Stage::new();
        stage.plan("slow", [Plan::HangAfter]);
        let inner = Arc::clone(&stage);
        let inner = Supervisor::child_spec(
            "inner",
            Arc::new(move || inner.spec(Strategy::OneForOne, &["quick", "slow"])),
        );
        let mut root = start(stage.spec(Strategy::OneForOne, &["a"])).await;
        let address = root.addr();
        let adding = actix::spawn(async move { address.send(StartChild(inner)).await });
        pass(10).await;
        assert_eq!(root.stop().await, Exit::Shutdown);
        assert_eq!(
            adding.await.expect("joined").expect("an answer"),
            Err(StartError::Stopping)
        );
        pass(1).await;
        let lines = stage.lines();
        for line in ["alone quick1", "alone slow1", "detached inner1", "stop a1"] {
            assert!(lines.contains(&line.to_owned()), "{line} in {lines:?}");
        }
    });
}

#[test]
fn a_start_that_is_over_already_does_not_hold_up_a_stop() {
    run(async {
        let stage = Stage::new();
        let root = start(stage.spec(Strategy::OneForOne, &[])).await;
        // Drops its lifeline at once and then hangs: no report of an end will ever come.
        let odd = ChildSpec {
            shutdown: Shutdown::Infinity,
            ..ChildSpec::worker(
                "odd",
                start_fn(|lifeline| async move {
                    drop(lifeline);
                    std::future::pending().await
                }),
            )
        };
        let address = root.addr();
        actix::spawn(async move { address.send(StartChild(odd)).await });
        pass(10).await;
        assert_eq!(states(&root).await, ["odd:Starting"]);
        terminate(&root, "odd").await.expect("stopped");
        assert_eq!(states(&root).await, ["odd:Stopped"]);
    });
}
