//! Turns of real programs through queue, session, agent, feed and journal.

use callboard::domain::*;

use super::{data_dir, kinds, on_system, open};

#[test]
fn a_prompt_is_run_once_and_told_in_order() {
    on_system(async {
        let dir = data_dir();
        let house = open(dir.path(), |_| {}).await;
        let session = house.session(Kind::Script, |_| {}).await;
        let task = house.send(&session, "hello there").await;
        let row = house.done(&session, task).await;
        assert_eq!(row.state, TaskState::Completed, "{row:?}");
        let events = house.events(&session).await;
        let names = kinds(&events);
        let started = names
            .iter()
            .position(|name| *name == "turn_started")
            .unwrap();
        assert_eq!(names[started + 1], "user_message");
        assert_eq!(
            names.iter().filter(|name| **name == "turn_ended").count(),
            1,
            "{names:?}"
        );
        let row = house.row(&session).await;
        assert_eq!(row.status, Status::Idle);
        assert_eq!(row.status.lifecycle(&row.facts), Lifecycle::Completed);
        house.close(&[&session]).await;
    });
}

#[test]
fn waiting_tasks_run_in_their_order() {
    on_system(async {
        let dir = data_dir();
        let house = open(dir.path(), |_| {}).await;
        let session = house.session(Kind::Script, |_| {}).await;
        let mut tasks = vec![];
        for n in 0..10 {
            tasks.push(house.send(&session, &format!("message {n}")).await);
        }
        for task in &tasks {
            assert_eq!(
                house.done(&session, *task).await.state,
                TaskState::Completed
            );
        }
        let events = house.events(&session).await;
        let order: Vec<String> = events
            .iter()
            .filter(|event| event.kind == EventKind::UserMessage)
            .map(|event| {
                serde_json::from_str::<serde_json::Value>(&event.data).unwrap()["content"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            })
            .collect();
        let wanted: Vec<String> = (0..10).map(|n| format!("message {n}")).collect();
        assert_eq!(order, wanted);
        house.close(&[&session]).await;
    });
}

#[test]
fn a_shell_evaluates_a_message_as_one_unit() {
    on_system(async {
        let dir = data_dir();
        let house = open(dir.path(), |_| {}).await;
        let session = house.session(Kind::Shell, |_| {}).await;
        let task = house
            .send(&session, "cd /\nX=5\necho \"x is $X in $(pwd)\"")
            .await;
        let row = house.done(&session, task).await;
        assert_eq!(row.state, TaskState::Completed, "{row:?}");
        assert_eq!(row.text.as_deref().map(str::trim), Some("x is 5 in /"));
        let task = house.send(&session, "echo $X; false").await;
        let row = house.done(&session, task).await;
        assert_eq!(row.state, TaskState::Failed, "{row:?}");
        assert_eq!(row.reason.as_deref(), Some("exit_1"));
        house.close(&[&session]).await;
    });
}
