//! OTP group "start": order, failures, panics, hangs, invalid specs.

use super::*;

#[test]
fn children_start_left_to_right_each_after_the_one_before() {
    run(async {
        let stage = Stage::new();
        stage.plan("a", [Plan::Slow(ms(300))]);
        stage.plan("b", [Plan::Slow(ms(100))]);
        let _root = start(stage.spec(Strategy::OneForOne, &["a", "b", "c"])).await;
        assert_eq!(
            stage.lines(),
            ["child_started a1", "child_started b1", "child_started c1"]
        );
    });
}

#[test]
fn a_tree_without_children_starts_and_ends() {
    run(async {
        let stage = Stage::new();
        let mut root = start(stage.spec(Strategy::OneForAll, &[])).await;
        assert_eq!(counts(&root).await, ChildCounts::default());
        assert_eq!(root.stop().await, Exit::Shutdown);
        assert_eq!(root.ended().await, Exit::Shutdown);
    });
}

async fn refused(plan: Plan) -> (String, Vec<String>) {
    let stage = Stage::new();
    stage.plan("c", [plan]);
    let spec = stage.spec(Strategy::OneForOne, &["a", "b", "c", "d"]);
    let error = Supervisor::start_root(spec).await.err().expect("a refusal");
    let StartError::Failed(text) = error else {
        panic!("{error:?}");
    };
    (text, stage.lines())
}

#[test]
fn a_first_start_that_fails_ends_the_supervisor_in_reverse_order() {
    run(async {
        let (text, lines) = refused(Plan::Fail("no database")).await;
        assert_eq!(text, "root/c: no database");
        assert_eq!(
            lines,
            [
                "child_started a1",
                "child_started b1",
                "start_failed c1",
                "shutdown root1",
                "stop b1",
                "child_down b1 shutdown",
                "stop a1",
                "child_down a1 shutdown",
                "gave_up root1 failed: root/c: no database",
            ]
        );
    });
}

#[test]
fn a_first_start_that_panics_ends_the_supervisor() {
    run(async {
        let (text, lines) = refused(Plan::Panic("broken start")).await;
        assert!(text.starts_with("root/c: broken start at "), "{text}");
        assert_eq!(
            lines
                .iter()
                .filter(|line| line.starts_with("stop "))
                .count(),
            2
        );
    });
}

#[test]
fn a_panic_inside_the_starting_actor_is_told_with_its_text() {
    run(async {
        let (text, _) = refused(Plan::PanicInside("broken actor")).await;
        assert!(text.starts_with("root/c: broken actor at "), "{text}");
    });
}

#[test]
fn a_first_start_that_hangs_fails_after_the_start_timeout() {
    run(async {
        let before = tokio::time::Instant::now();
        let (text, _) = refused(Plan::Hang).await;
        assert_eq!(text, "root/c: the start took longer than 60s");
        assert_eq!(before.elapsed().as_secs(), 60);
    });
}

#[test]
fn an_actor_left_by_a_hanging_start_notices_and_ends() {
    run(async {
        let (_, lines) = refused(Plan::HangAfter).await;
        assert!(lines.contains(&"alone c1".to_owned()), "{lines:?}");
    });
}

#[test]
fn a_supervisor_is_not_bound_by_the_start_timeout_of_workers() {
    run(async {
        let stage = Stage::new();
        stage.plan("a", [Plan::Slow(ms(40_000))]);
        stage.plan("b", [Plan::Slow(ms(40_000))]);
        let inner = Arc::clone(&stage);
        let inner = Supervisor::child_spec(
            "inner",
            Arc::new(move || inner.spec(Strategy::OneForOne, &["a", "b"])),
        );
        let root = start(stage.spec_of(Strategy::OneForOne, vec![inner])).await;
        assert_eq!(counts(&root).await.active, 1);
    });
}

async fn rejected(change: impl FnOnce(&mut SupervisorSpec)) -> StartError {
    let stage = Stage::new();
    let mut spec = stage.spec(Strategy::OneForOne, &["a", "b"]);
    change(&mut spec);
    let error = Supervisor::start_root(spec).await.err().expect("a refusal");
    assert_eq!(stage.lines(), Vec::<String>::new());
    error
}

#[test]
fn contradictory_specs_start_nothing() {
    run(async {
        let twice = rejected(|spec| spec.children[1].id = "a".into()).await;
        assert!(matches!(twice, StartError::Invalid(_)), "{twice:?}");
        let slash = rejected(|spec| spec.children[1].id = "a/b".into()).await;
        assert!(matches!(slash, StartError::Invalid(_)), "{slash:?}");
        let empty = rejected(|spec| spec.children[1].id.clear()).await;
        assert!(matches!(empty, StartError::Invalid(_)), "{empty:?}");
        let many = rejected(|spec| spec.max_children = Some(1)).await;
        assert_eq!(many, StartError::MaxChildren);
        let never = rejected(|spec| {
            spec.children[0].restart = Restart::Transient;
            spec.children[0].significant = true;
        });
        assert!(matches!(never.await, StartError::Invalid(_)));
        let permanent = rejected(|spec| {
            spec.auto_shutdown = AutoShutdown::AnySignificant;
            spec.children[0].significant = true;
        });
        assert!(matches!(permanent.await, StartError::Invalid(_)));
    });
}

#[test]
fn a_child_that_ends_in_order_before_its_start_returns_has_lived() {
    run(async {
        let stage = Stage::new();
        stage.plan("a", [Plan::EndEarly(Exit::Normal)]);
        let root = start(stage.spec(Strategy::OneForOne, &["a"])).await;
        pass(1).await;
        assert_eq!(states(&root).await, ["a:Restarting"]);
        assert_eq!(
            stage.lines(),
            ["child_started a1", "child_down a1 normal", "restart_in a1"]
        );
        pass(50).await;
        assert_eq!(states(&root).await, ["a:Running"]);
    });
}

#[test]
fn a_start_given_up_by_its_caller_leaves_nothing_behind() {
    run(async {
        let stage = Stage::new();
        stage.plan("b", [Plan::Hang]);
        let starting = Supervisor::start_root(stage.spec(Strategy::OneForOne, &["a", "b"]));
        assert!(tokio::time::timeout(ms(10), starting).await.is_err());
        pass(1).await;
        let lines = stage.lines();
        assert_eq!(lines[..2], ["child_started a1", "detached root1"]);
        assert_eq!(lines[2..], ["alone a1"]);
    });
}
