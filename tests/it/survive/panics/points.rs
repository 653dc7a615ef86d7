//! Every crash point of the server, with what makes it pass there.
//! Never a point that is in the sources and not here: a test compares them.

use std::collections::BTreeSet;
use std::path::Path;

/// What makes the server pass a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// A prompt for the player, one for the shell.
    Turn,
    /// A question and its answer.
    Ask,
    /// A pause, prompts that wait, an edit, another order, a resume.
    Hold,
    /// An interrupt of a turn that does not end by itself.
    Interrupt,
    /// A player that is stopped and started.
    StopPlayer,
    /// The same with a shell.
    StopShell,
    /// A start in a directory that is gone.
    Missing,
    /// A shell that replaces itself by another program.
    Lost,
    /// An agent that is deleted.
    Delete,
    /// An agent that goes to sleep.
    Sleep,
    /// A session's actors that are made anew beside a process that lives.
    Rebuild,
    /// The same of the shell.
    RebuildShell,
    /// A session's actors that are made for the first time.
    Create,
    /// A connection to the keeper that breaks.
    Reconnect,
    /// A keeper that dies.
    Bury,
    /// A hub that is made anew.
    Hub,
    /// A journal that is made anew.
    Journal,
    /// Nothing but time.
    Wait,
    /// A reader of the supervisor tree.
    Look,
    /// Somebody who sits down at a terminal, sizes it, types and reads.
    Sit,
    /// A reset, and then a completion.
    Close,
    /// A completion, and a word that the work is open again.
    Reopen,
    /// Another permission mode.
    Tune,
}

use Deed::{
    Ask, Bury, Close, Create, Delete, Hold, Hub, Interrupt, Journal, Look, Lost, Missing, Rebuild,
    RebuildShell, Reconnect, Reopen, Sit, Sleep, StopPlayer, StopShell, Tune, Turn, Wait,
};

/// Points of one session's actors, its driver's codec and its connection.
pub const OF_A_SESSION: &[(&str, Deed)] = &[
    ("feed.Publish", Turn),
    ("feed.show", Turn),
    ("feed.Read", Turn),
    ("feed.Await", Turn),
    ("feed.Printed", Turn),
    ("feed.Said", Turn),
    ("feed.ReadTty", Sit),
    ("feed.TtyNews", Sit),
    ("agent.Keys", Sit),
    ("agent.Resize", Sit),
    ("session.Reset", Close),
    ("session.Complete", Close),
    ("session.Reopen", Reopen),
    ("session.Tune", Tune),
    ("feed.Census", Sleep),
    ("feed.Stop", Delete),
    ("feed.start", Rebuild),
    ("feed.started", Rebuild),
    ("queue.Enqueue", Turn),
    ("queue_before_accept", Turn),
    ("queue_after_accept", Turn),
    ("queue.Stand", Turn),
    ("queue.Answered", Turn),
    ("queue.Reload", Rebuild),
    ("queue.Edit", Hold),
    ("queue.Quiesce", Sleep),
    ("queue.Stop", Delete),
    ("queue.start", Rebuild),
    ("queue.started", Rebuild),
    ("offer_before_commit", Turn),
    ("offer_after_commit", Turn),
    ("session.Offer", Turn),
    ("session.Wanted", Hold),
    ("session.QueueIs", Rebuild),
    ("session.AgentIs", Rebuild),
    ("session.found", Rebuild),
    ("session.Start", StopPlayer),
    ("session.Pause", Hold),
    ("session.Resume", Hold),
    ("session.InterruptTurn", Interrupt),
    ("session.ring", Interrupt),
    ("session.Halt", StopPlayer),
    ("session_wedge", StopShell),
    ("session.Archive", Delete),
    ("session.Respond", Ask),
    ("session.Launched", StopPlayer),
    ("session.LaunchFailed", Missing),
    ("session.CaughtUp", Rebuild),
    ("session.Decode", Turn),
    ("session.Exited", StopPlayer),
    ("session.PromptLost", Lost),
    ("session.Stop", Delete),
    ("session.start", Rebuild),
    ("session.started", Rebuild),
    ("session.carry_out", Turn),
    ("session.consider_sleep", Sleep),
    ("agent.Order", Turn),
    ("agent.Heard", Turn),
    ("agent.Stop", Delete),
    ("agent.start", Rebuild),
    ("agent.started", Rebuild),
    ("agent.tick", Turn),
    ("agent.command", Turn),
    ("agent.attach", Rebuild),
    ("agent.reconnect", Reconnect),
    ("agent.halt", StopPlayer),
    ("agent.bury", Bury),
    ("launch_before_spawn", StopPlayer),
    ("launch_after_spawn", StopShell),
    ("input_before_write", Turn),
    ("input_after_write", Turn),
    ("input_acknowledged", Turn),
    ("turn_start_before_commit", Turn),
    ("turn_start_after_commit", Turn),
    ("turn_end_before_commit", Turn),
    ("turn_end_after_commit", Turn),
    ("send_before_commit", Turn),
    ("send_after_commit", Turn),
    ("output_before_commit", Turn),
    ("output_after_commit", Turn),
    ("exit_before_commit", StopPlayer),
    ("exit_after_commit", StopShell),
    ("script.launch", StopPlayer),
    ("script.codec", StopPlayer),
    ("script.start", StopPlayer),
    ("script.restore", Rebuild),
    ("script.decode", Turn),
    ("script.command", Turn),
    ("script.snapshot", Turn),
    ("script.turn", Turn),
    ("script.finish", StopPlayer),
    ("script.exit_reason", StopPlayer),
    ("shell.launch", StopShell),
    ("shell.codec", StopShell),
    ("shell.start", StopShell),
    ("shell.restore", RebuildShell),
    ("shell.decode", Turn),
    ("shell.command", Turn),
    ("shell.snapshot", Turn),
    ("shell.turn", Turn),
    ("shell.finish", StopShell),
    ("shell.exit_reason", StopShell),
    ("subtree.started", Create),
    ("subtree.Note", Rebuild),
    ("subtree.Tree", Look),
    ("subtree.Stop", Delete),
];

