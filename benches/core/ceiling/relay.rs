//! A bare broadcaster to WebSockets, fed by its orders or by pipes.
//!
//! Never a number, a bound or a gap: a slow client would grow it.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt};
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

/// Sends the file's text to every client as often as each line of its input says.
pub fn broadcast(file: &Path) -> Res<()> {
    let text = Bytes::from(frame(&std::fs::read(file)?));
    let clients = Clients::default();
    let runtime = listen(&clients)?;
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
    let runtime = listen(&clients)?;
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
fn listen(clients: &Clients) -> Res<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
    announce(&listener.local_addr()?.to_string())?;
    let clients = clients.clone();
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(client(stream, clients.clone()));
        }
    });
    Ok(runtime)
}

async fn client(stream: TcpStream, clients: Clients) {
    // A client that breaks off is not missed.
    let _over = carry(stream, clients).await;
}

async fn carry(stream: TcpStream, clients: Clients) -> Res<()> {
    stream.set_nodelay(true)?;
    let mut socket = tokio_tungstenite::accept_async(stream).await?;
    let mut frames = clients.add();
    let stream = socket.get_mut();
    stream.write_all(&frame(b"{\"type\":\"hello\"}")).await?;
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
