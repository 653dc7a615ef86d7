//! Output: whole, in order, by offset; bounded by acknowledgement and not by readers.

use std::io::Write;
use std::time::Duration;

use callboard::keeper::{BlockReason, KeeperFrame, connect};

use super::{Rig, lives, private_kib, size, until};

/// What `seq 1 count` prints.
pub fn numbers(count: u64) -> Vec<u8> {
    let mut out = Vec::new();
    for number in 1..=count {
        writeln!(out, "{number}").unwrap();
    }
    out
}

/// Waits until a program that prints without end is held up by its pipe; how much it has written.
pub async fn stuck(pid: u32) -> u64 {
    let mut last = 0;
    until("the held-up program", || {
        let io = std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap();
        let line = io
            .lines()
            .find_map(|line| line.strip_prefix("wchar: "))
            .unwrap();
        let now = line.parse().unwrap();
        let asleep = std::fs::read_to_string(format!("/proc/{pid}/wchan"))
            .is_ok_and(|place| place.contains("pipe") || place == "0");
        let stands = now == last && asleep;
        last = now;
        stands
    })
    .await;
    last
}

#[tokio::test]
async fn attaching_at_an_offset_gives_exactly_what_is_missing() {
    let rig = Rig::new();
    let agent = rig.start(rig.shell("seq 1 20000; cat")).await;
    let whole = numbers(20_000);
    for from in [0, 1, 77_777, size(&whole) - 1, size(&whole)] {
        let mut link = agent.attach(from).await;
        let missing = &whole[usize::try_from(from).unwrap()..];
        link.until_length(missing.len()).await;
        assert!(link.output == missing, "from {from}");
    }
    let mut link = agent.greet(0).await;
    link.writer.attach(size(&whole) + 1).await.unwrap();
    match link.next().await {
        Some(KeeperFrame::Error { code, .. }) => assert_eq!(code, "offset_ahead"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn dropping_and_returning_in_the_middle_loses_and_repeats_nothing() {
    let rig = Rig::new();
    let agent = rig.start(rig.shell("seq 1 300000; exit 0")).await;
    let whole = numbers(300_000);
    let mut got: Vec<u8> = Vec::new();
    for step in 1..12 {
        let mut link = agent.attach(size(&got)).await;
        link.until_length(whole.len() * step / 12 - got.len()).await;
        got.extend_from_slice(&link.output);
    }
    let mut link = agent.attach(size(&got)).await;
    let exit = link.until_exit().await;
    got.extend_from_slice(&link.output);
    assert!(got == whole);
    assert_eq!(exit.log_len, size(&whole));
}

/// At the cap with unacknowledged bytes the program waits; acknowledgements let it go on.
#[tokio::test]
async fn at_the_cap_the_program_waits_and_nothing_is_lost() {
    let rig = Rig::new();
    let mut spec = rig.shell("seq 1 8500000; echo end >&2");
    spec.limits.segment_bytes = 1024 * 1024;
    spec.limits.segments = 3;
    let cap = 3 * 1024 * 1024;
    let agent = rig.start(spec).await;
    let mut link = agent.attach(0).await;
    let mut notices = Vec::new();
    while link.output.len() < cap || notices.is_empty() {
        let next = tokio::time::timeout(super::DEADLINE, link.reader.next())
            .await
            .unwrap();
        let frame = next.unwrap().unwrap();
        if let KeeperFrame::Data { offset, bytes } = frame {
            link.collect(offset, &bytes);
        } else {
            notices.push(frame);
        }
    }
    assert_eq!(
        notices,
        [KeeperFrame::Blocked {
            reason: BlockReason::Cap
        }]
    );
    assert_eq!(link.output.len(), cap, "not a byte beyond the cap");
    assert_eq!(agent.dir.log().length().unwrap(), size(&link.output));
    assert!(lives(agent.pid()));
    let silent = tokio::time::timeout(Duration::from_millis(300), link.reader.next()).await;
    assert!(silent.is_err(), "{silent:?}");

    link.writer.ack(1_500_000).await.unwrap();
    let mut unblocked = false;
    let exit = loop {
        match link.reader.next().await.unwrap().unwrap() {
            KeeperFrame::Data { offset, bytes } => {
                link.collect(offset, &bytes);
                link.writer.ack(link.end()).await.unwrap();
            }
            KeeperFrame::Unblocked => unblocked = true,
            KeeperFrame::Exit(record) if record.drained => break record,
            KeeperFrame::Blocked { .. } | KeeperFrame::Exit(_) => {}
            other @ (KeeperFrame::Hello(_)
            | KeeperFrame::InputAck { .. }
            | KeeperFrame::InputStatus { .. }
            | KeeperFrame::Error { .. }
            | KeeperFrame::Status(_)) => panic!("{other:?}"),
        }
    };
    let whole = numbers(8_500_000);
    assert!(unblocked);
    assert_eq!(exit.log_len, size(&whole));
    assert!(
        link.output == whole,
        "{} of {} bytes",
        link.output.len(),
        whole.len()
    );
    let base = agent.dir.log().base().unwrap();
    assert!(base > 0 && exit.log_len - base <= 4 * 1024 * 1024, "{base}");

    // A late reader begins where the log begins, and sees it from the offset.
    let (_, mut reader, writer) = connect(agent.dir.path()).await.unwrap();
    writer.attach(5).await.unwrap();
    match reader.next().await.unwrap() {
        Some(KeeperFrame::Data { offset, .. }) => assert_eq!(offset, base),
        other => panic!("{other:?}"),
    }
}

/// The end of a program that waits at the cap: its pipe's content still reaches the log.
#[tokio::test]
async fn a_kill_at_the_cap_keeps_what_the_pipe_holds() {
    let rig = Rig::new();
    let mut spec = rig.shell("exec seq 1 8500000");
    spec.limits.segment_bytes = 64 * 1024;
    spec.limits.segments = 2;
    let agent = rig.start(spec).await;
    let mut link = agent.attach(0).await;
    link.until_length(128 * 1024).await;
    let written = stuck(agent.pid()).await;
    assert!(written >= 128 * 1024 + 60_000, "{written}");
    link.writer.kill("test").await.unwrap();
    let exit = link.until_exit().await;
    assert_eq!(exit.log_len, link.end());
    assert!(
        link.end() >= written,
        "what the pipe held is in: {} of {written}",
        link.end()
    );
    let whole = numbers(60_000);
    assert!(link.output == whole[..link.output.len()]);
}

/// 200 MB with nobody there: all of it on disk, little of it in memory.
#[tokio::test]
async fn output_without_a_reader_is_kept_in_bounded_memory() {
    let rig = Rig::new();
    let mut spec = rig.shell("seq 1 24000000; echo done >&2; sleep 300");
    spec.limits.segments = 4;
    let agent = rig.start(spec).await;
    let total: u64 = 204_888_897;
    until("all output", || agent.dir.log().length().unwrap() == total).await;
    let kib = private_kib(agent.keeper_pid());
    assert!(kib <= 512, "{kib} KiB private");
    let log = agent.dir.log();
    let (mut at, mut number, mut rest) = (0, 0_u64, Vec::new());
    while at < total {
        let chunk = log.read(at, 1024 * 1024).await.unwrap();
        assert_eq!(chunk.offset, at);
        at += size(&chunk.bytes);
        rest.extend_from_slice(&chunk.bytes);
        let whole_lines = rest
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        for line in rest[..whole_lines]
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            number += 1;
            assert_eq!(std::str::from_utf8(line).unwrap().parse(), Ok(number));
        }
        rest.drain(..whole_lines);
    }
    assert_eq!(number, 24_000_000);
}

/// One client that never reads, one that reads everything: neither the second nor the program notices.
#[tokio::test]
async fn a_slow_client_delays_nobody() {
    let rig = Rig::new();
    let agent = rig.start(rig.shell("read go; seq 1 3000000")).await;
    let slow = agent.attach(0).await;
    let mut fast = agent.attach(0).await;
    fast.writer.input(b"go", b"go\n".to_vec()).await.unwrap();
    let exit = fast.until_exit().await;
    let whole = numbers(3_000_000);
    assert!(fast.output == whole);
    assert_eq!(exit.log_len, size(&whole));
    let kib = private_kib(agent.keeper_pid());
    assert!(kib <= 512, "{kib} KiB private");
    // The slow one can still have it all, and then the exit record.
    let mut slow = slow;
    slow.until_exit().await;
    assert!(slow.output == whole);
}

#[tokio::test]
async fn figures_are_told_on_request() {
    let rig = Rig::new();
    let agent = rig.start(rig.shell("printf 12345; cat")).await;
    let mut link = agent.attach(0).await;
    link.until_output("12345").await;
    link.writer.ack(3).await.unwrap();
    link.writer.ack(99).await.unwrap();
    link.writer.status().await.unwrap();
    match link.next().await {
        Some(KeeperFrame::Status(status)) => {
            assert_eq!((status.base, status.length, status.acked), (0, 5, 5));
            assert_eq!(
                (status.clients, status.exited, status.blocked),
                (1, false, None)
            );
        }
        other => panic!("{other:?}"),
    }
}
