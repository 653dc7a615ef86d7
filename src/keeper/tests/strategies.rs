//! Any frame, record and state, for properties.

use super::*;

pub(super) fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..most)
}

pub(super) fn client_frame() -> impl Strategy<Value = ClientFrame> {
    let target = prop_oneof![
        Just(Target::Program),
        Just(Target::Group),
        Just(Target::Tree)
    ];
    prop_oneof![
        any::<u8>().prop_map(|version| ClientFrame::Hello { version }),
        any::<u64>().prop_map(|offset| ClientFrame::Attach { offset }),
        (bytes(64), bytes(300)).prop_map(|(id, data)| ClientFrame::Input { id, data }),
        any::<u64>().prop_map(|offset| ClientFrame::Ack { offset }),
        (any::<i32>(), target).prop_map(|(signo, target)| ClientFrame::Signal { signo, target }),
        any::<(u16, u16)>().prop_map(|(rows, cols)| ClientFrame::Resize { rows, cols }),
        (".*", any::<u64>()).prop_map(|(by, grace_ms)| ClientFrame::Stop { by, grace_ms }),
        ".*".prop_map(|by| ClientFrame::Kill { by }),
        bytes(64).prop_map(|id| ClientFrame::InputStatus { id }),
        Just(ClientFrame::CloseStdin),
        Just(ClientFrame::Status),
        Just(ClientFrame::ExitAck),
    ]
}

pub(super) fn state() -> impl Strategy<Value = InputState> {
    prop_oneof![
        Just(InputState::None),
        Just(InputState::Accepted),
        Just(InputState::Written),
        Just(InputState::Unknown)
    ]
}

pub(super) fn outcome() -> impl Strategy<Value = InputOutcome> {
    prop_oneof![
        Just(InputOutcome::Accepted),
        Just(InputOutcome::Written),
        state().prop_map(InputOutcome::Duplicate),
        Just(InputOutcome::Refused(Refusal::Full)),
        Just(InputOutcome::Refused(Refusal::TooLarge)),
        Just(InputOutcome::Refused(Refusal::Closed)),
        Just(InputOutcome::Refused(Refusal::Disk)),
    ]
}

pub(super) fn reason() -> impl Strategy<Value = BlockReason> {
    prop_oneof![
        Just(BlockReason::Cap),
        Just(BlockReason::DiskFull),
        Just(BlockReason::DiskError)
    ]
}

/// Any text at all, with the letters that the line format has to escape.
pub(super) fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a\\\\\n\r ]{0,40}",
        Just("x\nsum 0123456789abcdef\n".to_owned())
    ]
}

pub(super) fn exit_record() -> impl Strategy<Value = ExitRecord> {
    let ends = (
        any::<Option<i32>>(),
        any::<Option<i32>>(),
        any::<[bool; 3]>(),
    );
    let rest = (any::<u64>(), prop::option::of(text()), any::<u64>(), text());
    (ends, rest).prop_map(
        |((code, signal, [core, oom, drained]), (at_ms, by, log_len, stderr_tail))| ExitRecord {
            code,
            signal,
            core,
            oom,
            at_ms,
            by,
            log_len,
            drained,
            stderr_tail,
        },
    )
}

pub(super) fn caps() -> impl Strategy<Value = Caps> {
    let value = || prop::option::of(0..u64::MAX);
    (value(), value(), value(), value(), value()).prop_map(
        |(memory, processes, open_files, cpu_time_s, file_size)| Caps {
            memory,
            processes,
            open_files,
            cpu_time_s,
            file_size,
        },
    )
}

pub(super) fn record() -> impl Strategy<Value = Record> {
    let places = prop::array::uniform3(prop::option::of(text()));
    let texts = (text(), text(), text(), places);
    (any::<[u32; 2]>(), any::<[u64; 4]>(), texts).prop_map(
        |(
            [keeper_pid, program_pid],
            [a, b, c, d],
            (session, boot_id, mark, [cgroup, cgroup_place, home]),
        )| Record {
            version: 1,
            session,
            incarnation: a,
            keeper_pid,
            keeper_start_ticks: b,
            program_pid,
            program_start_ticks: c,
            boot_id,
            mark,
            started_ms: d,
            cgroup,
            cgroup_place,
            home,
        },
    )
}

pub(super) fn keeper_frame() -> impl Strategy<Value = KeeperFrame> {
    let hello = (any::<(u32, u32, bool)>(), any::<[u64; 4]>(), ".*").prop_map(
        |((keeper_pid, program_pid, exited), [start_ticks, base, length, incarnation], mark)| {
            KeeperFrame::Hello(Hello {
                version: 1,
                keeper_pid,
                program_pid,
                start_ticks,
                base,
                length,
                exited,
                incarnation,
                mark,
            })
        },
    );
    let status = (
        any::<[u64; 4]>(),
        any::<(bool, u32)>(),
        prop::option::of(reason()),
    )
        .prop_map(
            |([base, length, acked, queued_input], (exited, clients), blocked)| {
                KeeperFrame::Status(Status {
                    base,
                    length,
                    acked,
                    exited,
                    blocked,
                    clients,
                    queued_input,
                })
            },
        );
    prop_oneof![
        hello,
        status,
        (any::<u64>(), bytes(300)).prop_map(|(offset, bytes)| KeeperFrame::Data { offset, bytes }),
        (bytes(64), outcome()).prop_map(|(id, outcome)| KeeperFrame::InputAck { id, outcome }),
        (bytes(64), state()).prop_map(|(id, state)| KeeperFrame::InputStatus { id, state }),
        reason().prop_map(|reason| KeeperFrame::Blocked { reason }),
        Just(KeeperFrame::Unblocked),
        exit_record().prop_map(KeeperFrame::Exit),
        (".*", ".*").prop_map(|(code, text)| KeeperFrame::Error { code, text }),
    ]
}
