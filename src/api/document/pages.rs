//! `/openapi.json`, and Swagger UI at `/docs/` and `/swagger`, out of the program itself.
//!
//! Never a byte from another server, and never a script that is not ours.

use std::sync::{Arc, LazyLock};

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use sha2::{Digest, Sha256};
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Pages;
use utoipa_swagger_ui::{Config, SwaggerFile};

use crate::api::shared::{Fault, Reply};
use crate::domain::Error;

/// What a page may load and where it may call: this server alone. The styles are set by the script.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; font-src 'self' data:; connect-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

/// Where the document is.
const PLACE: &str = "/openapi.json";

/// The document and its tag: they do not change while the program runs.
static DOCUMENT: LazyLock<(String, String)> = LazyLock::new(|| {
    let text = super::text();
    let mut tag = String::from("\"");
    for byte in Sha256::digest(text.as_bytes()).iter().take(12) {
        tag.push_str(&format!("{byte:02x}"));
    }
    tag.push('"');
    (text, tag)
});

/// The routes of this file in the document.
#[derive(OpenApi)]
#[openapi(paths(document_text, docs, docs_index, file, swagger, swagger_index))]
struct Document;

/// The pages in the document.
pub fn document() -> Pages {
    Document::openapi()
}

/// The table of contents.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/openapi.json").get(document_text))
        .service(web::resource("/docs").get(docs))
        .service(web::resource("/docs/").get(docs_index))
        .service(web::resource("/docs/{file}").get(file))
        .service(web::resource("/swagger").get(swagger))
        .service(web::resource("/swagger/").get(swagger_index));
}

/// This document.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "document",
    params(crate::api::shared::doc::Conditional),
    security(()),
    responses(
        (status = 200, description = "OpenAPI 3.1", body = Object,
         headers(("ETag" = String, description = "For `If-None-Match`"))),
        (status = 304, description = "Nothing has changed since the `ETag`"),
    ),
)]
async fn document_text(request: HttpRequest) -> HttpResponse {
    let (text, tag) = &*DOCUMENT;
    let known = request.headers().get(header::IF_NONE_MATCH);
    let known = known.and_then(|known| known.to_str().ok()).unwrap_or("");
    let fresh = |one: &str| {
        let one = one.trim();
        one == "*" || one.trim_start_matches("W/") == tag
    };
    if known.split(',').any(fresh) {
        return HttpResponse::NotModified()
            .insert_header((header::ETAG, tag.as_str()))
            .finish();
    }
    HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((header::ETAG, tag.as_str()))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .body(text.as_str())
}

/// Leads to the pages for people.
#[utoipa::path(
    get,
    path = "/docs",
    tag = "document",
    security(()),
    responses((status = 308, description = "To `/docs/`")),
)]
async fn docs() -> HttpResponse {
    HttpResponse::PermanentRedirect()
        .insert_header((header::LOCATION, "/docs/"))
        .finish()
}

/// This document for people.
#[utoipa::path(
    get,
    path = "/docs/",
    tag = "document",
    security(()),
    responses((status = 200, description = "The page", body = String, content_type = "text/html")),
)]
async fn docs_index() -> Reply {
    index()
}

/// A file of the pages for people.
#[utoipa::path(
    get,
    path = "/docs/{file}",
    tag = "document",
    security(()),
    responses((status = 200, description = "The file", body = Vec<u8>, content_type = "*/*")),
)]
async fn file(path: web::Path<String>) -> Reply {
    let found = found(&path)?;
    Ok(page(found.content_type.clone(), found.bytes.into_owned()))
}

/// This document for people, at its older address.
#[utoipa::path(
    get,
    path = "/swagger",
    tag = "document",
    security(()),
    responses((status = 200, description = "The page", body = String, content_type = "text/html")),
)]
async fn swagger() -> Reply {
    index()
}

/// The same with a slash.
#[utoipa::path(
    get,
    path = "/swagger/",
    tag = "document",
    security(()),
    responses((status = 200, description = "The page", body = String, content_type = "text/html")),
)]
async fn swagger_index() -> Reply {
    index()
}

/// The page, with its files at their one place.
fn index() -> Reply {
    let found = found("index.html")?;
    let text = String::from_utf8_lossy(&found.bytes);
    let text = text.replace("href=\"index.css\"", "href=\"./index.css\"");
    let text = text.replace("=\"./", "=\"/docs/");
    let text = text.replace("<title>Swagger UI</title>", "<title>Callboard</title>");
    Ok(page(
        "text/html; charset=utf-8".to_owned(),
        text.into_bytes(),
    ))
}

fn found(name: &str) -> Result<SwaggerFile<'static>, Fault> {
    let missing = || {
        let shown: String = name.chars().take(64).collect();
        Error::not_found("page", shown)
    };
    if name.is_empty() || name == "/" {
        return Err(missing().into());
    }
    // Without a judge elsewhere of whether the document is well-formed.
    let config = Config::from(PLACE)
        .validator_url("none")
        .try_it_out_enabled(true)
        .show_extensions(false);
    let found = utoipa_swagger_ui::serve(name, Arc::new(config));
    let found = found.map_err(|error| Error::internal(error.to_string()))?;
    Ok(found.ok_or_else(missing)?)
}

fn page(kind: String, bytes: Vec<u8>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(kind)
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .body(bytes)
}
