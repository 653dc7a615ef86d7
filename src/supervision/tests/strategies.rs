//! OTP group "each strategy": who is stopped, in which order, and who comes back.

use super::*;

#[test]
fn one_for_one_touches_nobody_else() {
    run(async {
        let stage = Stage::new();
        let _root = start(stage.spec(Strategy::OneForOne, &["a", "b", "c"])).await;
        stage.clear();
        stage.crash("b").await;
        pass(60).await;
        assert_eq!(
            stage.lines(),
            ["child_down b1 panic", "restart_in b1", "child_started b2"]
        );
    });
}

#[test]
fn one_for_all_stops_all_in_reverse_then_starts_all_in_order() {
    run(async {
        let stage = Stage::new();
        stage.manner("c", Manner::Slow(ms(500)));
        let _root = start(stage.spec(Strategy::OneForAll, &["a", "b", "c"])).await;
        stage.clear();
        stage.crash("b").await;
        pass(499).await;
        assert_eq!(stage.lines(), ["child_down b1 panic", "stop c1"]);
        pass(50).await;
        assert_eq!(
            stage.lines(),
            [
                "child_down c1 shutdown",
                "stop a1",
                "child_down a1 shutdown",
                "restart_in b1"
            ]
        );
        pass(10).await;
        assert_eq!(
            stage.lines(),
            ["child_started a2", "child_started b2", "child_started c2"]
        );
    });
}

#[test]
fn rest_for_one_stops_and_starts_those_after_it() {
    run(async {
        let stage = Stage::new();
        let root = start(stage.spec(Strategy::RestForOne, &["a", "b", "c", "d"])).await;
        stage.clear();
        stage.crash("b").await;
        pass(60).await;
        assert_eq!(
            stage.lines(),
            [
                "child_down b1 panic",
                "stop d1",
                "child_down d1 shutdown",
                "stop c1",
                "child_down c1 shutdown",
                "restart_in b1",
                "child_started b2",
                "child_started c2",
                "child_started d2",
            ]
        );
        let restarts: Vec<u64> = which(&root)
            .await
            .iter()
            .map(|info| info.restarts)
            .collect();
        assert_eq!(restarts, [0, 1, 1, 1]);
    });
}

#[test]
fn members_start_one_after_the_other() {
    run(async {
        let stage = Stage::new();
        let root = start(stage.spec(Strategy::RestForOne, &["a", "b", "c"])).await;
        stage.plan("b", [Plan::Slow(ms(1_000))]);
        stage.crash("a").await;
        pass(100).await;
        assert_eq!(
            states(&root).await,
            ["a:Running", "b:Starting", "c:Restarting"]
        );
        pass(1_000).await;
        assert_eq!(states(&root).await, ["a:Running", "b:Running", "c:Running"]);
    });
}

#[test]
fn a_second_death_during_the_wait_widens_the_group() {
    run(async {
        let stage = Stage::new();
        let root = start(stage.spec(Strategy::RestForOne, &["a", "b", "c"])).await;
        stage.crash("b").await;
        pass(20).await;
        stage.clear();
        stage.crash("a").await;
        assert_eq!(
            states(&root).await,
            ["a:Restarting", "b:Restarting", "c:Restarting"]
        );
        pass(49).await;
        assert_eq!(stage.lines(), ["child_down a1 panic", "restart_in a1"]);
        pass(2).await;
        assert_eq!(
            stage.lines(),
            ["child_started a2", "child_started b2", "child_started c2"]
        );
    });
}

#[test]
fn a_member_that_dies_while_the_group_is_stopped_costs_no_second_restart() {
    run(async {
        let stage = Stage::new();
        stage.manner("c", Manner::Slow(ms(500)));
        let root = start(stage.spec(Strategy::OneForAll, &["a", "b", "c"])).await;
        stage.crash("b").await;
        pass(100).await;
        stage.crash("a").await;
        pass(1_000).await;
        assert_eq!(states(&root).await, ["a:Running", "b:Running", "c:Running"]);
        let counts: Vec<_> = stage
            .records(Event::RestartIn)
            .iter()
            .map(|r| r.count)
            .collect();
        assert_eq!(counts, [Some((1, 5))]);
    });
}

#[test]
fn a_member_that_fails_to_start_takes_the_group_back() {
    run(async {
        let stage = Stage::new();
        let root = start(stage.spec(Strategy::OneForAll, &["a", "b", "c"])).await;
        stage.plan("b", [Plan::Fail("full")]);
        stage.clear();
        stage.crash("c").await;
        pass(51).await;
        assert_eq!(
            stage.lines()[6..],
            [
                "child_started a2",
                "start_failed b2",
                "stop a2",
                "child_down a2 shutdown",
                "restart_in b2"
            ]
        );
        pass(60).await;
        assert_eq!(states(&root).await, ["a:Running", "b:Running", "c:Running"]);
        let generations: Vec<u64> = which(&root).await.iter().map(|i| i.generation).collect();
        assert_eq!(generations, [3, 3, 2]);
    });
}

