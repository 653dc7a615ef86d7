//! A bare broadcaster to WebSockets or event streams, fed by its orders or by pipes.
//!
//! Never a number, a bound or a gap: a slow client would grow it.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::mpsc;

use super::announce;
use crate::socket::frame;
use crate::{Res, agent, server};

/// Frames that go out in one write.
const AT_ONCE: usize = 64;

/// Where frames go: one sender a client.
#[derive(Clone, Default)]
struct Clients(Arc<Mutex<Vec<mpsc::UnboundedSender<Bytes>>>>);

impl Clients {
    fn send(&self, frame: &Bytes) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|client| client.send(frame.clone()).is_ok());
    }

    fn add(&self) -> mpsc::UnboundedReceiver<Bytes> {
        let (sender, frames) = mpsc::unbounded_channel();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(sender);
        frames
    }
}

/// What the clients are.
#[derive(Clone, Copy)]
pub enum Wire {
    /// WebSockets: a text is a frame.
    Sockets,
    /// Event streams: a text is a part, and a chunk of the body.
    Streams,
}

impl Wire {
    fn frame(self, text: &[u8]) -> Vec<u8> {
        match self {
            Self::Sockets => frame(text),
            Self::Streams => {
                let mut chunk = format!("{:x}\r\n", text.len()).into_bytes();
                chunk.extend(text);
                chunk.extend(b"\r\n");
                chunk
            }
        }
    }
}

/// Sends the file's text to every client as often as each line of its input says.
pub fn broadcast(file: &Path, wire: Wire) -> Res<()> {
    let text = Bytes::from(wire.frame(&std::fs::read(file)?));
    let clients = Clients::default();
    let runtime = listen(&clients, wire)?;
    for line in std::io::stdin().lock().lines() {
        let count: usize = line?.trim().parse()?;
        for _event in 0..count {
            clients.send(&text);
        }
    }
    drop(runtime);
    Ok(())
}

/// Sends every line that comes over the socket to every client.
pub fn hub(socket: &Path) -> Res<()> {
    let clients = Clients::default();
    let runtime = listen(&clients, Wire::Sockets)?;
    runtime.block_on(async {
        let listener = UnixListener::bind(socket)?;
        loop {
            let (stream, _) = listener.accept().await?;
            let clients = clients.clone();
            tokio::spawn(async move {
                let mut lines = tokio::io::BufReader::new(stream).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    clients.send(&Bytes::from(frame(line.as_bytes())));
                }
            });
        }
    })
}

/// Starts a bare agent and carries what it prints to the hub, as a keeper does.
pub fn pipe(socket: &Path, lines: &str, period: &str) -> Res<()> {
    let mut hub = UnixStream::connect(socket)?;
    announce("ready")?;
    // Starts when it is told to, so that all start together.
    BufReader::new(std::io::stdin()).read_line(&mut String::new())?;
    let mut child = server::command(&std::env::current_exe()?)
        .args([agent::BARE, lines, period])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut output = child.stdout.take().ok_or("no pipe")?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = output.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        hub.write_all(buffer.get(..count).unwrap_or_default())?;
    }
    child.wait()?;
    Ok(())
}

/// Takes clients on two threads and announces where.
fn listen(clients: &Clients, wire: Wire) -> Res<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
    announce(&listener.local_addr()?.to_string())?;
    let clients = clients.clone();
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(client(stream, clients.clone(), wire));
        }
    });
    Ok(runtime)
}

async fn client(stream: TcpStream, clients: Clients, wire: Wire) {
    // A client that breaks off is not missed.
    let _over = carry(stream, clients, wire).await;
}

async fn carry(stream: TcpStream, clients: Clients, wire: Wire) -> Res<()> {
    stream.set_nodelay(true)?;
    let (mut stream, hello) = match wire {
        Wire::Sockets => {
            let socket = tokio_tungstenite::accept_async(stream).await?;
            (socket.into_inner(), "{\"type\":\"hello\"}")
        }
        Wire::Streams => {
            let hello = "event: hello\ndata: {\"type\":\"hello\"}\n\n";
            (answered(stream).await?, hello)
        }
    };
    let mut frames = clients.add();
    stream.write_all(&wire.frame(hello.as_bytes())).await?;
    let (mut some, mut bytes) = (Vec::new(), Vec::new());
    while frames.recv_many(&mut some, AT_ONCE).await > 0 {
        bytes.clear();
        for frame in some.drain(..) {
            bytes.extend_from_slice(&frame);
        }
        stream.write_all(&bytes).await?;
    }
    Ok(())
}

/// Reads the request's head, which comes in one piece, and answers it.
async fn answered(mut stream: TcpStream) -> Res<TcpStream> {
    let mut head = Vec::with_capacity(4096);
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            return Err("a request without an end".into());
        }
    }
    let answer = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
                  transfer-encoding: chunked\r\n\r\n";
    stream.write_all(answer.as_bytes()).await?;
    Ok(stream)
}
