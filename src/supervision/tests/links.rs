//! Both links: a supervisor that dies leaves nobody behind, a child that was given up is dead.

use super::*;

/// A bug in the supervisor itself.
#[derive(Message)]
#[rtype(result = "()")]
struct Bug;

impl Handler<Bug> for Supervisor {
    type Result = ();

    fn handle(&mut self, _: Bug, _: &mut Self::Context) {
        panic!("a bug in the supervisor");
    }
}

#[test]
fn the_root_that_panics_lets_its_children_go() {
    run(async {
        let stage = Stage::new();
        let mut root = start(stage.spec(Strategy::OneForOne, &["a", "b"])).await;
        stage.clear();
        assert!(root.addr().send(Bug).await.is_err());
        assert_eq!(root.ended().await, Exit::Panic);
        pass(1).await;
        let mut lines = stage.lines();
        lines.sort();
        assert_eq!(lines, ["alone a1", "alone b1"]);
        assert!(!stage.puppet("a").connected() && !stage.puppet("b").connected());
    });
}

/// Crashes the supervisor of which it is told.
struct Saboteur(Arc<Stage>, Mutex<Option<String>>);

impl Observer for Saboteur {
    fn record(&self, record: &Record) {
        self.0.record(record);
        let trap = self.1.lock().expect("trap").take();
        if trap.as_ref() == Some(&record.path) {
            panic!("the observer is broken");
        }
        *self.1.lock().expect("trap") = trap;
    }
}

#[test]
fn an_inner_supervisor_that_panics_is_restarted_with_all_its_children() {
    run(async {
        let stage = Stage::new();
        let saboteur = Arc::new(Saboteur(Arc::clone(&stage), Mutex::new(None)));
        let (below, observer) = (Arc::clone(&stage), Arc::clone(&saboteur));
        let inner = Supervisor::child_spec(
            "inner",
            Arc::new(move || SupervisorSpec {
                observer: observer.clone(),
                ..below.spec(Strategy::OneForOne, &["a", "b"])
            }),
        );
        let root = start(stage.spec_of(Strategy::OneForOne, vec![inner])).await;
        let old = [stage.puppet("a"), stage.puppet("b")];
        stage.clear();
        *saboteur.1.lock().expect("trap") = Some("root/inner/b".into());
        stage.crash("b").await;
        pass(100).await;
        let lines = stage.lines();
        for line in [
            "alone a1",
            "child_down inner1 panic",
            "child_started inner2",
        ] {
            assert!(lines.contains(&line.to_owned()), "{line} in {lines:?}");
        }
        let reason = stage.last(Event::ChildDown).reason.expect("a text");
        assert!(reason.starts_with("the observer is broken at "), "{reason}");
        assert!(old.iter().all(|puppet| !puppet.connected()));
        assert_eq!(states(&root).await, ["inner:Running"]);
        assert!(stage.puppet("a").connected() && stage.puppet("b").connected());
    });
}

#[test]
fn dropping_the_root_lets_the_whole_tree_go() {
    run(async {
        let stage = Stage::new();
        let below = Arc::clone(&stage);
        let inner = Supervisor::child_spec(
            "inner",
            Arc::new(move || below.spec(Strategy::OneForOne, &["a", "b"])),
        );
        let children = vec![inner, stage.child("c")];
        let root = start(stage.spec_of(Strategy::OneForOne, children)).await;
        let address = root.addr();
        stage.clear();
        drop(root);
        pass(1).await;
        let mut lines = stage.lines();
        lines.sort();
        assert_eq!(
            lines,
            [
                "alone a1",
                "alone b1",
                "alone c1",
                "detached inner1",
                "detached root1"
            ]
        );
        assert!(!address.connected());
        pass(100_000).await;
        assert_eq!(stage.lines(), Vec::<String>::new());
    });
}

/// Keeps its lifeline on the stage of the test, out of the reach of any stop.
fn stubborn(held: &Arc<Mutex<Vec<Lifeline>>>, stop: Shutdown) -> ChildSpec {
    let held = Arc::clone(held);
    ChildSpec {
        shutdown: stop,
        ..ChildSpec::worker(
            "stubborn",
            start_fn(move |lifeline| {
                held.lock().expect("held").push(lifeline);
                async { Ok(Child::task(tokio::sync::oneshot::channel().0)) }
            }),
        )
    }
}

#[test]
fn an_abandoned_generation_is_dead_whatever_it_still_does() {
    run(async {
        let stage = Stage::new();
        let held = Arc::default();
        let child = stubborn(&held, Shutdown::Within(ms(100)));
        let root = start(stage.spec_of(Strategy::OneForOne, vec![child])).await;
        let lifeline = held.lock().expect("held").remove(0);
        assert!(lifeline.is_current());
        assert_eq!(
            (lifeline.path(), lifeline.generation()),
            ("root/stubborn", 1)
        );
        terminate(&root, "stubborn").await.expect("given up");
        assert!(!lifeline.is_current());
        lifeline.tether().cut().await;
        restart(&root, "stubborn").await.expect("up again");
        stage.clear();
        lifeline.record(Exit::Failed("much too late".into()));
        drop(lifeline);
        pass(1_000).await;
        assert_eq!(stage.lines(), Vec::<String>::new());
        assert_eq!(states(&root).await, ["stubborn:Running"]);
        let second = held.lock().expect("held").remove(0);
        assert!(second.is_current());
        assert_eq!(second.generation(), 2);
        drop(second);
        pass(1).await;
        assert_eq!(states(&root).await, ["stubborn:Restarting"]);
        assert_eq!(
            stage.lines(),
            ["child_down stubborn1 normal", "restart_in stubborn2"]
                .map(|line| line.replace("stubborn1", "stubborn2"),)
        );
    });
}

