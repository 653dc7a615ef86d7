//! A bare actix-web server that answers everything with the same bytes.
//!
//! Never a middleware, a token or a row.

use std::path::Path;

use actix_web::{App, HttpResponse, HttpServer, web};
use serde::{Deserialize, Serialize};

use super::announce;
use crate::Res;

/// As many as the server has.
const WORKERS: usize = 2;

/// An answer of the server, to be repeated.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Same {
    /// Its headers, but those that every server makes by itself.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: String,
}

impl Same {
    /// Of the head and body of an answer.
    pub fn of(head: &[u8], body: &[u8]) -> Res<Self> {
        let own = ["content-length", "date", "connection"];
        let headers = std::str::from_utf8(head)?
            .lines()
            .filter_map(|line| line.split_once(": "))
            .filter(|(name, _)| !own.contains(&name.to_ascii_lowercase().as_str()))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let body = String::from_utf8(body.to_vec())?;
        Ok(Self { headers, body })
    }
}

/// Serves the file's [`Same`].
pub fn serve(file: &Path) -> Res<()> {
    let same: Same = serde_json::from_slice(&std::fs::read(file)?)?;
    let body = web::Bytes::from(same.body);
    let headers = same.headers;
    let server = HttpServer::new(move || {
        let (body, headers) = (body.clone(), headers.clone());
        App::new().default_service(web::to(move || {
            let mut answer = HttpResponse::Ok();
            for (name, value) in &headers {
                answer.insert_header((name.as_str(), value.as_str()));
            }
            std::future::ready(answer.body(body.clone()))
        }))
    })
    .workers(WORKERS)
    .bind(("127.0.0.1", 0))?;
    let address = server.addrs().first().copied().ok_or("no address")?;
    announce(&address.to_string())?;
    actix_web::rt::System::new().block_on(server.run())?;
    Ok(())
}
