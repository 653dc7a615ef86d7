//! A lean WebSocket client that reads frames where they lie.
//!
//! Never checks what a browser would: it measures a server that is tested elsewhere.

use std::error::Error;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Res;

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;

/// An open WebSocket.
pub struct Socket {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
}

impl Socket {
    /// Opens `/ws`.
    pub async fn open(address: &str, token: &str) -> Res<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut socket = Self {
            stream,
            buffer: vec![0; 64 * 1024],
            filled: 0,
        };
        let request = format!(
            "GET /ws HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\
             connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        socket.stream.write_all(request.as_bytes()).await?;
        loop {
            socket.more().await?;
            let filled = socket.buffer.get(..socket.filled).unwrap_or_default();
            let Some(at) = filled.windows(4).position(|four| four == b"\r\n\r\n") else {
                continue;
            };
            if filled.get(9..12) != Some(b"101".as_slice()) {
                let text = String::from_utf8_lossy(filled).into_owned();
                return Err(format!("no WebSocket: {text}").into());
            }
            socket.take(at + 4);
            return Ok(socket);
        }
    }

    /// Sends a text frame.
    pub async fn say(&mut self, text: &str) -> Res<()> {
        let length = u16::try_from(text.len())?.to_be_bytes();
        // Masked with zeros: the bytes stay as they are.
        let mut frame = vec![0x81, 0xFE];
        frame.extend(length);
        frame.extend([0; 4]);
        frame.extend(text.as_bytes());
        self.stream.write_all(&frame).await?;
        Ok(())
    }

    /// Reads until a frame has these words, and returns it. What came with it is read afterwards.
    pub async fn wait_for(&mut self, words: &str) -> Res<Vec<u8>> {
        loop {
            while let Some((code, from, to)) = self.frame() {
                let payload = self.buffer.get(from..to).unwrap_or_default().to_vec();
                self.take(to);
                if code == CLOSE {
                    return Err(closed(&payload));
                }
                if code == TEXT && has(&payload, words) {
                    return Ok(payload);
                }
            }
            self.more().await?;
        }
    }

    /// Waits for bytes and shows every whole text frame.
    pub async fn read(&mut self, mut each: impl FnMut(&[u8])) -> Res<()> {
        if self.frame().is_none() {
            self.more().await?;
        }
        let (mut done, mut pinged) = (0, false);
        while let Some((code, from, to)) = frame_at(&self.buffer, done, self.filled) {
            match code {
                TEXT => each(self.buffer.get(from..to).unwrap_or_default()),
                PING => pinged = true,
                CLOSE => return Err(closed(self.buffer.get(from..to).unwrap_or_default())),
                _ => {}
            }
            done = to;
        }
        self.take(done);
        if pinged {
            self.stream.write_all(&[0x8A, 0x80, 0, 0, 0, 0]).await?;
        }
        Ok(())
    }

    fn frame(&self) -> Option<(u8, usize, usize)> {
        frame_at(&self.buffer, 0, self.filled)
    }

    fn take(&mut self, count: usize) {
        self.buffer.copy_within(count..self.filled, 0);
        self.filled -= count;
    }

    async fn more(&mut self) -> Res<()> {
        if self.filled == self.buffer.len() {
            let twice = self.buffer.len() * 2;
            self.buffer.resize(twice, 0);
        }
        let free = self.buffer.get_mut(self.filled..).unwrap_or_default();
        match self.stream.read(free).await? {
            0 => Err("the server hung up".into()),
            count => {
                self.filled += count;
                Ok(())
            }
        }
    }
}

/// Whether these words stand in a frame.
pub fn has(frame: &[u8], words: &str) -> bool {
    let words = words.as_bytes();
    frame.windows(words.len()).any(|some| some == words)
}

/// Its code and words.
fn closed(payload: &[u8]) -> Box<dyn Error + Send + Sync> {
    let code = payload.first_chunk().map(|two| u16::from_be_bytes(*two));
    let words = String::from_utf8_lossy(payload.get(2..).unwrap_or_default());
    format!("the WebSocket was closed: {code:?} {words}").into()
}

/// The frame that begins at `at`: its code, and where its payload begins and ends.
fn frame_at(buffer: &[u8], at: usize, filled: usize) -> Option<(u8, usize, usize)> {
    let bytes = buffer.get(at..filled)?;
    let code = bytes.first()? & 0x0F;
    let (head, length) = match bytes.get(1)? & 0x7F {
        126 => {
            let length = bytes.get(2..4)?.try_into().ok()?;
            (4, usize::from(u16::from_be_bytes(length)))
        }
        127 => {
            let length = u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?);
            (10, usize::try_from(length).ok()?)
        }
        short => (2, usize::from(short)),
    };
    let (from, to) = (at + head, at + head + length);
    (to <= filled).then_some((code, from, to))
}

/// A text frame as a server sends it.
pub fn frame(text: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x81];
    match u16::try_from(text.len()) {
        Ok(length) if length < 126 => frame.push(length.to_be_bytes()[1]),
        Ok(length) => {
            frame.push(126);
            frame.extend(length.to_be_bytes());
        }
        Err(_) => {
            frame.push(127);
            frame.extend(u64::try_from(text.len()).unwrap_or_default().to_be_bytes());
        }
    }
    frame.extend(text);
    frame
}
