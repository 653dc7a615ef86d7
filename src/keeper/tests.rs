//! The codecs against every input they may meet, and the directory against damage.

mod strategies;

use proptest::prelude::*;

use super::dir::Dir;
use super::wire::caps::Caps;
use super::wire::frame::{
    BlockReason, ClientFrame, Hello, InputOutcome, InputState, KeeperFrame, Refusal, Status, Target,
};
use super::wire::input::{Entry, Step, entries, state_of};
use super::wire::record::{ExitRecord, Record};
use super::wire::spec::{
    Begun, Isolation, Limits, Mode, OnServerLoss, Spec, StartCode, StartFailure, decode_reply,
    encode_reply,
};
use super::wire::stream::{Decoder, RawFrame};
use super::wire::{MAX_CLIENT_BODY, MAX_KEEPER_BODY, MAX_SPEC_BODY, identity, segments};
use strategies::*;

/// Feeds a stream in pieces and gives back what comes out.
fn decode_in_pieces(stream: &[u8], piece: usize, limit: usize) -> Vec<RawFrame> {
    let mut decoder = Decoder::new(limit);
    let mut frames = Vec::new();
    for part in stream.chunks(piece) {
        decoder.feed(part);
        while let Some(frame) = decoder.next_frame().unwrap() {
            frames.push(frame);
        }
    }
    frames
}

