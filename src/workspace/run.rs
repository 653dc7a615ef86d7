//! A command that runs: what it prints, step by step, and how it ended.
//!
//! Never reads ahead of who asks for the steps: a slow reader slows the command.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::capture::{Captured, Gather};
use super::seats::Seat;
use super::yard::ExecError;
use crate::domain::Error;
use crate::keeper::{End, ExecLine, Execution};

/// Bytes of one read.
const PIECE: usize = 16 * 1024;
/// How long the pipes of a tree that is gone are read when they do not end: somebody outside of it
/// was given one.
const LINGER: Duration = Duration::from_secs(1);
/// What stands for the code of a command that ran out of time.
const OUT_OF_TIME: i32 = -1;
/// The code of a command that a signal ended is this and its number.
const BY_SIGNAL: i32 = 128;

/// Which of its two outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// The first.
    Stdout,
    /// The second.
    Stderr,
}

impl Channel {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finish {
    /// Its code; 128 and the signal's number, or -1 when its time was over.
    pub exit_code: i32,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Whether its time was over.
    pub timed_out: bool,
    /// Whether the server asked it to end because it stops.
    pub drained: bool,
    /// Whether the kernel killed in its tree for lack of memory.
    pub oom: bool,
    /// From the wish to the end of its tree.
    pub duration: Duration,
}

/// How a command is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// It ended.
    Ended,
    /// Its person may not run it any more.
    Refused,
}

/// What happens next.
#[derive(Debug)]
pub enum Step {
    /// It printed something.
    Out(Channel, Bytes),
    /// Nothing of it is left.
    Ended(Finish),
}

/// A command with all that was kept of its output.
#[derive(Debug)]
pub struct Outcome {
    /// How it ended.
    pub ending: Finish,
    /// What it printed.
    pub stdout: Captured,
    /// What it printed on its standard error.
    pub stderr: Captured,
    /// Its place among the others; to be kept as long as what it printed.
    pub seat: Arc<Seat>,
}

/// See the module. Dropping it ends the command and all that it has started.
#[derive(Debug)]
pub struct Run {
    stdout: Option<pipe::Receiver>,
    stderr: Option<pipe::Receiver>,
    ending: oneshot::Receiver<Result<Finish, ExecError>>,
    ended: Option<(Finish, Instant)>,
    over: watch::Receiver<Over>,
    seat: Arc<Seat>,
    _held: oneshot::Sender<()>,
}

impl Run {
    /// Watches over a command in a task of its own: its time passes also when nobody reads.
    pub(super) fn hold(
        execution: Execution,
        times: (Instant, Instant, Duration),
        drain: watch::Receiver<bool>,
        (seat, refused): (Seat, BoxFuture<'static, Error>),
    ) -> Self {
        let (held, left) = oneshot::channel();
        let (told, ending) = oneshot::channel();
        let (running, over) = watch::channel(Over::Ended);
        // Free when the command has ended and nobody reads it any more.
        let seat = Arc::new(seat);
        let (line, its_seat) = (execution.line, Arc::clone(&seat));
        tokio::spawn(async move {
            let watched = watch_over(line, times, drain);
            tokio::select! {
                ending = watched => {
                    let _nobody = told.send(ending);
                }
                error = refused => {
                    running.send_replace(Over::Refused);
                    let _nobody = told.send(Err(ExecError::Refused(error)));
                }
                // With the line, which is dropped here, the command ends.
                _gone = left => {}
            }
            drop((running, its_seat));
        });
        Self {
            stdout: Some(execution.stdout),
            stderr: Some(execution.stderr),
            ending,
            ended: None,
            over,
            seat,
            _held: held,
        }
    }

    /// How it is over, as soon as it is; also where nobody asks for the next step.
    pub fn over(&self) -> impl Future<Output = Over> + Send + 'static {
        let mut over = self.over.clone();
        async move {
            // What is told stays told when the teller has gone.
            while over.changed().await.is_ok() {}
            *over.borrow()
        }
    }

