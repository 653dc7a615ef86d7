//! The restart intensity, one level after the other, and the end at the root.

use super::*;

/// `root/inner/{a,b}` beside `root/last`, all permanent.
async fn two_levels(stage: &Arc<Stage>) -> Root {
    let below = Arc::clone(stage);
    let inner = Supervisor::child_spec(
        "inner",
        Arc::new(move || below.spec(Strategy::OneForOne, &["a", "b"])),
    );
    let children = vec![stage.child("first"), inner, stage.child("last")];
    start(stage.spec_of(Strategy::RestForOne, children)).await
}

#[test]
fn five_restarts_in_thirty_seconds_are_granted() {
    run(async {
        let stage = Stage::new();
        let root = start(stage.spec(Strategy::OneForOne, &["a"])).await;
        for _ in 0..5 {
            stage.crash("a").await;
            pass(2_000).await;
        }
        assert_eq!(states(&root).await, ["a:Running"]);
    });
}

#[test]
fn restarts_older_than_the_period_are_forgotten() {
    run(async {
        let stage = Stage::new();
        let root = start(stage.spec(Strategy::OneForOne, &["a"])).await;
        for _ in 0..20 {
            stage.crash("a").await;
            pass(6_100).await;
        }
        assert_eq!(states(&root).await, ["a:Running"]);
    });
}

#[test]
fn the_sixth_ends_the_root_with_its_children_in_reverse() {
    run(async {
        let stage = Stage::new();
        let mut root = start(stage.spec(Strategy::OneForOne, &["a", "b", "c"])).await;
        for _ in 0..5 {
            stage.crash("b").await;
            pass(2_000).await;
        }
        stage.clear();
        stage.crash("b").await;
        let exit = root.ended().await;
        assert!(
            matches!(&exit, Exit::Failed(text) if text.contains("root/b")),
            "{exit:?}"
        );
        assert_eq!(root.ended().await, exit, "the end is told again");
        let lines = stage.lines();
        assert_eq!(
            lines[..7],
            [
                "child_down b6 panic",
                "intensity_reached root1",
                "shutdown root1",
                "stop c1",
                "child_down c1 shutdown",
                "stop a1",
                "child_down a1 shutdown",
            ]
        );
        assert!(lines[7].starts_with("gave_up root1 failed: "), "{lines:?}");
        let reached = stage.last(Event::IntensityReached);
        assert_eq!(reached.count, Some((6, 5)));
        assert!(
            reached
                .reason
                .is_some_and(|reason| reason.contains("boom at "))
        );
    });
}

#[test]
fn restarts_of_different_children_count_together() {
    run(async {
        let stage = Stage::new();
        let mut root = start(stage.spec(Strategy::OneForOne, &["a", "b"])).await;
        for id in ["a", "b", "a", "b", "a", "b"] {
            stage.crash(id).await;
            pass(1_000).await;
        }
        assert!(matches!(root.ended().await, Exit::Failed(_)));
    });
}

#[test]
fn an_inner_supervisor_escalates_and_comes_back_with_all_its_children() {
    run(async {
        let stage = Stage::new();
        let root = two_levels(&stage).await;
        for _ in 0..5 {
            stage.crash("a").await;
            pass(2_000).await;
        }
        stage.clear();
        stage.crash("a").await;
        pass(100).await;
        let lines = stage.lines();
        let expected = [
            "child_down a6 panic",
            "intensity_reached inner1",
            "shutdown inner1",
            "stop b1",
            "child_down b1 shutdown",
        ];
        assert_eq!(lines[..5], expected);
        assert!(lines[5].starts_with("gave_up inner1 failed"), "{lines:?}");
        assert!(
            lines[6].starts_with("child_down inner1 failed"),
            "{lines:?}"
        );
        assert_eq!(
            lines[7..],
            [
                "stop last1",
                "child_down last1 shutdown",
                "restart_in inner1",
                "child_started a1",
                "child_started b1",
                "child_started inner2",
                "child_started last2",
            ]
        );
        assert_eq!(
            states(&root).await,
            ["first:Running", "inner:Running", "last:Running"]
        );
    });
}

#[test]
fn a_crash_without_end_climbs_to_the_root() {
    run(async {
        let stage = Stage::new();
        let mut root = two_levels(&stage).await;
        stage.plan("a", []);
        for _ in 0..36 {
            stage.crash("a").await;
            pass(100).await;
            while !stage.puppet("a").connected() && root.addr().connected() {
                pass(100).await;
            }
        }
        let exit = root.ended().await;
        assert!(
            matches!(&exit, Exit::Failed(text) if text.contains("root/inner")),
            "{exit:?}"
        );
        assert_eq!(
            stage.records(Event::IntensityReached).len(),
            7,
            "six of inner, one of root"
        );
    });
}

#[test]
fn an_inner_supervisor_that_cannot_start_again_counts_each_attempt() {
    run(async {
        let stage = Stage::new();
        let mut root = two_levels(&stage).await;
        stage.plan("b", vec![Plan::Fail("full"); 100]);
        for _ in 0..6 {
            stage.crash("a").await;
            pass(2_000).await;
        }
        let exit = root.ended().await;
        assert!(
            matches!(&exit, Exit::Failed(text) if text.contains("root/inner/b: full")),
            "{exit:?}"
        );
    });
}

#[test]
fn zero_grants_no_restart() {
    run(async {
        let stage = Stage::new();
        let mut spec = stage.spec(Strategy::OneForOne, &["a"]);
        spec.intensity.max = 0;
        let mut root = start(spec).await;
        stage.crash("a").await;
        assert!(matches!(root.ended().await, Exit::Failed(_)));
        assert!(stage.records(Event::RestartIn).is_empty());
    });
}