proptest! {
    #[test]
    fn client_frames_survive_any_cut(frames in prop::collection::vec(client_frame(), 0..8), piece in 1_usize..50) {
        let stream: Vec<u8> = frames.iter().flat_map(ClientFrame::encode).collect();
        let decoded: Vec<ClientFrame> = decode_in_pieces(&stream, piece, MAX_CLIENT_BODY)
            .iter()
            .map(|raw| ClientFrame::decode(raw).unwrap().unwrap())
            .collect();
        prop_assert_eq!(decoded, frames);
    }

    #[test]
    fn keeper_frames_survive_any_cut(frames in prop::collection::vec(keeper_frame(), 0..8), piece in 1_usize..50) {
        let stream: Vec<u8> = frames.iter().flat_map(KeeperFrame::encode).collect();
        let decoded: Vec<KeeperFrame> = decode_in_pieces(&stream, piece, MAX_KEEPER_BODY)
            .iter()
            .map(|raw| KeeperFrame::decode(raw).unwrap().unwrap())
            .collect();
        prop_assert_eq!(decoded, frames);
    }

    /// A newer side may add fields at the end of a body.
    #[test]
    fn added_fields_are_ignored(version in any::<u8>(), more in bytes(20)) {
        let mut body = vec![version];
        body.extend(more);
        let raw = RawFrame { kind: 1, body };
        prop_assert_eq!(ClientFrame::decode(&raw), Ok(Some(ClientFrame::Hello { version })));
    }

    #[test]
    fn noise_is_an_error_or_a_frame(kind in any::<u8>(), body in bytes(80), stream in bytes(300)) {
        let raw = RawFrame { kind, body };
        let _client = ClientFrame::decode(&raw);
        let _keeper = KeeperFrame::decode(&raw);
        let _spec = Spec::decode(&RawFrame { kind: 33, body: raw.body.clone() });
        let _reply = decode_reply(&raw);
        let mut decoder = Decoder::new(64);
        decoder.feed(&stream);
        while let Ok(Some(frame)) = decoder.next_frame() {
            prop_assert!(frame.body.len() <= 64);
        }
        let text = String::from_utf8_lossy(&stream);
        prop_assert_eq!(Record::decode(&text), None);
        prop_assert_eq!(ExitRecord::decode(&text), None);
        prop_assert!(entries(&stream).count() <= stream.len());
    }

    #[test]
    fn records_come_back_and_no_torn_one_does(record in record(), exit in exit_record(), cut in any::<prop::sample::Index>()) {
        let whole = record.encode();
        prop_assert_eq!(Record::decode(&whole), Some(record.clone()));
        let cut_at = cut.index(whole.len());
        prop_assert_eq!(Record::decode(&String::from_utf8_lossy(&whole.as_bytes()[..cut_at])), None);
        let whole = exit.encode();
        prop_assert_eq!(ExitRecord::decode(&whole), Some(exit.clone()));
        let cut_at = cut.index(whole.len());
        prop_assert_eq!(ExitRecord::decode(&String::from_utf8_lossy(&whole.as_bytes()[..cut_at])), None);
    }

    /// Whatever is torn off the end of the input record, the whole entries before it stand.
    #[test]
    fn a_torn_tail_of_the_input_record_is_ignored(
        list in prop::collection::vec((any::<bool>(), bytes(64), any::<u64>()), 1..12),
        cut in any::<prop::sample::Index>(),
        flip in any::<Option<u8>>(),
    ) {
        let list: Vec<Entry> = list
            .into_iter()
            .map(|(written, id, at_ms)| Entry {
                step: if written { Step::Written } else { Step::Accepted },
                id,
                at_ms,
            })
            .collect();
        let mut file = Vec::new();
        let mut ends = Vec::new();
        for entry in &list {
            file.extend(entry.encode());
            ends.push(file.len());
        }
        let at = cut.index(file.len());
        match flip {
            Some(bits) if bits != 0 => file[at] ^= bits,
            _ => file.truncate(at),
        }
        let whole = ends.iter().take_while(|end| **end <= at).count();
        let read: Vec<Entry> = entries(&file).collect();
        prop_assert_eq!(&read[..], &list[..whole]);
    }

    #[test]
    fn specs_and_answers_come_back(
        argv in prop::collection::vec("[^\0]{0,20}", 1..5),
        env in prop::collection::vec(("[A-Z]{1,8}", ".*"), 0..5),
        size in any::<Option<(u16, u16)>>(),
        numbers in any::<(u64, u64, i32)>(),
        cgroup in prop::option::of("/[a-z/]{1,20}"),
        caps in caps(),
    ) {
        let spec = Spec {
            session: "s".to_owned(),
            incarnation: numbers.0,
            dir: "/x/y".into(),
            argv: argv.iter().map(Into::into).collect(),
            env: env.iter().map(|(name, value)| (name.into(), value.into())).collect(),
            cwd: "/tmp".into(),
            mode: size.map_or(Mode::Pipes, |(rows, cols)| Mode::Pty { rows, cols }),
            limits: Limits { orphan_ttl_s: numbers.1, on_server_loss: OnServerLoss::Stop, ..Limits::default() },
            isolation: Isolation::UserNamespaces,
            cgroup: cgroup.map(Into::into),
            caps,
        };
        let frames = decode_in_pieces(&spec.encode(), 7, MAX_SPEC_BODY);
        prop_assert_eq!(Spec::decode(&frames[0]), Ok(spec.clone()));
        // A server of earlier days ends its frame after the isolation, or even before it.
        let tail = 4 + spec.cgroup.as_ref().map_or(0, |path| path.as_os_str().len()) + 5 * 8;
        let mut old = frames[0].clone();
        old.body.truncate(old.body.len() - tail);
        let plain = Spec { cgroup: None, caps: Caps::default(), ..spec.clone() };
        prop_assert_eq!(Spec::decode(&old), Ok(plain.clone()));
        old.body.pop();
        prop_assert_eq!(Spec::decode(&old), Ok(Spec { isolation: Isolation::Group, ..plain }));
        let shown = format!("{spec:?}");
        prop_assert!(env.iter().all(|(_, value)| value.len() < 12 || !shown.contains(value.as_str())));
        let failure = StartFailure { code: StartCode::CwdDenied, errno: numbers.2, text: "t".to_owned() };
        let begun = Begun { keeper_pid: 7, program_pid: 8, start_ticks: numbers.0, boot_id: "b".to_owned() };
        for reply in [Ok(begun), Err(failure)] {
            let frames = decode_in_pieces(&encode_reply(&reply), 3, MAX_KEEPER_BODY);
            prop_assert_eq!(decode_reply(&frames[0]), Ok(reply));
        }
    }
}

#[test]
fn a_frame_above_the_limit_is_refused_before_it_is_held() {
    let mut decoder = Decoder::new(10);
    decoder.feed(&[1, 0, 0, 0, 11]);
    assert_eq!(decoder.next_frame().unwrap_err().announced, 11);
    let mut decoder = Decoder::new(10);
    decoder.feed(&[1, 0, 0, 0, 10]);
    assert_eq!(decoder.next_frame(), Ok(None));
}

#[test]
fn kinds_of_a_newer_version_are_no_error() {
    let raw = RawFrame {
        kind: 250,
        body: vec![1, 2, 3],
    };
    assert_eq!(ClientFrame::decode(&raw), Ok(None));
    assert_eq!(KeeperFrame::decode(&raw), Ok(None));
}