    /// What happens next. It may be cancelled and asked again, until it ended.
    ///
    /// # Errors
    /// Why it did not run to its end.
    pub async fn next(&mut self) -> Result<Step, ExecError> {
        loop {
            if let (None, None, Some((ending, _))) = (&self.stdout, &self.stderr, self.ended) {
                return Ok(Step::Ended(ending));
            }
            let linger = self.ended.map(|(_, at)| at + LINGER);
            let (mut out, mut err) = (BytesMut::new(), BytesMut::new());
            tokio::select! {
                read = piece(&mut self.stdout, &mut out) => match read {
                    0 => self.stdout = None,
                    _ => return Ok(Step::Out(Channel::Stdout, out.freeze())),
                },
                read = piece(&mut self.stderr, &mut err) => match read {
                    0 => self.stderr = None,
                    _ => return Ok(Step::Out(Channel::Stderr, err.freeze())),
                },
                ending = &mut self.ending, if self.ended.is_none() => {
                    let ending = ending.unwrap_or(Err(ExecError::Lost))?;
                    self.ended = Some((ending, Instant::now()));
                }
                () = at(linger) => {
                    if let Some((channel, bytes)) = self.rest() {
                        return Ok(Step::Out(channel, bytes));
                    }
                }
            }
        }
    }

    /// What the pipes hold still; those that hold nothing are not waited for any more.
    fn rest(&mut self) -> Option<(Channel, Bytes)> {
        let pipes = [
            (Channel::Stdout, &mut self.stdout),
            (Channel::Stderr, &mut self.stderr),
        ];
        for (channel, pipe) in pipes {
            let mut room = BytesMut::with_capacity(PIECE);
            let read = pipe.as_mut().map(|pipe| pipe.try_read_buf(&mut room));
            match read {
                Some(Ok(1..)) => return Some((channel, room.freeze())),
                Some(Ok(0) | Err(_)) | None => *pipe = None,
            }
        }
        None
    }

    /// Reads to the end and keeps at most so many bytes of each output.
    ///
    /// # Errors
    /// As [`Run::next`].
    pub async fn collect(mut self, bound: usize) -> Result<Outcome, ExecError> {
        let (mut stdout, mut stderr) = (Gather::new(bound), Gather::new(bound));
        loop {
            match self.next().await? {
                Step::Out(Channel::Stdout, bytes) => stdout.add(&bytes),
                Step::Out(Channel::Stderr, bytes) => stderr.add(&bytes),
                Step::Ended(ending) => {
                    return Ok(Outcome {
                        ending,
                        stdout: stdout.finish(),
                        stderr: stderr.finish(),
                        seat: Arc::clone(&self.seat),
                    });
                }
            }
        }
    }
}

/// Waits for the end, and asks for it when the time is over or the server stops.
async fn watch_over(
    mut line: ExecLine,
    (begun, deadline, grace): (Instant, Instant, Duration),
    mut drain: watch::Receiver<bool>,
) -> Result<Finish, ExecError> {
    let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
    let (mut timed_out, mut drained) = (false, false);
    loop {
        let stopping = timed_out || drained;
        tokio::select! {
            biased;
            end = line.end() => {
                let end = end?;
                return Ok(ending(end, timed_out, drained, begun.elapsed()));
            }
            () = sleep_until(deadline), if !stopping => timed_out = true,
            // Without a sender nobody drains any more.
            Ok(_) = drain.wait_for(|draining| *draining), if !stopping => drained = true,
        }
        // A line that is gone ends the command, and the next look tells.
        let _told = line.stop(grace_ms).await;
    }
}

fn ending(end: End, timed_out: bool, drained: bool, duration: Duration) -> Finish {
    let by_signal = end.signal.map(|number| BY_SIGNAL.saturating_add(number));
    let code = end.code.or(by_signal).unwrap_or(OUT_OF_TIME);
    Finish {
        exit_code: if timed_out { OUT_OF_TIME } else { code },
        signal: end.signal,
        timed_out,
        drained,
        oom: end.oom,
        duration,
    }
}

/// Reads what there is; 0 at the end. Never comes back without a pipe.
async fn piece(pipe: &mut Option<pipe::Receiver>, room: &mut BytesMut) -> usize {
    let Some(pipe) = pipe else {
        return std::future::pending().await;
    };
    room.reserve(PIECE);
    pipe.read_buf(room).await.unwrap_or(0)
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep(time.saturating_duration_since(Instant::now())).await,
        None => std::future::pending().await,
    }
}
