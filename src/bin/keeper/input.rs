//! Input for the program: recorded as accepted, queued, written without waiting, recorded as written.
//! Never writes an id twice, never hands over bytes whose `accepted` is not on record.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use crate::clock::wall_ms;
use crate::wire::bytes::checksum;
use crate::wire::frame::{InputOutcome, InputState, Refusal};
use crate::wire::input::{Entry, Step, state_of};
use crate::wire::{MAX_INPUT, MAX_INPUT_ID, file};

/// Bytes and inputs that may wait for the program to read; at least one of the largest.
const QUEUE_BYTES: usize = 8 * 1024 * 1024;
const QUEUE_INPUTS: usize = 1024;

/// The queue in front of the program's input.
#[derive(Debug)]
pub struct Input {
    record: File,
    recorded: u64,
    /// Checksums of all ids, sorted: a miss proves that an id is new, a hit is looked up in the file.
    seen: Vec<u64>,
    queue: VecDeque<Item>,
    queued: usize,
    /// Written, but the disk would not take the record yet.
    unrecorded: VecDeque<Entry>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// Ends after what is queued.
    Closing,
    Closed,
}

#[derive(Debug)]
struct Item {
    id: Vec<u8>,
    data: Vec<u8>,
    done: usize,
}

/// What a write to the program led to.
#[derive(Debug, PartialEq, Eq)]
pub enum Pumped {
    /// Ids whose last byte is written now.
    Written(Vec<Vec<u8>>),
    /// The queue is empty and the input shall end.
    End,
}

impl Input {
    /// Makes the record file.
    pub fn create() -> io::Result<Self> {
        let record = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(file::INPUT)?;
        Ok(Self {
            record,
            recorded: 0,
            seen: Vec::new(),
            queue: VecDeque::new(),
            queued: 0,
            unrecorded: VecDeque::new(),
            state: State::Open,
        })
    }

    /// Takes an input, or says why not. An empty id is neither recorded nor checked for repetition.
    pub fn offer(&mut self, id: Vec<u8>, data: Vec<u8>) -> InputOutcome {
        if id.len() > MAX_INPUT_ID || data.len() > MAX_INPUT {
            return InputOutcome::Refused(Refusal::TooLarge);
        }
        let print = checksum(&id);
        let place = self.seen.binary_search(&print);
        if !id.is_empty() && place.is_ok() {
            match self.state_of(&id) {
                InputState::None => {}
                known @ (InputState::Accepted | InputState::Written | InputState::Unknown) => {
                    return InputOutcome::Duplicate(known);
                }
            }
        }
        if self.state != State::Open {
            return InputOutcome::Refused(Refusal::Closed);
        }
        if self.queue.len() >= QUEUE_INPUTS || self.queued + data.len() > QUEUE_BYTES {
            return InputOutcome::Refused(Refusal::Full);
        }
        if !id.is_empty() {
            if self.append(&entry(Step::Accepted, &id)).is_err() {
                return InputOutcome::Refused(Refusal::Disk);
            }
            if let Err(place) = place {
                self.seen.insert(place, print);
            }
        }
        self.queued += data.len();
        self.queue.push_back(Item { id, data, done: 0 });
        InputOutcome::Accepted
    }

    /// What became of an id.
    pub fn state_of(&self, id: &[u8]) -> InputState {
        if self.queue.iter().any(|item| item.id == id) {
            return InputState::Accepted;
        }
        if self.unrecorded.iter().any(|entry| entry.id == id) {
            return InputState::Written;
        }
        if self.seen.binary_search(&checksum(id)).is_err() {
            return InputState::None;
        }
        fs::read(file::INPUT).map_or(InputState::Unknown, |bytes| state_of(&bytes, id))
    }

    /// Something waits to be written, or the end waits to be passed on.
    pub fn wants(&self) -> bool {
        !self.queue.is_empty() || self.state == State::Closing
    }

    pub fn queued(&self) -> usize {
        self.queued
    }

    /// Writes as much as the program's input takes now.
    pub fn pump(&mut self, sink: &mut impl Write) -> io::Result<Pumped> {
        let mut written = Vec::new();
        while let Some(item) = self.queue.front_mut() {
            let rest = item.data.get(item.done..).unwrap_or_default();
            if !rest.is_empty() {
                match sink.write(rest) {
                    Ok(count) => {
                        item.done += count;
                        self.queued = self.queued.saturating_sub(count);
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) if written.is_empty() => return Err(error),
                    Err(_again_next_time) => break,
                }
            }
            if item.done >= item.data.len()
                && let Some(item) = self.queue.pop_front()
                && !item.id.is_empty()
            {
                self.unrecorded.push_back(entry(Step::Written, &item.id));
                self.record_written();
                written.push(item.id);
            }
        }
        if self.queue.is_empty() {
            self.queue.shrink_to(8);
        }
        if written.is_empty() && self.queue.is_empty() && self.state == State::Closing {
            return Ok(Pumped::End);
        }
        Ok(Pumped::Written(written))
    }

    /// Tries again to put `written` on record; called with every beat of the loop's retry timer.
    pub fn record_written(&mut self) {
        while let Some(entry) = self.unrecorded.front().cloned() {
            if self.append(&entry).is_err() {
                return;
            }
            self.unrecorded.pop_front();
        }
    }

    /// Some `written` is not on record yet.
    pub fn has_unrecorded(&self) -> bool {
        !self.unrecorded.is_empty()
    }

    /// Takes no more; ends the program's input after what is queued.
    pub fn close(&mut self) {
        if self.state == State::Open {
            self.state = State::Closing;
        }
    }

    /// The program's input is gone. What was not written stays `accepted` for ever.
    pub fn shut(&mut self) {
        self.state = State::Closed;
        self.queue.clear();
        self.queued = 0;
    }

    fn append(&mut self, entry: &Entry) -> io::Result<()> {
        let bytes = entry.encode();
        // At the known end, so that a torn record of a full disk is overwritten by the next one.
        self.record.write_all_at(&bytes, self.recorded)?;
        self.recorded += u64::try_from(bytes.len()).unwrap_or(0);
        Ok(())
    }
}

fn entry(step: Step, id: &[u8]) -> Entry {
    Entry {
        step,
        id: id.to_vec(),
        at_ms: wall_ms(),
    }
}
