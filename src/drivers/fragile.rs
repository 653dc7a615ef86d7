//! A driver of the test build that goes through a crash point before each of its calls:
//! `script.decode`, `shell.launch`, and so on for every call of both traits.
//!
//! Never part of a normal build, and never another answer than that of the driver inside.

use crate::crash;
use crate::domain::{ExitReason, Kind, PermissionMode, TaskId};

use super::{Codec, Command, Driver, Launch, LaunchContext, Output};

/// The driver and its codecs, with points.
pub(super) struct Fragile(pub &'static dyn Driver);

struct FragileCodec {
    kind: Kind,
    codec: Box<dyn Codec>,
}

fn point(kind: Kind, call: &str) {
    crash::point_of(|| format!("{}.{call}", kind.name()));
}

impl Fragile {
    fn wrap(&self, codec: Box<dyn Codec>) -> Box<dyn Codec> {
        let kind = self.0.kind();
        Box::new(FragileCodec { kind, codec })
    }
}

impl Driver for Fragile {
    fn kind(&self) -> Kind {
        self.0.kind()
    }

    fn launch(&self, context: &LaunchContext) -> Launch {
        point(self.kind(), "launch");
        self.0.launch(context)
    }

    fn codec(&self, context: &LaunchContext) -> Box<dyn Codec> {
        point(self.kind(), "codec");
        self.wrap(self.0.codec(context))
    }

    fn restore(&self, context: &LaunchContext, snapshot: &str) -> Option<Box<dyn Codec>> {
        point(self.kind(), "restore");
        Some(self.wrap(self.0.restore(context, snapshot)?))
    }

    fn resumable(&self) -> bool {
        self.0.resumable()
    }

    fn exit_reason(&self, code: Option<i32>, stderr: &[String]) -> Option<ExitReason> {
        point(self.kind(), "exit_reason");
        self.0.exit_reason(code, stderr)
    }

    fn may_switch(&self, to: PermissionMode, root: bool) -> bool {
        self.0.may_switch(to, root)
    }

    fn has_terminal(&self) -> bool {
        self.0.has_terminal()
    }

    fn has_prompt(&self) -> bool {
        self.0.has_prompt()
    }
}

impl Codec for FragileCodec {
    fn start(&mut self, out: &mut Vec<Output>) {
        point(self.kind, "start");
        self.codec.start(out);
    }

    fn decode(&mut self, input: &[u8], out: &mut Vec<Output>) -> usize {
        point(self.kind, "decode");
        self.codec.decode(input, out)
    }

    fn finish(&mut self, rest: &[u8], out: &mut Vec<Output>) {
        point(self.kind, "finish");
        self.codec.finish(rest, out);
    }

    fn command(&mut self, command: &Command, out: &mut Vec<Output>) {
        point(self.kind, "command");
        self.codec.command(command, out);
    }

    fn snapshot(&self) -> String {
        point(self.kind, "snapshot");
        self.codec.snapshot()
    }

    fn turn(&self) -> Option<TaskId> {
        point(self.kind, "turn");
        self.codec.turn()
    }
}
