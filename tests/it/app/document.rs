//! The document of the API that is checked in, as the judge of every answer.
//! Never lenient: what the document does not name is a fault of one of the two.

use std::path::Path;
use std::sync::LazyLock;

use reqwest::Method;
use serde_json::Value;

use super::Answer;
use super::shape::Shapes;

/// The document.
pub struct Document(Value);

static KEPT: LazyLock<Document> = LazyLock::new(|| {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    Document(serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap())
});

impl Document {
    /// The one that is checked in.
    pub fn kept() -> &'static Self {
        &KEPT
    }

    /// Whether this is its text.
    pub fn is(&self, other: &Value) -> bool {
        self.0 == *other
    }

    /// Every route: `GET /api/agents/{id}`.
    pub fn routes(&self) -> Vec<String> {
        let mut all = Vec::new();
        for (path, item) in self.0["paths"].as_object().unwrap() {
            for method in item.as_object().unwrap().keys() {
                all.push(format!("{} {path}", method.to_uppercase()));
            }
        }
        all
    }

    /// The scopes that an operation takes of an API key; nothing where anybody may ask.
    pub fn scopes(&self, method: &str, path: &str) -> Option<&Value> {
        self.0["paths"][path][method.to_lowercase()].get("x-key-scopes")
    }

    /// The path of the document that leads where this path leads. A part that is named in one of them
    /// goes before one that may be anything, as in the routes.
    pub fn place(&self, path: &str) -> Option<&str> {
        let paths = self.0["paths"].as_object().unwrap().keys();
        let mut left: Vec<(&str, Vec<&str>)> = paths
            .map(|path| (path.as_str(), path.split('/').collect()))
            .collect();
        let asked: Vec<&str> = path.split('/').collect();
        for (at, part) in asked.iter().enumerate() {
            let named = left.iter().any(|(_, parts)| parts.get(at) == Some(part));
            left.retain(|(_, parts)| {
                parts.get(at).is_some_and(|own| match named {
                    true => own == part,
                    false => own.starts_with('{') && !part.is_empty(),
                })
            });
        }
        let whole = left
            .into_iter()
            .find(|(_, parts)| parts.len() == asked.len());
        whole.map(|(path, _)| path)
    }

    /// Whether the document tells of an answer: its status, its code and its body.
    ///
    /// # Errors
    /// What it does not tell.
    pub fn judge(&self, method: &Method, path: &str, reply: &Answer) -> Result<(), String> {
        let place = self.place(path);
        let item = place.map_or(&Value::Null, |place| &self.0["paths"][place]);
        let operation = &item[method.as_str().to_lowercase()];
        let told = match operation.is_object() {
            true => self.of_operation(method, operation, reply),
            false => self.of_none(method, place.is_some(), reply),
        };
        let place = place.unwrap_or("no path of the document");
        let (status, text) = (reply.status, &reply.text);
        told.map_err(|fault| format!("{fault}: {method} {path} ({place}): {status} {text}"))
    }

    fn of_operation(
        &self,
        method: &Method,
        operation: &Value,
        reply: &Answer,
    ) -> Result<(), String> {
        let response = &operation["responses"][reply.status.as_str()];
        if !response.is_object() {
            return Err("the status is not documented".to_owned());
        }
        if *method == Method::HEAD {
            return Ok(());
        }
        let contents = &response["content"];
        if reply.text.is_empty() {
            let promised = contents.get("application/json").is_some();
            return if promised {
                Err("the body is missing".to_owned())
            } else {
                Ok(())
            };
        }
        let contents = contents.as_object().ok_or("no body is documented")?;
        let kind = reply
            .headers
            .get("content-type")
            .ok_or("the body has no type")?;
        let kind = kind.to_str().unwrap();
        if !kind.starts_with("application/json") {
            let essence = kind.split(';').next().unwrap();
            let known = contents.contains_key(essence) || contents.contains_key("*/*");
            return if known {
                Ok(())
            } else {
                Err(format!("{kind} is not documented"))
            };
        }
        let body: Value = serde_json::from_str(&reply.text).map_err(|fault| fault.to_string())?;
        let told = match body["code"].is_number() {
            true => &body["data"],
            false => &body,
        };
        if told["requestId"].is_string() && told["code"].is_string() {
            let codes = response["x-error-codes"].as_array();
            if !codes.is_some_and(|codes| codes.contains(&told["code"])) {
                return Err(format!("the code {} is not documented", told["code"]));
            }
        }
        let json = contents
            .get("application/json")
            .ok_or("JSON is not documented")?;
        Shapes(&self.0).fit(&json["schema"], &body, "$")
    }

    /// What is no operation: nothing but a refusal says so. One that is given before anybody looks at
    /// the path is the same everywhere; the rest tells a path that is none from a route that the
    /// document keeps silent about.
    fn of_none(&self, method: &Method, known: bool, reply: &Answer) -> Result<(), String> {
        if *method == Method::HEAD {
            let codes = [401, 404, 405];
            let refused = codes.contains(&reply.status.as_u16());
            return if refused {
                Ok(())
            } else {
                Err("the route is not documented".to_owned())
            };
        }
        let body: Value = serde_json::from_str(&reply.text).unwrap_or_default();
        let (code, shape) = match body["code"].is_number() {
            true => (&body["data"]["code"], "FeathersError"),
            false => (&body["code"], "Error"),
        };
        let code = code.as_str().unwrap_or_default();
        let fits = match reply.status.as_u16() {
            400 => code == "bad_request",
            401 => true,
            403 => ["bad_origin", "login_required", "missing_scope"].contains(&code),
            404 => code == "unknown_route" && !known,
            405 => code == "method_not_allowed" && known,
            421 => code == "bad_host",
            // The token is looked up first.
            503 => code.starts_with("database_"),
            _ => false,
        };
        if !fits {
            return Err("the route is not documented".to_owned());
        }
        let error = self.0.pointer(&format!("/components/schemas/{shape}"));
        let error = error.unwrap();
        Shapes(&self.0).fit(error, &body, "$")
    }
}

/// Holds an answer against the document that is checked in.
pub fn hold(method: &Method, path: &str, reply: &Answer) {
    if let Err(fault) = Document::kept().judge(method, path, reply) {
        panic!("openapi.json does not tell this: {fault}");
    }
}