/// A power loss may leave a segment shorter than where the next one begins.
#[test]
fn a_log_with_a_hole_shows_it_by_the_offset() {
    let root = tempfile::tempdir().unwrap();
    let dir = Dir::new(root.path(), "s", 3);
    std::fs::create_dir_all(dir.path()).unwrap();
    std::fs::write(segments::path(dir.path(), 100), b"abc").unwrap();
    std::fs::write(segments::path(dir.path(), 110), b"defg").unwrap();
    std::fs::write(dir.path().join("out.junk"), b"no segment").unwrap();
    let log = dir.log();
    assert_eq!((log.base().unwrap(), log.length().unwrap()), (100, 114));
    let read = |offset, limit| {
        let chunk = log.read_at(offset, limit).unwrap();
        (chunk.offset, chunk.bytes)
    };
    assert_eq!(read(0, 2), (100, b"ab".to_vec()));
    assert_eq!(read(102, 10), (102, b"c".to_vec()));
    assert_eq!(read(103, 10), (110, b"defg".to_vec()));
    assert_eq!(read(114, 10), (114, Vec::new()));
    assert_eq!(read(500, 10), (114, Vec::new()), "clamped to the end");
    assert_eq!(Dir::all(root.path()).unwrap(), [("s".to_owned(), 3, dir)]);
}

#[test]
fn damaged_files_are_as_good_as_absent() {
    let root = tempfile::tempdir().unwrap();
    let dir = Dir::new(root.path(), "s", 1);
    std::fs::create_dir_all(dir.path()).unwrap();
    std::fs::write(dir.path().join("exit"), "").unwrap();
    std::fs::write(dir.path().join("record"), "callboard-keeper 1\n").unwrap();
    std::fs::write(dir.path().join("lock"), "1 2\n").unwrap();
    assert_eq!((dir.record(), dir.exit(), dir.alive()), (None, None, false));
    assert_eq!(dir.keeper(), Some((1, 2)), "who held the lock last");
    assert_eq!(dir.input_state(b"x"), InputState::Unknown);
    let exit = ExitRecord {
        by: Some("me".to_owned()),
        ..ExitRecord::default()
    };
    assert!(
        dir.write_exit(&exit).unwrap(),
        "a damaged record is replaced"
    );
    assert_eq!(dir.exit().as_ref(), Some(&exit));
    assert!(
        !dir.write_exit(&ExitRecord::default()).unwrap(),
        "a whole one is not"
    );
    dir.remove().unwrap();
    assert!(!root.path().join("s").exists());
}

#[test]
fn the_newest_statement_about_an_id_counts() {
    let entry = |step, id: &[u8]| {
        Entry {
            step,
            id: id.to_vec(),
            at_ms: 1,
        }
        .encode()
    };
    let file = [
        entry(Step::Accepted, b"a"),
        entry(Step::Accepted, b"b"),
        entry(Step::Written, b"a"),
    ]
    .concat();
    assert_eq!(state_of(&file, b"a"), InputState::Written);
    assert_eq!(state_of(&file, b"b"), InputState::Accepted);
    assert_eq!(state_of(&file, b"c"), InputState::None);
}

#[test]
fn a_copied_record_tells_of_a_process_that_belongs_elsewhere() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| Dir::new(&root.path().join(name), "s", 1);
    let (original, copy) = (at("original"), at("copy"));
    std::fs::create_dir_all(original.path()).unwrap();
    std::fs::create_dir_all(copy.path()).unwrap();
    let me = std::process::id();
    let mut record = Record {
        version: 1,
        session: "s".to_owned(),
        incarnation: 1,
        keeper_pid: me,
        keeper_start_ticks: identity::stat(me).unwrap().start_ticks,
        program_pid: 0,
        program_start_ticks: 0,
        boot_id: identity::boot_id().unwrap(),
        mark: identity::new_mark().unwrap(),
        started_ms: 0,
        cgroup: None,
        cgroup_place: None,
        home: Some(identity::place(original.path()).unwrap()),
    };
    assert!(original.owns(&record) && !copy.owns(&record));
    std::fs::rename(root.path().join("original"), root.path().join("moved")).unwrap();
    assert!(at("moved").owns(&record), "a move makes no other directory");
    assert!(!original.owns(&record), "nothing is there any more");
    // Of a keeper that did not note its home: this process lives, and elsewhere.
    record.home = None;
    assert!(!copy.owns(&record));
    record.keeper_start_ticks += 1;
    assert!(
        copy.owns(&record),
        "of a keeper that is dead nothing else is known"
    );
}