#[test]
fn a_hanging_member_is_taken_back_when_an_earlier_one_dies() {
    run(async {
        let stage = Stage::new();
        let root = start(stage.spec(Strategy::RestForOne, &["a", "b"])).await;
        stage.plan("b", [Plan::HangAfter]);
        stage.crash("b").await;
        pass(100).await;
        stage.clear();
        stage.crash("a").await;
        pass(100).await;
        assert_eq!(states(&root).await, ["a:Running", "b:Running"]);
        let lines = stage.lines();
        assert!(lines.contains(&"alone b2".to_owned()), "{lines:?}");
        assert_eq!(which(&root).await[1].generation, 3);
    });
}

#[test]
fn a_member_that_does_not_stop_is_abandoned_and_replaced() {
    run(async {
        let stage = Stage::new();
        stage.manner("b", Manner::Ignore);
        let root = start(stage.spec(Strategy::OneForAll, &["a", "b"])).await;
        stage.crash("a").await;
        pass(4_999).await;
        assert_eq!(states(&root).await, ["a:Restarting", "b:Stopping"]);
        pass(100).await;
        assert_eq!(states(&root).await, ["a:Running", "b:Running"]);
        assert_eq!(stage.last(Event::Abandoned).path, "root/b");
    });
}

#[test]
fn a_normal_end_of_a_transient_member_restarts_nobody() {
    run(async {
        let stage = Stage::new();
        let b = stage.restarting("b", Restart::Transient);
        let children = vec![stage.child("a"), b, stage.child("c")];
        let root = start(stage.spec_of(Strategy::OneForAll, children)).await;
        stage.clear();
        stage.tell("b", Do::Leave).await;
        pass(1_000).await;
        assert_eq!(stage.lines(), ["child_down b1 normal"]);
        assert_eq!(states(&root).await, ["a:Running", "b:Stopped", "c:Running"]);
    });
}

#[test]
fn a_temporary_member_killed_with_its_group_does_not_come_back() {
    run(async {
        for strategy in [Strategy::OneForAll, Strategy::RestForOne] {
            let stage = Stage::new();
            let b = stage.restarting("b", Restart::Temporary);
            let children = vec![stage.child("a"), b, stage.child("c")];
            let root = start(stage.spec_of(strategy, children)).await;
            stage.crash("a").await;
            pass(100).await;
            assert_eq!(states(&root).await, ["a:Running", "c:Running"]);
            assert_eq!(add(&root, stage.child("b")).await, Ok(()), "the id is free");
        }
    });
}

#[test]
fn a_group_restart_brings_a_stopped_member_back() {
    run(async {
        let stage = Stage::new();
        let root = start(stage.spec(Strategy::RestForOne, &["a", "b", "c"])).await;
        terminate(&root, "a").await.expect("stopped");
        terminate(&root, "c").await.expect("stopped");
        stage.crash("b").await;
        pass(100).await;
        assert_eq!(states(&root).await, ["a:Stopped", "b:Running", "c:Running"]);
    });
}

#[test]
fn terminating_a_member_leaves_the_others_alone() {
    run(async {
        let stage = Stage::new();
        let root = start(stage.spec(Strategy::OneForAll, &["a", "b", "c"])).await;
        stage.clear();
        terminate(&root, "a").await.expect("stopped");
        pass(1_000).await;
        assert_eq!(stage.lines(), ["stop a1", "child_down a1 shutdown"]);
    });
}

#[test]
fn a_child_added_during_a_group_restart_waits_for_its_turn() {
    run(async {
        let stage = Stage::new();
        let root = start(stage.spec(Strategy::RestForOne, &["a", "b"])).await;
        stage.crash("a").await;
        stage.clear();
        let before = tokio::time::Instant::now();
        add(&root, stage.child("c")).await.expect("up");
        assert_eq!(before.elapsed().as_millis() / 10, 5);
        assert_eq!(
            stage.lines(),
            ["child_started a2", "child_started b2", "child_started c1"]
        );
    });
}

#[test]
fn a_member_terminated_during_the_wait_is_left_out() {
    run(async {
        let stage = Stage::new();
        let root = start(stage.spec(Strategy::OneForAll, &["a", "b", "c"])).await;
        stage.crash("b").await;
        pass(10).await;
        terminate(&root, "b").await.expect("taken back");
        pass(100).await;
        assert_eq!(states(&root).await, ["a:Running", "b:Stopped", "c:Running"]);
    });
}

#[test]
fn a_first_start_that_fails_after_the_boot_is_a_death_like_any_other() {
    run(async {
        let stage = Stage::new();
        let root = start(stage.spec(Strategy::OneForAll, &["a"])).await;
        stage.crash("a").await;
        let (address, child) = (root.addr(), stage.child("b"));
        let adding = actix::spawn(async move { address.send(StartChild(child)).await });
        pass(1).await;
        terminate(&root, "b").await.expect("taken back");
        let added = adding.await.expect("joined").expect("an answer");
        assert!(matches!(added, Err(StartError::Failed(_))), "{added:?}");
        pass(100).await;
        assert_eq!(states(&root).await, ["a:Running", "b:Stopped"]);
        stage.plan("b", [Plan::Fail("full")]);
        stage.crash("a").await;
        pass(1_000).await;
        assert_eq!(states(&root).await, ["a:Running", "b:Running"]);
        assert_eq!(stage.records(Event::StartFailed).len(), 1);
    });
}
