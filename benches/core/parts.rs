//! A lean reader of an event stream (SSE) in chunks, that reads its parts where they lie.
//!
//! Never checks what a browser would: it measures a server that is tested elsewhere.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Res;
use super::http::get;
use super::socket::has;

/// What ends a part.
const END: &[u8] = b"\n\n";

/// An open stream.
pub struct Parts {
    stream: TcpStream,
    /// As it came.
    raw: Vec<u8>,
    /// Without the lines of the chunks.
    text: Vec<u8>,
    chunk: Chunk,
}

/// What of the chunks comes next.
enum Chunk {
    /// The line with its length.
    Length,
    /// So many bytes, and a line's end.
    Bytes(usize),
}

impl Parts {
    /// Opens it, and reads its head.
    pub async fn open(address: &str, path: &str, token: &str) -> Res<Self> {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        stream.write_all(&get(path, Some(token))).await?;
        let mut parts = Self {
            stream,
            raw: Vec::with_capacity(64 * 1024),
            text: Vec::with_capacity(64 * 1024),
            chunk: Chunk::Length,
        };
        loop {
            parts.more().await?;
            let Some(at) = find(&parts.raw, b"\r\n\r\n") else {
                continue;
            };
            let head = String::from_utf8_lossy(&parts.raw).to_ascii_lowercase();
            if !head.starts_with("http/1.1 200") || !head.contains("chunked") {
                return Err(format!("no stream: {head}").into());
            }
            parts.raw.drain(..at + 4);
            return Ok(parts);
        }
    }

    /// Reads until a part has these words, and returns it. What came with it is read afterwards.
    pub async fn wait_for(&mut self, words: &str) -> Res<Vec<u8>> {
        loop {
            self.unchunk()?;
            while let Some(at) = find(&self.text, END) {
                let part: Vec<u8> = self.text.drain(..at + END.len()).collect();
                if has(&part, words) {
                    return Ok(part);
                }
            }
            self.more().await?;
        }
    }

    /// Waits for bytes and shows every whole part.
    pub async fn read(&mut self, mut each: impl FnMut(&[u8])) -> Res<()> {
        if self.text.is_empty() {
            self.more().await?;
        }
        self.unchunk()?;
        let mut done = 0;
        while let Some(rest) = self.text.get(done..)
            && let Some(at) = find(rest, END)
        {
            each(rest.get(..at).unwrap_or_default());
            done += at + END.len();
        }
        self.text.drain(..done);
        if done == 0 {
            self.more().await?;
        }
        Ok(())
    }

    /// Moves what is there of the chunks into the text.
    fn unchunk(&mut self) -> Res<()> {
        let mut done = 0;
        while let Some(rest) = self.raw.get(done..).filter(|rest| !rest.is_empty()) {
            match self.chunk {
                Chunk::Length => {
                    let Some(at) = find(rest, b"\r\n") else {
                        break;
                    };
                    let line = std::str::from_utf8(rest.get(..at).unwrap_or_default())?;
                    let length = usize::from_str_radix(line, 16)?;
                    if length == 0 {
                        return Err("the stream ended".into());
                    }
                    done += at + 2;
                    self.chunk = Chunk::Bytes(length + 2);
                }
                Chunk::Bytes(left) => {
                    let count = rest.len().min(left);
                    // The last two are the line's end.
                    let text = count.min(left.saturating_sub(2));
                    self.text
                        .extend_from_slice(rest.get(..text).unwrap_or_default());
                    done += count;
                    self.chunk = match left - count {
                        0 => Chunk::Length,
                        more => Chunk::Bytes(more),
                    };
                }
            }
        }
        self.raw.drain(..done);
        Ok(())
    }

    async fn more(&mut self) -> Res<()> {
        match self.stream.read_buf(&mut self.raw).await? {
            0 => Err("the server hung up".into()),
            _count => Ok(()),
        }
    }
}

fn find(bytes: &[u8], words: &[u8]) -> Option<usize> {
    let (first, _rest) = words.split_first()?;
    let mut from = 0;
    while let Some(rest) = bytes.get(from..) {
        let at = from + rest.iter().position(|byte| byte == first)?;
        if bytes.get(at..at + words.len()) == Some(words) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}
