//! Children on arbiters of their own: real threads, so real time with deadlines.

use std::sync::mpsc;

use super::*;

/// Like `run`, with a clock that goes and a deadline of 20 s.
fn run_live<F: Future>(body: F) -> F::Output {
    install_panic_hook();
    System::new().block_on(async {
        let done = tokio::time::timeout(Duration::from_secs(20), body).await;
        done.expect("the test comes to an end")
    })
}

/// Polls for a record; the deadline is that of the whole test.
async fn await_record(stage: &Stage, event: Event) -> Record {
    loop {
        if let Some(record) = stage.records(event).pop() {
            return record;
        }
        sleep(ms(1)).await;
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Ready;

struct Remote {
    lifeline: Lifeline,
    gone: mpsc::Sender<bool>,
}

impl Actor for Remote {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.lifeline.tether().hold(ctx, |_, ctx| ctx.stop());
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        let _sent = self.gone.send(self.lifeline.is_current());
    }
}

impl Handler<Ready> for Remote {
    type Result = ();
    fn handle(&mut self, _: Ready, _: &mut Self::Context) {}
}

impl Handler<Do> for Remote {
    type Result = ();
    fn handle(&mut self, order: Do, ctx: &mut Self::Context) {
        order.carry_out(&self.lifeline, ctx);
    }
}

impl Handler<Stop> for Remote {
    type Result = ();
    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

/// The arbiter and the address of the last generation, which starts on a new arbiter each time.
type Place = Arc<Mutex<Vec<(Arbiter, Addr<Remote>)>>>;

fn remote(place: &Place, gone: mpsc::Sender<bool>) -> ChildSpec {
    let place = Arc::clone(place);
    ChildSpec::worker(
        "remote",
        start_fn(move |lifeline| {
            let (place, gone) = (Arc::clone(&place), gone.clone());
            async move {
                let arbiter = Arbiter::new();
                let address =
                    Remote::start_in_arbiter(&arbiter.handle(), |_| Remote { lifeline, gone });
                let ready = address.send(Ready).await;
                ready.map_err(|error| StartError::Failed(error.to_string()))?;
                place
                    .lock()
                    .expect("place")
                    .push((arbiter, address.clone()));
                Ok(Child::worker(address))
            }
        }),
    )
}

#[test]
fn a_panic_on_another_arbiter_is_seen_and_told() {
    run_live(async {
        let stage = Stage::new();
        let (place, (tell, _told)) = (Place::default(), mpsc::channel());
        let mut root = start(stage.spec_of(Strategy::OneForOne, vec![remote(&place, tell)])).await;
        let address = place.lock().expect("place")[0].1.clone();
        assert!(address.send(Do::Crash("far away")).await.is_err());
        let down = await_record(&stage, Event::ChildDown).await;
        assert_eq!(down.exit, Some(Exit::Panic));
        assert!(down.reason.expect("a text").starts_with("far away at "));
        await_record(&stage, Event::RestartIn).await;
        while place.lock().expect("place").len() < 2 {
            sleep(ms(1)).await;
        }
        assert_eq!(root.stop().await, Exit::Shutdown);
    });
}

#[test]
fn an_end_on_another_arbiter_is_seen() {
    run_live(async {
        let stage = Stage::new();
        let (place, (tell, _told)) = (Place::default(), mpsc::channel());
        let _root = start(stage.spec_of(Strategy::OneForOne, vec![remote(&place, tell)])).await;
        let address = place.lock().expect("place")[0].1.clone();
        address
            .send(Do::End(Exit::Failed("far".into())))
            .await
            .expect("told");
        let down = await_record(&stage, Event::ChildDown).await;
        assert_eq!(down.exit, Some(Exit::Failed("far".into())));
    });
}

#[test]
fn the_death_of_an_arbiter_is_the_death_of_its_children() {
    run_live(async {
        let stage = Stage::new();
        let (place, (tell, _told)) = (Place::default(), mpsc::channel());
        let root = start(stage.spec_of(Strategy::OneForOne, vec![remote(&place, tell)])).await;
        let (arbiter, address) = place.lock().expect("place").remove(0);
        arbiter.stop();
        arbiter.join().expect("the thread ends");
        assert!(!address.connected());
        let down = await_record(&stage, Event::ChildDown).await;
        assert_eq!((down.path.as_str(), down.generation), ("root/remote", 1));
        while states(&root).await != ["remote:Running"] {
            sleep(ms(1)).await;
        }
        assert_eq!(which(&root).await[0].generation, 2);
    });
}

#[test]
fn a_child_on_another_arbiter_notices_the_loss_of_its_supervisor() {
    run_live(async {
        let stage = Stage::new();
        let (place, (tell, told)) = (Place::default(), mpsc::channel());
        let root = start(stage.spec_of(Strategy::OneForOne, vec![remote(&place, tell)])).await;
        drop(root);
        await_record(&stage, Event::Detached).await;
        let current = told.recv_timeout(Duration::from_secs(10)).expect("it ends");
        assert!(!current);
    });
}

#[test]
fn a_child_stuck_in_blocking_code_is_abandoned_and_its_late_end_ignored() {
    run_live(async {
        let stage = Stage::new();
        let (release, blocked) = mpsc::channel::<()>();
        let blocked = Arc::new(Mutex::new(Some(blocked)));
        let spec = stuck(&blocked, &stage);
        let root = start(stage.spec_of(Strategy::OneForOne, vec![spec])).await;
        terminate(&root, "stuck").await.expect("given up");
        assert_eq!(stage.last(Event::Abandoned).path, "root/stuck");
        assert_eq!(restart(&root, "stuck").await, Ok(()));
        release.send(()).expect("it still blocks");
        while !stage
            .lines
            .lock()
            .expect("lines")
            .contains(&"late true".to_owned())
        {
            sleep(ms(1)).await;
        }
        assert_eq!(states(&root).await, ["stuck:Running"]);
        assert!(stage.records(Event::ChildDown).is_empty());
    });
}

/// The first generation blocks its own thread until released, deaf to any stop.
fn stuck(blocked: &Arc<Mutex<Option<mpsc::Receiver<()>>>>, stage: &Arc<Stage>) -> ChildSpec {
    let (blocked, stage) = (Arc::clone(blocked), Arc::clone(stage));
    ChildSpec {
        shutdown: Shutdown::Within(ms(50)),
        ..ChildSpec::worker(
            "stuck",
            start_fn(move |lifeline| {
                let (blocked, stage) = (Arc::clone(&blocked), Arc::clone(&stage));
                let (ask, asked) = tokio::sync::oneshot::channel::<Stop>();
                std::thread::spawn(move || {
                    let first = blocked.lock().expect("blocked").take();
                    match first {
                        Some(blocked) => {
                            let _released = blocked.recv();
                            let dead = !lifeline.is_current();
                            drop(lifeline);
                            stage.log(format!("late {dead}"));
                        }
                        None => {
                            let _asked = asked.blocking_recv();
                        }
                    }
                });
                async { Ok(Child::task(ask)) }
            }),
        )
    }
}