#[test]
fn a_late_report_does_not_reach_a_child_added_anew_under_the_same_id() {
    run(async {
        let stage = Stage::new();
        let held = Arc::default();
        let root = start(stage.spec(Strategy::OneForOne, &[])).await;
        let child = || stubborn(&held, Shutdown::Brutal);
        add(&root, child()).await.expect("up");
        let old = held.lock().expect("held").remove(0);
        terminate(&root, "stubborn").await.expect("killed");
        delete(&root, "stubborn").await.expect("deleted");
        add(&root, child()).await.expect("up");
        drop(old);
        pass(1).await;
        assert_eq!(states(&root).await, ["stubborn:Running"]);
    });
}

#[test]
fn a_lifeline_dropped_after_the_cut_reports_a_shutdown() {
    run(async {
        let (notes, mut reports) = tokio::sync::mpsc::unbounded_channel();
        let life = lifeline::Life {
            key: 7,
            generation: 3,
        };
        let (leash, line) = lifeline::tie(life, "root/x".into(), notes);
        let waiting = actix::spawn({
            let tether = line.tether();
            async move { tether.cut().await }
        });
        pass(1).await;
        assert!(!waiting.is_finished());
        drop(leash);
        waiting.await.expect("the tether tells");
        drop(line);
        let Some(lifeline::Note::Down(of, death)) = reports.recv().await else {
            panic!("a report");
        };
        assert_eq!((of, death.exit, death.text), (life, Exit::Shutdown, None));
    });
}

#[test]
fn a_stop_reaches_a_child_whose_mailbox_is_full() {
    struct Busy {
        _lifeline: Lifeline,
        stopped: Arc<Mutex<bool>>,
    }
    impl Actor for Busy {
        type Context = Context<Self>;
        fn started(&mut self, ctx: &mut Self::Context) {
            ctx.set_mailbox_capacity(1);
            let pause = actix::fut::wrap_future::<_, Self>(tokio::time::sleep(ms(500)));
            ctx.wait(pause);
        }
    }
    #[derive(Message)]
    #[rtype(result = "()")]
    struct Chatter;
    impl Handler<Chatter> for Busy {
        type Result = ();
        fn handle(&mut self, _: Chatter, _: &mut Self::Context) {}
    }
    impl Handler<Stop> for Busy {
        type Result = ();
        fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
            *self.stopped.lock().expect("flag") = true;
            ctx.stop();
        }
    }
    run(async {
        let stage = Stage::new();
        let stopped = Arc::new(Mutex::new(false));
        let seen = Arc::clone(&stopped);
        let busy = ChildSpec::worker(
            "busy",
            start_fn(move |lifeline| {
                let stopped = Arc::clone(&seen);
                async move {
                    let actor = Busy {
                        _lifeline: lifeline,
                        stopped,
                    };
                    let address = actor.start();
                    // Its own sender has its place taken before the supervisor asks.
                    while address.try_send(Chatter).is_ok() {}
                    Ok(Child::worker(address))
                }
            }),
        );
        let mut root = start(stage.spec_of(Strategy::OneForOne, vec![busy])).await;
        assert_eq!(root.stop().await, Exit::Shutdown);
        assert!(*stopped.lock().expect("flag"));
        assert_eq!(stage.records(Event::Abandoned).len(), 0);
    });
}

#[test]
fn a_plain_task_can_be_a_child() {
    run(async {
        let stage = Stage::new();
        let (seen, task) = (Arc::clone(&stage), start_task_of(&stage));
        let mut root = start(seen.spec_of(Strategy::OneForOne, vec![task])).await;
        assert_eq!(root.stop().await, Exit::Shutdown);
        assert_eq!(
            stage.lines()[2..],
            [
                "task stops",
                "child_down task1 shutdown",
                "ended root1 shutdown"
            ]
        );
    });
}

fn start_task_of(stage: &Arc<Stage>) -> ChildSpec {
    let stage = Arc::clone(stage);
    ChildSpec::worker(
        "task",
        start_fn(move |lifeline| {
            let stage = Arc::clone(&stage);
            async move {
                let (ask, asked) = tokio::sync::oneshot::channel::<Stop>();
                actix::spawn(async move {
                    let _asked = asked.await;
                    stage.log("task stops".into());
                    drop(lifeline);
                });
                Ok(Child::task(ask))
            }
        }),
    )
}
