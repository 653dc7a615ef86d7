//! What clients ask for, one frame at a time.
//! Never acts for a client that has not said hello.

use crate::engine::Engine;
use crate::sys;
use crate::tree;
use crate::wire::VERSION;
use crate::wire::frame::{ClientFrame, Hello, KeeperFrame, Status, Target};

impl Engine {
    /// Handles the frames of one client, as long as it takes answers.
    pub fn hear(&mut self, index: usize) {
        loop {
            let Some(client) = self
                .clients
                .get_mut(index)
                .filter(|client| client.listens())
            else {
                return;
            };
            let raw = match client.next_frame() {
                Ok(Some(raw)) => raw,
                Ok(None) => return,
                Err(too_long) => {
                    let text = format!("a body of {} bytes", too_long.announced);
                    return self.refuse(index, "too_long", &text);
                }
            };
            match ClientFrame::decode(&raw) {
                Ok(Some(frame)) => self.obey(index, frame),
                // A newer client's kind, to be skipped; but the first frame must be a hello.
                Ok(None) if self.clients.get(index).is_some_and(|client| client.greeted) => {}
                Ok(None) => {
                    return self.refuse(index, "hello_first", "the first frame must be hello");
                }
                Err(_) => {
                    return self.refuse(index, "malformed", "a frame whose fields do not fit");
                }
            }
        }
    }

    fn obey(&mut self, index: usize, frame: ClientFrame) {
        let greeted = self.clients.get(index).is_some_and(|client| client.greeted);
        match frame {
            ClientFrame::Hello { version } => self.greet(index, version),
            _ if !greeted => self.refuse(index, "hello_first", "the first frame must be hello"),
            ClientFrame::Attach { offset } => self.attach(index, offset),
            ClientFrame::Input { id, data } => self.take_input(index, id, data),
            ClientFrame::Ack { offset } => self.log.acknowledge(offset),
            ClientFrame::Signal { signo, target } => self.signal(index, signo, target),
            ClientFrame::Resize { rows, cols } => self.resize(index, rows, cols),
            ClientFrame::CloseStdin => {
                self.input.close();
                self.give_input();
            }
            ClientFrame::Stop { by, grace_ms } => self.end(index, (&by, grace_ms)),
            ClientFrame::Kill { by } => self.end(index, (&by, 0)),
            ClientFrame::InputStatus { id } => {
                let state = self.input.state_of(&id);
                self.reply(index, &KeeperFrame::InputStatus { id, state });
            }
            ClientFrame::Status => {
                let status = self.status();
                self.reply(index, &KeeperFrame::Status(status));
            }
            ClientFrame::ExitAck => {
                self.life.acked |= self.life.exit.as_ref().is_some_and(|exit| exit.drained)
            }
        }
    }

    fn greet(&mut self, index: usize, version: u8) {
        if version < VERSION {
            let text = format!("this keeper speaks version {VERSION}, the client {version}");
            return self.refuse(index, "version", &text);
        }
        let hello = Hello {
            version: VERSION,
            keeper_pid: self.record.keeper_pid,
            program_pid: self.record.program_pid,
            start_ticks: self.record.program_start_ticks,
            base: self.log.base(),
            length: self.log.length(),
            exited: self.life.has_exited(),
            incarnation: self.record.incarnation,
            mark: self.record.mark.clone(),
        };
        if let Some(client) = self.clients.get_mut(index) {
            client.greeted = true;
            client.push(&KeeperFrame::Hello(hello));
        }
    }

    fn attach(&mut self, index: usize, offset: u64) {
        if offset > self.log.length() {
            let text = format!("the log ends at {}", self.log.length());
            return self.complain(index, "offset_ahead", &text);
        }
        if let Some(client) = self.clients.get_mut(index) {
            client.attach(offset);
        }
    }

    fn take_input(&mut self, index: usize, id: Vec<u8>, data: Vec<u8>) {
        let outcome = if self.stdin.is_some() {
            self.input.offer(id.clone(), data)
        } else {
            self.input.shut();
            self.input.offer(id.clone(), Vec::new())
        };
        if !id.is_empty() {
            self.reply(index, &KeeperFrame::InputAck { id, outcome });
        }
        if self.stdin.is_some() {
            self.give_input();
        }
    }

    fn end(&mut self, index: usize, order: (&str, u64)) {
        if let Some(client) = self.clients.get_mut(index) {
            client.awaits_end = true;
        }
        self.stop(order.0, order.1);
    }

    fn signal(&mut self, index: usize, signo: i32, target: Target) {
        if self.life.has_exited() {
            return self.complain(index, "not_running", "the program has ended");
        }
        if !(1..=64).contains(&signo) {
            return self.complain(index, "bad_signal", "signals are 1 to 64");
        }
        match target {
            Target::Program => {
                let _gone = sys::kill(self.program_pid(), signo);
            }
            Target::Group => self.signal_group(signo),
            Target::Tree => {
                tree::signal(self.record.keeper_pid, signo);
            }
        }
    }

    fn resize(&mut self, index: usize, rows: u16, cols: u16) {
        let resized = match &self.stdout {
            Some(master) if self.terminal => sys::resize(master, rows, cols).is_ok(),
            Some(_) | None => false,
        };
        if !resized {
            self.complain(index, "no_terminal", "the program has no terminal");
        }
    }

    fn status(&self) -> Status {
        let greeted = self.clients.iter().filter(|client| client.greeted).count();
        Status {
            base: self.log.base(),
            length: self.log.length(),
            acked: self.log.acked(),
            exited: self.life.has_exited(),
            blocked: self.log.blocked(),
            clients: u32::try_from(greeted).unwrap_or(u32::MAX),
            queued_input: u64::try_from(self.input.queued()).unwrap_or(u64::MAX),
        }
    }

    fn reply(&mut self, index: usize, frame: &KeeperFrame) {
        if let Some(client) = self.clients.get_mut(index) {
            client.push(frame);
        }
    }

    fn complain(&mut self, index: usize, code: &str, text: &str) {
        let (code, text) = (code.to_owned(), text.to_owned());
        self.reply(index, &KeeperFrame::Error { code, text });
    }

    /// Says why, and closes the connection once that is sent.
    fn refuse(&mut self, index: usize, code: &str, text: &str) {
        self.complain(index, code, text);
        if let Some(client) = self.clients.get_mut(index) {
            client.leaving = true;
        }
    }
}