/// Points of actors that every session stands on: no more than five panics in half a minute.
pub const OF_THE_TRUNK: &[(&str, Deed)] = &[
    ("journal.Append", Turn),
    ("journal_commit", Turn),
    ("journal_committed", Turn),
    ("journal.announce", Turn),
    ("journal.settle", Turn),
    ("journal.beat", Wait),
    ("journal.HubIs", Hub),
    ("journal.start", Journal),
    ("journal.started", Journal),
    ("hub.Announce", Turn),
    ("hub.Spoken", Turn),
    ("hub.Passed", Hub),
    ("hub.Stop", Journal),
    ("hub.start", Hub),
    ("hub.started", Hub),
    ("sessions.start", Hub),
    ("sessions.started", Hub),
    ("sessions.Note", Create),
    ("sessions.StartChild", Create),
    ("sessions.TerminateChild", Delete),
    ("sessions.DeleteChild", Delete),
    ("sessions.Tree", Look),
    ("sessions.Stop", Journal),
];

/// Points of tasks that no supervisor holds; they go on by themselves.
pub const OF_TASKS: &[(&str, Deed)] = &[
    ("pump.frame", Turn),
    ("keeper.write", Turn),
    ("ledger.rows", Rebuild),
    ("recovery.look", Hub),
    ("sleep.take_down", Sleep),
    ("socket.screen", Sit),
    ("socket.typing", Sit),
];

/// Points that a test of their own passes.
pub const ELSEWHERE: &[&str] = &[
    "app.created",
    "app.kept",
    "app.workspace_pending",
    "app.worked",
    "boot.tidy",
    "feed.Follow",
    "hub.Follow",
    "journal.Stop",
    "override_before_answer",
    "root.Note",
    "root.StopTree",
    "root.Tree",
    "socket.act",
    "socket.call",
    "socket.polled",
    "socket.pull",
    "socket.push",
    "socket.replay_agent",
    "socket.replay_all",
    "socket.Result",
    "socket.started",
    "socket.watch",
    "stream.pull",
];

/// Messages of a supervisor that the server sends at no level, or not at this one.
const NOT_SENT: &[&str] = &[
    "root.started",
    "root.Stop",
    "sessions.StopTree",
    "subtree.StopTree",
    "root.StartChild",
    "subtree.StartChild",
    "root.TerminateChild",
    "subtree.TerminateChild",
    "root.DeleteChild",
    "subtree.DeleteChild",
    "root.RestartChild",
    "sessions.RestartChild",
    "subtree.RestartChild",
    "root.WhichChildren",
    "sessions.WhichChildren",
    "subtree.WhichChildren",
    "root.CountChildren",
    "sessions.CountChildren",
    "subtree.CountChildren",
];

/// Every point that the sources name.
fn in_the_sources() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut open = vec![root];
    let mut points = BTreeSet::new();
    while let Some(at) = open.pop() {
        if at.is_dir() {
            open.extend(std::fs::read_dir(&at).unwrap().map(|e| e.unwrap().path()));
            continue;
        }
        let text = std::fs::read_to_string(&at).unwrap();
        for name in quoted_behind(&text, "crash::point(\"") {
            points.insert(name);
        }
        for name in quoted_behind(&text, "self.point(\"") {
            points.extend(["root", "sessions", "subtree"].map(|level| format!("{level}.{name}")));
        }
        for name in quoted_behind(&text, "point(self.kind, \"")
            .chain(quoted_behind(&text, "point(self.kind(), \""))
        {
            points.extend(["script", "shell"].map(|kind| format!("{kind}.{name}")));
        }
        let moments = text.split('"').skip(1).step_by(2);
        points.extend(
            moments
                .filter(|word| word.ends_with("_commit") && !word.contains(' '))
                .map(str::to_owned),
        );
    }
    points
}

fn quoted_behind<'a>(text: &'a str, start: &'a str) -> impl Iterator<Item = String> + 'a {
    text.split(start)
        .skip(1)
        .filter_map(|rest| rest.split('"').next().map(str::to_owned))
}

#[test]
fn every_point_of_the_sources_is_passed_by_a_test() {
    let tables = [OF_A_SESSION, OF_THE_TRUNK, OF_TASKS].concat();
    let mut known: BTreeSet<String> = tables.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(known.len(), tables.len(), "a point stands there twice");
    known.extend(
        ELSEWHERE
            .iter()
            .chain(NOT_SENT)
            .map(|name| (*name).to_owned()),
    );
    let found = in_the_sources();
    let missing: Vec<_> = found.difference(&known).collect();
    let gone: Vec<_> = known.difference(&found).collect();
    assert!(
        missing.is_empty() && gone.is_empty(),
        "without a test: {missing:?}; gone: {gone:?}"
    );
}
