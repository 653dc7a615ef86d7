//! The page of the test and the package's two files, on loopback.
//! Never another file.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Where `cargo xtask test` puts the pinned package.
const PACKAGE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/.cache/npm/node_modules/@xterm/xterm"
);

pub struct Site {
    pub origin: String,
}

impl Site {
    /// Serves until the test ends.
    pub async fn start() -> Self {
        let file = |path: &str| {
            let path = format!("{PACKAGE}/{path}");
            std::fs::read(&path)
                .unwrap_or_else(|error| panic!("{path}: {error}; `cargo xtask test` installs it"))
        };
        let files: &'static [(&str, &str, Vec<u8>)] = Vec::leak(vec![
            ("/", "text/html", include_bytes!("page.html").to_vec()),
            ("/xterm.js", "text/javascript", file("lib/xterm.js")),
            ("/xterm.css", "text/css", file("css/xterm.css")),
        ]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, files));
            }
        });
        Self { origin }
    }
}

async fn answer(mut stream: TcpStream, files: &[(&str, &str, Vec<u8>)]) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) if head.len() < 16_384 => head.push(byte),
            Ok(_) | Err(_) => return,
        }
    }
    let text = String::from_utf8_lossy(&head);
    let path = text.split(' ').nth(1).unwrap_or_default();
    let found = files.iter().find(|(name, ..)| *name == path);
    let (status, kind, body) = match found {
        Some((_, kind, body)) => ("200 OK", *kind, body.as_slice()),
        None => ("404 Not Found", "text/plain", b"".as_slice()),
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    );
    let _gone = stream.write_all(head.as_bytes()).await;
    let _gone = stream.write_all(body).await;
}
