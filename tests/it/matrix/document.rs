//! The document that the server serves, as a judge of its replies.
//! Never lenient: a member that the document does not name is a fault of one of the two.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::app::{Answer, TestApp, answer};

/// The document of a server.
pub struct Document(Value);

impl Document {
    /// Fetches it, as anybody may.
    pub async fn of(app: &TestApp) -> Self {
        let request = app.http.get(app.url() + "/openapi.json");
        Self(answer(request).await.ok(200))
    }

    /// Every operation: its method, its path and whether a body is described.
    pub fn operations(&self) -> Vec<(String, String)> {
        let mut all = Vec::new();
        for (path, item) in self.0["paths"].as_object().unwrap() {
            for method in item.as_object().unwrap().keys() {
                all.push((method.to_uppercase(), path.clone()));
            }
        }
        all
    }

    /// The scopes that an operation takes of an API key; nothing where anybody may ask.
    pub fn scopes(&self, method: &str, path: &str) -> Option<&Value> {
        self.0["paths"][path][method.to_lowercase()].get("x-key-scopes")
    }

    /// Checks status, code and body of a reply against an operation.
    pub fn judge(&self, method: &str, path: &str, reply: &Answer) {
        let place = format!("{method} {path}: {} {}", reply.status, reply.text);
        let operation = &self.0["paths"][path][method.to_lowercase()];
        let response = &operation["responses"][reply.status.as_str()];
        assert!(
            response.is_object(),
            "the status is not documented: {place}"
        );
        if method == "HEAD" || reply.text.is_empty() {
            return;
        }
        let contents = response["content"].as_object();
        let contents = contents.unwrap_or_else(|| panic!("no body is documented: {place}"));
        let kind = reply.headers["content-type"].to_str().unwrap();
        if !kind.starts_with("application/json") {
            let essence = kind.split(';').next().unwrap();
            let known = contents.contains_key(essence) || contents.contains_key("*/*");
            assert!(known, "{kind} is not documented: {place}");
            return;
        }
        let body = reply.json();
        if let Some(code) = body["code"]
            .as_str()
            .filter(|_| body["requestId"].is_string())
        {
            let codes = response["x-error-codes"].as_array();
            let known = codes.is_some_and(|codes| codes.contains(&code.into()));
            assert!(known, "the code is not documented: {place}");
        }
        let shape = &contents["application/json"]["schema"];
        if let Err(fault) = self.fits(shape, &body, "$") {
            panic!("{fault}: {place}");
        }
    }

    fn target<'a>(&'a self, shape: &'a Value) -> &'a Value {
        match shape["$ref"].as_str() {
            Some(target) => {
                let pointer = target.strip_prefix('#').unwrap();
                self.target(self.0.pointer(pointer).unwrap())
            }
            None => shape,
        }
    }

    /// Every member of an object, also of one that is put together.
    fn members<'a>(&'a self, shape: &'a Value, into: &mut BTreeMap<&'a str, &'a Value>) {
        let shape = self.target(shape);
        for part in shape["allOf"].as_array().into_iter().flatten() {
            self.members(part, into);
        }
        let own = shape["properties"].as_object().into_iter().flatten();
        into.extend(own.map(|(name, shape)| (name.as_str(), shape)));
    }

    fn required<'a>(&'a self, shape: &'a Value) -> Vec<&'a str> {
        let shape = self.target(shape);
        let parts = shape["allOf"].as_array().into_iter().flatten();
        let mut all: Vec<&str> = parts.flat_map(|part| self.required(part)).collect();
        let own = shape["required"].as_array().into_iter().flatten();
        all.extend(own.filter_map(Value::as_str));
        all
    }

    fn fits(&self, shape: &Value, value: &Value, at: &str) -> Result<(), String> {
        let shape = self.target(shape);
        if let Some(choices) = shape["oneOf"].as_array() {
            let fits = |choice| self.fits(choice, value, at).is_ok();
            return match choices.iter().any(fits) {
                true => Ok(()),
                false => Err(format!("{at} fits no choice")),
            };
        }
        if let Some(words) = shape["enum"].as_array()
            && !words.contains(value)
        {
            return Err(format!("{at} is {value}, none of {words:?}"));
        }
        if !typed(&shape["type"], value) {
            return Err(format!("{at} is {value}, no {}", shape["type"]));
        }
        match value {
            Value::Array(items) => {
                let each = items.iter().enumerate();
                let mut each =
                    each.map(|(n, item)| self.fits(&shape["items"], item, &format!("{at}[{n}]")));
                each.find(Result::is_err).unwrap_or(Ok(()))
            }
            Value::Object(own) => self.object(shape, own, at),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
        }
    }

    fn object(&self, shape: &Value, own: &Map<String, Value>, at: &str) -> Result<(), String> {
        let mut known = BTreeMap::new();
        self.members(shape, &mut known);
        if known.is_empty() {
            return Ok(());
        }
        for name in self.required(shape) {
            if !own.contains_key(name) {
                return Err(format!("{at}.{name} is missing"));
            }
        }
        for (name, value) in own {
            let place = format!("{at}.{name}");
            let shape = known.get(name.as_str());
            let shape = shape.ok_or_else(|| format!("{place} is not documented"))?;
            self.fits(shape, value, &place)?;
        }
        Ok(())
    }
}

fn typed(kind: &Value, value: &Value) -> bool {
    let one = |kind: &str| match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other} is no type"),
    };
    match kind {
        Value::String(kind) => one(kind),
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).any(one),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => true,
    }
}
