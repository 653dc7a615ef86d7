//! OTP groups "normal", "shutdown" and "abnormal exit" for each restart class, the back-off
//! curve as lived, and failing restarts.

use super::*;

/// What a lone child does in the tree after it ended in the given way.
async fn after(class: Restart, order: Do) -> (Vec<String>, String) {
    let stage = Stage::new();
    let child = stage.restarting("a", class);
    let root = start(stage.spec_of(Strategy::OneForOne, vec![child])).await;
    stage.tell("a", order).await;
    pass(0).await;
    let now = states(&root).await;
    pass(10_000).await;
    let later = states(&root).await.join(",");
    (now, later)
}

#[test]
fn permanent_is_restarted_after_every_end() {
    run(async {
        for order in [
            Do::Leave,
            Do::End(Exit::Shutdown),
            Do::End(Exit::Failed("x".into())),
            Do::Crash("x"),
        ] {
            let (now, later) = after(Restart::Permanent, order.clone()).await;
            assert_eq!(now, ["a:Restarting"], "{order:?}");
            assert_eq!(later, "a:Running", "{order:?}");
        }
    });
}

#[test]
fn transient_is_restarted_after_an_abnormal_end_only() {
    run(async {
        for order in [Do::Leave, Do::End(Exit::Normal), Do::End(Exit::Shutdown)] {
            let (now, later) = after(Restart::Transient, order.clone()).await;
            assert_eq!(now, ["a:Stopped"], "{order:?}");
            assert_eq!(later, "a:Stopped", "{order:?}");
        }
        for order in [
            Do::End(Exit::Failed("x".into())),
            Do::End(Exit::Abandoned),
            Do::Crash("x"),
        ] {
            let (now, later) = after(Restart::Transient, order.clone()).await;
            assert_eq!(now, ["a:Restarting"], "{order:?}");
            assert_eq!(later, "a:Running", "{order:?}");
        }
    });
}

#[test]
fn temporary_is_never_restarted_and_its_spec_goes() {
    run(async {
        for order in [
            Do::Leave,
            Do::End(Exit::Shutdown),
            Do::End(Exit::Failed("x".into())),
            Do::Crash("x"),
        ] {
            let (now, later) = after(Restart::Temporary, order.clone()).await;
            assert_eq!(now, Vec::<String>::new(), "{order:?}");
            assert_eq!(later, "", "{order:?}");
        }
    });
}

#[test]
fn a_panic_is_told_with_text_place_and_lifetime_and_the_next_life_is_fresh() {
    run(async {
        let stage = Stage::new();
        let root = start(stage.spec(Strategy::OneForOne, &["a"])).await;
        let first = stage.puppet("a");
        pass(1_234).await;
        stage.tell("a", Do::Crash("out of ink")).await;
        pass(100).await;
        let down = stage.last(Event::ChildDown);
        assert_eq!(down.path, "root/a");
        assert_eq!((down.generation, down.exit), (1, Some(Exit::Panic)));
        assert_eq!(down.lifetime, Some(ms(1_234)));
        let text = down.reason.expect("a text");
        assert!(
            text.starts_with("out of ink at src/supervision/tests/mod.rs:"),
            "{text}"
        );
        let next = stage.last(Event::RestartIn);
        assert_eq!((next.delay, next.count), (Some(ms(50)), Some((1, 5))));
        assert!(!first.connected());
        let info = which(&root).await.remove(0);
        assert_eq!((info.generation, info.restarts), (2, 1));
        assert_eq!(info.uptime, Some(ms(50)));
    });
}

#[test]
fn what_a_child_records_last_counts() {
    run(async {
        let stage = Stage::new();
        let _root = start(stage.spec(Strategy::OneForOne, &["a"])).await;
        stage
            .tell("a", Do::End(Exit::Failed("no disk".into())))
            .await;
        pass(0).await;
        let down = stage.last(Event::ChildDown);
        assert_eq!(down.exit, Some(Exit::Failed("no disk".into())));
        assert_eq!(down.reason, None);
    });
}

fn without_limit(mut spec: SupervisorSpec) -> SupervisorSpec {
    spec.intensity.max = u32::MAX;
    spec
}

