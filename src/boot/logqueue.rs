//! The line of the log: lines wait in memory for the one thread that writes them.
//!
//! Never holds up who logs: when nobody takes the log, lines beyond a bound are lost and counted.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Lines that may wait, and their bytes.
const LINES: usize = 8_192;
const BYTES: usize = 8 << 20;
/// Longest wait of an ending process for the lines that are left, and how often it looks for a place.
const GOODBYE: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(20);

/// The one of this process.
static QUEUE: OnceLock<Queue> = OnceLock::new();

enum Entry {
    Line(Vec<u8>),
    /// Tells when everything before it is written.
    Mark(SyncSender<()>),
}

/// Where lines are left. Clones share it.
#[derive(Clone)]
pub struct Queue {
    entries: SyncSender<Entry>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    bytes: AtomicUsize,
    lost: AtomicU64,
}

/// Starts the thread that writes to `out`, for the whole process.
///
/// # Errors
/// When the system gives no thread.
pub fn start(out: impl Write + Send + 'static) -> io::Result<Queue> {
    let (queue, entries) = line();
    let counts = Arc::clone(&queue.counts);
    std::thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || write(out, &entries, &counts))?;
    Ok(QUEUE.get_or_init(|| queue).clone())
}

/// Lines of this process that are lost.
pub fn lost() -> u64 {
    let lost = |queue: &Queue| queue.counts.lost.load(Ordering::Relaxed);
    QUEUE.get().map_or(0, lost)
}

/// Waits until the lines so far are written, but not for long.
pub fn flush() {
    if let Some(queue) = QUEUE.get() {
        queue.flush(GOODBYE);
    }
}

/// Flushes when it goes, also in a panic.
pub struct Flush;

impl Drop for Flush {
    fn drop(&mut self) {
        flush();
    }
}

fn line() -> (Queue, Receiver<Entry>) {
    let (entries, waiting) = sync_channel(LINES);
    let counts = Arc::default();
    (Queue { entries, counts }, waiting)
}

impl Queue {
    fn put(&self, line: Vec<u8>) {
        let length = line.len();
        let before = self.counts.bytes.fetch_add(length, Ordering::Relaxed);
        let fits = before.saturating_add(length) <= BYTES;
        if !fits || self.entries.try_send(Entry::Line(line)).is_err() {
            self.counts.bytes.fetch_sub(length, Ordering::Relaxed);
            self.counts.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn flush(&self, patience: Duration) {
        let (told, written) = sync_channel(1);
        let mut left = patience;
        let mut mark = Entry::Mark(told);
        while let Err(TrySendError::Full(back)) = self.entries.try_send(mark) {
            if left.is_zero() {
                return;
            }
            mark = back;
            std::thread::park_timeout(LOOK);
            left = left.saturating_sub(LOOK);
        }
        // Too late is too late.
        let _written = written.recv_timeout(left);
    }
}

impl Write for Queue {
    /// Takes whole lines, as the log writes them.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.put(line.to_owned());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write(mut out: impl Write, entries: &Receiver<Entry>, counts: &Counts) {
    let (mut told, mut cut) = (0, false);
    while let Ok(entry) = entries.recv() {
        match entry {
            Entry::Line(line) => {
                // The disk behind it may be full: the line is lost and harms nothing else.
                let end: &[u8] = if cut { b"\n" } else { b"" };
                let written = out.write_all(end).and_then(|()| out.write_all(&line));
                // Half of it may be there: the next line begins a line all the same.
                cut = written.is_err();
                counts.lost.fetch_add(u64::from(cut), Ordering::Relaxed);
                counts.bytes.fetch_sub(line.len(), Ordering::Relaxed);
                let lost = counts.lost.load(Ordering::Relaxed);
                if written.is_ok() && lost > told {
                    told = lost;
                    tracing::warn!(lost, "nobody took the log: lines of it are lost");
                }
            }
            Entry::Mark(done) => {
                // Who has gone away needs no answer.
                let _told = done.try_send(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_takes_is_lost_and_counted_and_holds_up_nobody() {
        let (queue, _waiting) = line();
        for _ in 0..LINES + 10 {
            queue.put(b"x\n".to_vec());
        }
        assert_eq!(queue.counts.lost.load(Ordering::Relaxed), 10);
        assert_eq!(queue.counts.bytes.load(Ordering::Relaxed), 2 * LINES);
        queue.flush(Duration::from_millis(40));
        let (queue, _waiting) = line();
        queue.put(vec![0; BYTES]);
        queue.put(vec![0; 1]);
        assert_eq!(queue.counts.lost.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn what_is_left_at_the_end_is_written() {
        let place = tempfile::NamedTempFile::new().unwrap();
        let (mut queue, waiting) = line();
        let (out, counts) = (place.reopen().unwrap(), Arc::clone(&queue.counts));
        let thread = std::thread::spawn(move || write(out, &waiting, &counts));
        for number in 0..100 {
            queue.write_all(format!("{number}\n").as_bytes()).unwrap();
        }
        queue.flush(Duration::from_secs(30));
        let text = std::fs::read_to_string(place.path()).unwrap();
        assert_eq!(text.lines().count(), 100);
        assert_eq!(queue.counts.bytes.load(Ordering::Relaxed), 0);
        drop(queue);
        thread.join().unwrap();
    }

    /// A disk that fills up in the middle of a line, and has room again.
    struct Filling(Arc<std::sync::Mutex<Vec<u8>>>, usize);

    impl Write for Filling {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let fits = bytes.len().min(self.1);
            if fits == 0 {
                self.1 = usize::MAX;
                return Err(io::Error::from(io::ErrorKind::StorageFull));
            }
            self.1 -= fits;
            self.0.lock().unwrap().extend(&bytes[..fits]);
            Ok(fits)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn half_a_line_is_lost_and_counted_and_spoils_no_other() {
        let (mut queue, waiting) = line();
        let (all, counts) = (Arc::default(), Arc::clone(&queue.counts));
        let out = Filling(Arc::clone(&all), 7);
        let thread = std::thread::spawn(move || write(out, &waiting, &counts));
        for text in ["one\n", "two-and\n", "three\n", "four\n"] {
            queue.write_all(text.as_bytes()).unwrap();
        }
        queue.flush(Duration::from_secs(30));
        assert_eq!(queue.counts.lost.load(Ordering::Relaxed), 1);
        drop(queue);
        thread.join().unwrap();
        assert_eq!(*all.lock().unwrap(), b"one\ntwo\nthree\nfour\n");
    }
}
