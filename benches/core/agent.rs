//! An agent program that says when it said each line: below the server, or bare at a pipe.
//!
//! Never faster than its pace: it measures the way of a line, not the width of the pipe.

use std::io::{self, BufRead, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use callboard::domain::Outcome;
use callboard::drivers::script::wire::{Line, Order, encode};

use super::Res;

/// The word that makes this program the bare one.
pub const BARE: &str = "--bare-agent";
/// What stands before the time in a line.
pub const MARK: &str = "\"t=";
/// Bytes of a line's text.
const WIDTH: usize = 200;

/// Speaks the protocol of the `script` kind; a message is `LINES PERIOD_MS`.
pub fn supervised() -> Res<()> {
    say(&Line::Ready {
        home: "hello".into(),
        scenario: "hello".into(),
        played: 0,
    })?;
    for line in io::stdin().lock().lines() {
        let Ok(Order::Prompt { task, text }) = serde_json::from_str(&line?) else {
            continue;
        };
        say(&Line::TurnStarted {
            task,
            scenario: "hello".into(),
            played: 1,
        })?;
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        lines(&words)?;
        say(&Line::TurnEnded {
            task,
            outcome: Outcome::Completed,
            reason: None,
        })?;
    }
    Ok(())
}

/// The same lines at once, without a protocol; `LINES PERIOD_MS`.
pub fn bare(words: &[String]) -> Res<()> {
    lines(words)
}

fn lines(words: &[String]) -> Res<()> {
    let mut numbers = words.iter().map(|word| word.parse::<u64>());
    let (Some(of), Some(period)) = (numbers.next().transpose()?, numbers.next().transpose()?)
    else {
        return Err("how many lines, and how many milliseconds apart?".into());
    };
    // Many agents do not speak at the same moment.
    pause(Duration::from_millis(
        u64::from(std::process::id()) % period.max(1),
    ));
    for line in 1..=of {
        let text = format!("{:.<WIDTH$}", format!("t={} ", now()));
        say(&Line::Flood { line, of, text })?;
        pause(Duration::from_millis(period));
    }
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a program of one thread that keeps a pace"
)]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

fn say(line: &Line) -> Res<()> {
    let mut out = io::stdout().lock();
    out.write_all(&encode(line))?;
    out.flush()?;
    Ok(())
}

/// Nanoseconds of the clock that all processes share.
pub fn now() -> u128 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_nanos()
}

/// When the line of this frame was said.
pub fn said_at(frame: &[u8]) -> Option<u128> {
    let mark = MARK.as_bytes();
    let at = frame.windows(mark.len()).position(|some| some == mark)? + mark.len();
    let digits = frame.get(at..)?;
    let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(digits.get(..end)?).ok()?.parse().ok()
}