#[test]
fn the_wait_doubles_to_the_cap_and_starts_again_after_a_long_life() {
    run(async {
        let stage = Stage::new();
        let _root = start(without_limit(stage.spec(Strategy::OneForOne, &["a"]))).await;
        let mut waited = Vec::new();
        for _ in 0..9 {
            let died = tokio::time::Instant::now();
            stage.crash("a").await;
            stage.clear();
            while stage.records(Event::ChildStarted).is_empty() {
                pass(1).await;
            }
            waited.push(died.elapsed().as_millis() / 10 * 10);
        }
        assert_eq!(waited, [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        pass(59_000).await;
        stage.crash("a").await;
        assert_eq!(stage.last(Event::RestartIn).delay, Some(ms(5_000)));
        pass(5_000).await;
        pass(60_000).await;
        stage.crash("a").await;
        assert_eq!(stage.last(Event::RestartIn).delay, Some(ms(50)));
    });
}

#[test]
fn real_jitter_spreads_within_twenty_percent() {
    run(async {
        let stage = Stage::new();
        let ids: Vec<String> = (0..100).map(|n| format!("c{n}")).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let mut spec = without_limit(stage.spec(Strategy::OneForOne, &ids));
        spec.backoff = Backoff::default();
        let _root = start(spec).await;
        for id in &ids {
            stage.crash(id).await;
        }
        let delays: Vec<Duration> = stage
            .records(Event::RestartIn)
            .into_iter()
            .filter_map(|record| record.delay)
            .collect();
        assert_eq!(delays.len(), 100);
        let (least, most) = (delays.iter().min(), delays.iter().max());
        assert!(
            least >= Some(&ms(40)) && most <= Some(&ms(60)),
            "{least:?} {most:?}"
        );
        assert!(
            most.zip(least)
                .is_some_and(|(most, least)| *most - *least > ms(5))
        );
    });
}

#[test]
fn each_child_has_its_own_curve() {
    run(async {
        let stage = Stage::new();
        let _root = start(stage.spec(Strategy::OneForOne, &["a", "b"])).await;
        stage.crash("a").await;
        pass(60).await;
        stage.crash("a").await;
        stage.crash("b").await;
        let delays: Vec<_> = stage
            .records(Event::RestartIn)
            .into_iter()
            .map(|record| (record.path, record.delay.expect("a delay").as_millis()))
            .collect();
        let expected = [("root/a", 50), ("root/a", 100), ("root/b", 50)];
        assert_eq!(
            delays,
            expected.map(|(path, delay)| (path.to_owned(), delay))
        );
    });
}

#[test]
fn failing_panicking_and_hanging_restarts_are_deaths_under_the_back_off() {
    run(async {
        let stage = Stage::new();
        let root = start(stage.spec(Strategy::OneForOne, &["a"])).await;
        stage.plan(
            "a",
            [
                Plan::Fail("full"),
                Plan::Panic("broken"),
                Plan::PanicInside("inside"),
                Plan::Hang,
            ],
        );
        stage.clear();
        stage.crash("a").await;
        pass(100_000).await;
        assert_eq!(states(&root).await, ["a:Running"]);
        let reasons: Vec<String> = stage
            .records(Event::StartFailed)
            .into_iter()
            .filter_map(|record| record.reason)
            .collect();
        assert_eq!(reasons.len(), 4);
        assert_eq!(reasons[0], "full");
        assert!(reasons[1].starts_with("broken at "), "{}", reasons[1]);
        assert!(reasons[2].starts_with("inside at "), "{}", reasons[2]);
        assert_eq!(reasons[3], "the start took longer than 60s");
        let waits: Vec<_> = stage
            .records(Event::RestartIn)
            .into_iter()
            .map(|record| {
                (
                    record.generation,
                    record.delay.expect("a delay").as_millis(),
                )
            })
            .collect();
        assert_eq!(waits, [(1, 50), (2, 100), (3, 200), (4, 400), (5, 800)]);
        assert_eq!(which(&root).await[0].generation, 6);
    });
}

#[test]
fn a_loop_of_failing_starts_ends_at_the_intensity() {
    run(async {
        let stage = Stage::new();
        let mut root = start(stage.spec(Strategy::OneForOne, &["a", "b"])).await;
        stage.plan("b", vec![Plan::Fail("full"); 100]);
        stage.crash("b").await;
        let exit = root.ended().await;
        assert!(
            matches!(&exit, Exit::Failed(text) if text.contains("root/b: full")),
            "{exit:?}"
        );
        assert_eq!(stage.records(Event::StartFailed).len(), 5);
        assert_eq!(stage.last(Event::IntensityReached).count, Some((6, 5)));
    });
}

#[test]
fn the_supervisor_answers_while_a_restart_waits_or_hangs() {
    run(async {
        let stage = Stage::new();
        let mut root = start(stage.spec(Strategy::OneForOne, &["a", "b"])).await;
        stage.plan("a", [Plan::Hang]);
        stage.crash("a").await;
        let down = tokio::time::Instant::now();
        let info = which(&root).await.remove(0);
        assert_eq!(
            info.state,
            ChildState::Restarting {
                next_at: Some(down + ms(50))
            }
        );
        add(&root, stage.child("c"))
            .await
            .expect("starts beside it");
        assert_eq!(down.elapsed(), Duration::ZERO);
        pass(1_000).await;
        assert_eq!(
            states(&root).await,
            ["a:Starting", "b:Running", "c:Running"]
        );
        let before = tokio::time::Instant::now();
        add(&root, stage.child("d"))
            .await
            .expect("starts beside it");
        assert_eq!(root.stop().await, Exit::Shutdown);
        assert_eq!(before.elapsed(), Duration::ZERO);
    });
}
