//! Significant children and the supervisors that end with them.

use super::*;

fn spec(stage: &Arc<Stage>, auto: AutoShutdown) -> SupervisorSpec {
    let significant = |id: &str, restart| ChildSpec {
        significant: true,
        ..stage.restarting(id, restart)
    };
    SupervisorSpec {
        auto_shutdown: auto,
        ..stage.spec_of(
            Strategy::OneForOne,
            vec![
                stage.restarting("plain", Restart::Temporary),
                significant("transient", Restart::Transient),
                significant("temporary", Restart::Temporary),
            ],
        )
    }
}

fn is_over(root: &Root) -> bool {
    !root.addr().connected()
}

#[test]
fn any_ends_the_supervisor_with_the_first() {
    run(async {
        for (id, order) in [
            ("transient", Do::Leave),
            ("transient", Do::End(Exit::Shutdown)),
            ("temporary", Do::Leave),
            ("temporary", Do::Crash("boom")),
        ] {
            let stage = Stage::new();
            let mut root = start(spec(&stage, AutoShutdown::AnySignificant)).await;
            stage.tell(id, order).await;
            assert_eq!(root.ended().await, Exit::Shutdown);
            assert_eq!(stage.records(Event::ChildDown).len(), 3);
            let reason = stage.last(Event::Shutdown).reason.expect("a reason");
            assert!(reason.contains(id), "{reason}");
        }
    });
}

#[test]
fn an_end_that_is_no_end_for_good_does_not() {
    run(async {
        let stage = Stage::new();
        let root = start(spec(&stage, AutoShutdown::AnySignificant)).await;
        stage.tell("plain", Do::Leave).await;
        stage.crash("transient").await;
        pass(1_000).await;
        assert!(!is_over(&root));
        assert_eq!(
            states(&root).await,
            ["transient:Running", "temporary:Running"]
        );
    });
}

#[test]
fn an_end_by_order_does_not() {
    run(async {
        let stage = Stage::new();
        let root = start(spec(&stage, AutoShutdown::AnySignificant)).await;
        terminate(&root, "transient").await.expect("stopped");
        terminate(&root, "temporary").await.expect("stopped");
        pass(1_000).await;
        assert!(!is_over(&root));
    });
}

#[test]
fn an_end_with_the_group_does_not() {
    run(async {
        let stage = Stage::new();
        let mut spec = spec(&stage, AutoShutdown::AnySignificant);
        spec.strategy = Strategy::OneForAll;
        spec.children[0].restart = Restart::Permanent;
        let root = start(spec).await;
        stage.crash("plain").await;
        pass(1_000).await;
        assert!(!is_over(&root));
        assert_eq!(states(&root).await, ["plain:Running", "transient:Running"]);
    });
}

#[test]
fn all_ends_the_supervisor_with_the_last() {
    run(async {
        let stage = Stage::new();
        let mut root = start(spec(&stage, AutoShutdown::AllSignificant)).await;
        stage.tell("transient", Do::Leave).await;
        pass(1_000).await;
        assert!(!is_over(&root));
        stage.tell("temporary", Do::Crash("boom")).await;
        assert_eq!(root.ended().await, Exit::Shutdown);
    });
}

#[test]
fn one_that_waits_for_its_restart_is_not_gone() {
    run(async {
        let stage = Stage::new();
        let root = start(spec(&stage, AutoShutdown::AllSignificant)).await;
        stage.crash("transient").await;
        stage.tell("temporary", Do::Leave).await;
        pass(1_000).await;
        assert!(!is_over(&root));
        assert_eq!(states(&root).await, ["plain:Running", "transient:Running"]);
    });
}

#[test]
fn one_that_was_terminated_is_gone_for_the_others() {
    run(async {
        let stage = Stage::new();
        let mut root = start(spec(&stage, AutoShutdown::AllSignificant)).await;
        terminate(&root, "transient").await.expect("stopped");
        stage.tell("temporary", Do::Leave).await;
        assert_eq!(root.ended().await, Exit::Shutdown);
    });
}

#[test]
fn never_keeps_a_supervisor_without_children() {
    run(async {
        let stage = Stage::new();
        let child = stage.restarting("a", Restart::Temporary);
        let root = start(stage.spec_of(Strategy::OneForOne, vec![child])).await;
        stage.tell("a", Do::Leave).await;
        pass(1_000).await;
        assert_eq!(counts(&root).await, ChildCounts::default());
    });
}

#[test]
fn the_outer_supervisor_restarts_it_only_when_it_is_permanent() {
    run(async {
        for (restart, expected) in [
            (Restart::Permanent, "inner:Running"),
            (Restart::Transient, "inner:Stopped"),
        ] {
            let stage = Stage::new();
            let below = Arc::clone(&stage);
            let factory = Arc::new(move || spec(&below, AutoShutdown::AnySignificant));
            let inner = ChildSpec {
                restart,
                ..Supervisor::child_spec("inner", factory)
            };
            let root = start(stage.spec_of(Strategy::OneForOne, vec![inner])).await;
            stage.tell("transient", Do::Leave).await;
            pass(1_000).await;
            assert_eq!(states(&root).await, [expected]);
        }
    });
}
