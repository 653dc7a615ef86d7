//! Input: each id once, in order, with a record that outlives the keeper.

use std::time::Duration;

use callboard::keeper::{InputOutcome, InputState, KeeperFrame, Mode, Refusal};

use super::{Link, Rig};

/// The outcomes for one id, up to one of them.
async fn outcomes(link: &mut Link, id: &[u8], last: InputOutcome) -> Vec<InputOutcome> {
    let mut seen = Vec::new();
    while seen.last() != Some(&last) {
        match link.next().await {
            Some(KeeperFrame::InputAck { id: other, outcome }) if other == id => seen.push(outcome),
            Some(KeeperFrame::InputAck { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    seen
}

async fn status(link: &mut Link, id: &[u8]) -> InputState {
    link.writer.input_status(id).await.unwrap();
    loop {
        if let Some(KeeperFrame::InputStatus { id: other, state }) = link.next().await
            && other == id
        {
            return state;
        }
    }
}

#[tokio::test]
async fn an_input_is_accepted_then_written_and_never_taken_twice() {
    let rig = Rig::new();
    let agent = rig.start(rig.shell("cat")).await;
    let mut link = agent.attach(0).await;
    link.writer
        .input(b"task-1", b"one\n".to_vec())
        .await
        .unwrap();
    let seen = outcomes(&mut link, b"task-1", InputOutcome::Written).await;
    assert_eq!(seen, [InputOutcome::Accepted, InputOutcome::Written]);
    link.writer
        .input(b"task-1", b"other\n".to_vec())
        .await
        .unwrap();
    let duplicate = InputOutcome::Duplicate(InputState::Written);
    assert_eq!(outcomes(&mut link, b"task-1", duplicate).await, [duplicate]);
    // Raw keys have no id, no answer and no record.
    link.writer.input(b"", b"keys\n".to_vec()).await.unwrap();
    link.writer.input(b"", b"keys\n".to_vec()).await.unwrap();
    assert_eq!(status(&mut link, b"task-1").await, InputState::Written);
    assert_eq!(status(&mut link, b"task-2").await, InputState::None);
    link.writer.close_stdin().await.unwrap();
    link.until_exit().await;
    assert_eq!(link.text(), "one\nkeys\nkeys\n");
    link.writer.input(b"late", b"x".to_vec()).await.unwrap();
    let closed = InputOutcome::Refused(Refusal::Closed);
    assert_eq!(outcomes(&mut link, b"late", closed).await, [closed]);
    assert_eq!(agent.dir.input_state(b"task-1"), InputState::Written);
    assert_eq!(agent.dir.input_state(b"late"), InputState::None);
}

#[tokio::test]
async fn many_inputs_keep_their_order() {
    let rig = Rig::new();
    let agent = rig.start(rig.shell("cat")).await;
    let mut link = agent.attach(0).await;
    let mut expected = String::new();
    for number in 0..500 {
        let line = format!("{number} {}\n", "x".repeat(number));
        link.writer
            .input(format!("id-{number}").as_bytes(), line.clone().into_bytes())
            .await
            .unwrap();
        expected.push_str(&line);
    }
    link.writer.close_stdin().await.unwrap();
    link.until_exit().await;
    assert!(link.text() == expected);
}

/// A program that does not read blocks neither its output nor anybody; its inputs wait, up to a bound.
#[tokio::test]
async fn a_program_that_does_not_read_lets_its_input_wait() {
    let rig = Rig::new();
    let agent = rig
        .start(rig.shell("trap 'exec wc -c' USR1; while :; do echo tick; sleep 0.02; done"))
        .await;
    let mut link = agent.attach(0).await;
    let big = vec![b'a'; 1024 * 1024];
    for number in 0..8 {
        link.writer
            .input(format!("big-{number}").as_bytes(), big.clone())
            .await
            .unwrap();
    }
    assert_eq!(
        outcomes(&mut link, b"big-7", InputOutcome::Accepted)
            .await
            .len(),
        1
    );
    link.writer.input(b"extra", big.clone()).await.unwrap();
    let full = InputOutcome::Refused(Refusal::Full);
    assert_eq!(outcomes(&mut link, b"extra", full).await, [full]);
    link.writer
        .input(b"large", vec![b'a'; 7 * 1024 * 1024 + 1])
        .await
        .unwrap();
    let large = InputOutcome::Refused(Refusal::TooLarge);
    assert_eq!(outcomes(&mut link, b"large", large).await, [large]);
    link.writer.input(&[b'i'; 65], b"x".to_vec()).await.unwrap();
    assert_eq!(outcomes(&mut link, &[b'i'; 65], large).await, [large]);
    link.writer.input(b"big-0", big.clone()).await.unwrap();
    let waits = InputOutcome::Duplicate(InputState::Accepted);
    assert_eq!(outcomes(&mut link, b"big-0", waits).await, [waits]);
    let before = link.output.len();
    link.until_length(before + 50).await;

    // A new connection after a lost one learns what became of them, and hears the rest.
    drop(link);
    let mut link = agent.attach(0).await;
    assert_eq!(status(&mut link, b"big-0").await, InputState::Accepted);
    assert_eq!(status(&mut link, b"extra").await, InputState::None);
    assert_eq!(agent.dir.input_state(b"big-7"), InputState::Accepted);
    let signal = callboard::keeper::Target::Program;
    link.writer.signal(libc::SIGUSR1, signal).await.unwrap();
    outcomes(&mut link, b"big-7", InputOutcome::Written).await;
    link.writer.close_stdin().await.unwrap();
    link.until_exit().await;
    assert!(
        link.text().ends_with(&format!("{}\n", 8 * 1024 * 1024)),
        "no byte twice, none lost"
    );
    let kib = super::private_kib(agent.keeper_pid());
    assert!(kib <= 1024, "the queue's memory is given back: {kib} KiB");
}

/// The record of a dead keeper decides: written, accepted, none; after a reboot it cannot say no.
#[tokio::test]
async fn the_record_outlives_the_keeper() {
    let rig = Rig::new();
    let agent = rig
        .start(rig.shell("read first; echo $first; sleep 300"))
        .await;
    let mut link = agent.attach(0).await;
    link.writer
        .input(b"first", b"one\n".to_vec())
        .await
        .unwrap();
    link.until_output("one").await;
    link.writer
        .input(b"second", vec![b'x'; 512 * 1024])
        .await
        .unwrap();
    outcomes(&mut link, b"second", InputOutcome::Accepted).await;
    agent.kill_keeper();
    agent.keeper_gone().await;
    assert_eq!(agent.dir.input_state(b"first"), InputState::Written);
    assert_eq!(agent.dir.input_state(b"second"), InputState::Accepted);
    assert_eq!(agent.dir.input_state(b"third"), InputState::None);

    let mut record = agent.dir.record().unwrap();
    let real = record.clone();
    record.boot_id = "an-earlier-boot".to_owned();
    let path = agent.dir.path().join("record");
    std::fs::write(&path, record.encode()).unwrap();
    assert_eq!(agent.dir.input_state(b"first"), InputState::Written);
    assert_eq!(agent.dir.input_state(b"second"), InputState::Unknown);
    assert_eq!(agent.dir.input_state(b"third"), InputState::Unknown);
    std::fs::write(&path, real.encode()).unwrap();
}

#[tokio::test]
async fn a_terminal_echoes_and_ends() {
    let rig = Rig::new();
    let mut spec = rig.spec(&["cat"]);
    spec.mode = Mode::Pty { rows: 24, cols: 80 };
    let agent = rig.start(spec).await;
    let mut link = agent.attach(0).await;
    link.writer.input(b"1", b"hello\n".to_vec()).await.unwrap();
    // Once as echo, once from cat; the terminal turns each line end into two bytes.
    link.until_output("hello\r\nhello\r\n").await;
    link.writer.close_stdin().await.unwrap();
    let exit = link.until_exit().await;
    assert_eq!(exit.code, Some(0), "{exit:?}");
}

#[tokio::test]
async fn input_that_the_program_has_closed_is_refused() {
    let rig = Rig::new();
    let agent = rig
        .start(rig.shell("exec <&-; echo closed; sleep 300"))
        .await;
    let mut link = agent.attach(0).await;
    link.until_output("closed").await;
    link.writer.input(b"a", b"x\n".to_vec()).await.unwrap();
    outcomes(&mut link, b"a", InputOutcome::Accepted).await;
    link.writer.input(b"b", b"x\n".to_vec()).await.unwrap();
    let closed = InputOutcome::Refused(Refusal::Closed);
    assert_eq!(outcomes(&mut link, b"b", closed).await, [closed]);
    assert_eq!(
        status(&mut link, b"a").await,
        InputState::Accepted,
        "never claimed to be written"
    );
    let silent = tokio::time::timeout(Duration::from_millis(100), link.next()).await;
    assert!(silent.is_err(), "{silent:?}");
    let mut spec = rig.shell("cat; echo end");
    spec.mode = Mode::PipesNoInput;
    spec.incarnation = 2;
    spec.dir.set_file_name("2");
    let agent = rig.start(spec).await;
    let mut link = agent.attach(0).await;
    link.until_output("end").await;
}
