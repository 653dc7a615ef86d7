//! JSON bodies, field by field, so that each mistake is told with its field and what would do.
//!
//! Never reads more than the bound, and never panics on any bytes.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::str::FromStr;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, web};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use serde_json::{Map, Value};

use super::Fault;
use crate::app::App;
use crate::domain::Error;

/// A JSON object as it came.
#[derive(Debug, Clone, Default)]
pub struct Fields {
    map: Map<String, Value>,
    raw: Bytes,
}

impl Fields {
    /// Reads bytes; none at all are an empty object.
    ///
    /// # Errors
    /// `bad_json`.
    pub fn parse(raw: Bytes) -> Result<Self, Error> {
        if raw.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::default());
        }
        match serde_json::from_slice(&raw) {
            Ok(Value::Object(map)) => Ok(Self { map, raw }),
            Ok(
                Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::String(_)
                | Value::Array(_),
            ) => Err(bad_json("the body is no object".into())),
            Err(error) => Err(bad_json(format!("the body is no JSON: {error}"))),
        }
    }

    /// A value that was read already; null is an empty object.
    ///
    /// # Errors
    /// `bad_json`.
    pub fn of(value: &Value) -> Result<Self, Error> {
        match value {
            Value::Null => Ok(Self::default()),
            Value::Object(map) => Ok(Self {
                map: map.clone(),
                raw: Bytes::from(value.to_string()),
            }),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Err(bad_json("the data are no object".into()))
            }
        }
    }

    /// The bytes as they came.
    #[must_use]
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// The first of these fields that is there and not null.
    fn first<'n>(&self, names: &[&'n str]) -> Option<(&'n str, &Value)> {
        names
            .iter()
            .filter_map(|name| Some((*name, self.map.get(*name)?)))
            .find(|(_, value)| !value.is_null())
    }

    /// A field as it came, null included.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.map.get(name)
    }

    /// A text under one of these names.
    ///
    /// # Errors
    /// `bad_field`.
    pub fn text(&self, names: &[&str]) -> Result<Option<String>, Error> {
        let Some((name, value)) = self.first(names) else {
            return Ok(None);
        };
        let text = value.as_str().map(str::to_owned);
        text.map(Some).ok_or_else(|| bad_field(name, "a string"))
    }

    /// A text that has to be there.
    ///
    /// # Errors
    /// `bad_field`.
    pub fn required_text(&self, names: &[&str]) -> Result<String, Error> {
        let name = names.first().copied().unwrap_or_default();
        self.text(names)?.ok_or_else(|| bad_field(name, "a string"))
    }

    /// Yes or no.
    ///
    /// # Errors
    /// `bad_field`.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, Error> {
        let Some((_, value)) = self.first(&[name]) else {
            return Ok(None);
        };
        let flag = value.as_bool();
        flag.map(Some)
            .ok_or_else(|| bad_field(name, "true or false"))
    }

    /// A number under one of these names.
    ///
    /// # Errors
    /// `bad_field`.
    pub fn number(&self, names: &[&str]) -> Result<Option<serde_json::Number>, Error> {
        match self.first(names) {
            None => Ok(None),
            Some((_, Value::Number(number))) => Ok(Some(number.clone())),
            Some((name, _)) => Err(bad_field(name, "a number")),
        }
    }

    /// An id under one of these names.
    ///
    /// # Errors
    /// `bad_field`.
    pub fn id<T: FromStr>(&self, names: &[&str]) -> Result<Option<T>, Error> {
        let Some(text) = self.text(names)? else {
            return Ok(None);
        };
        let name = names.first().copied().unwrap_or_default();
        text.parse()
            .map(Some)
            .map_err(|_not_an_id| bad_field(name, "a UUID"))
    }

    /// A list of ids that has to be there.
    ///
    /// # Errors
    /// `bad_field`.
    pub fn ids<T: FromStr>(&self, name: &str) -> Result<Vec<T>, Error> {
        let bad = || bad_field(name, "an array of UUIDs");
        let items = self.map.get(name).and_then(Value::as_array);
        items
            .ok_or_else(bad)?
            .iter()
            .map(|item| {
                item.as_str()
                    .and_then(|text| text.parse().ok())
                    .ok_or_else(bad)
            })
            .collect()
    }

    /// A JSON object; absent is null.
    ///
    /// # Errors
    /// `bad_field`.
    pub fn object(&self, name: &str) -> Result<Value, Error> {
        match self.first(&[name]) {
            None => Ok(Value::Null),
            Some((_, value)) if value.is_object() => Ok(value.clone()),
            Some(_) => Err(bad_field(name, "an object")),
        }
    }

    /// An object of texts; absent is empty.
    ///
    /// # Errors
    /// `bad_field`, naming the member at fault.
    pub fn texts(&self, name: &str) -> Result<BTreeMap<String, String>, Error> {
        let object = self.object(name)?;
        let members = object.as_object().into_iter().flatten();
        members
            .map(|(key, value)| match value.as_str() {
                Some(text) => Ok((key.clone(), text.to_owned())),
                None => {
                    let key: String = key.chars().take(64).collect();
                    Err(bad_field(&format!("{name}.{key}"), "a string"))
                }
            })
            .collect()
    }
}

/// A field of the wrong type, or missing.
#[must_use]
pub fn bad_field(name: &str, expected: &str) -> Error {
    Error::invalid(
        "bad_field",
        name,
        format!("the field `{name}` is missing or of a wrong type"),
        expected,
    )
}

fn bad_json(message: String) -> Error {
    Error::invalid("bad_json", "", message, "a JSON object")
}

impl FromRequest for Fields {
    type Error = Fault;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Fault>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let bytes = bounded(request, payload);
        Box::pin(async move { Ok(Self::parse(bytes.await?)?) })
    }
}

/// Any JSON as it came; nothing at all is null.
#[derive(Debug, Clone)]
pub struct Document {
    /// What the bytes say.
    pub value: Value,
    /// The bytes.
    pub raw: Bytes,
}

impl FromRequest for Document {
    type Error = Fault;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Fault>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let bytes = bounded(request, payload);
        Box::pin(async move {
            let raw = bytes.await?;
            let empty = raw.iter().all(u8::is_ascii_whitespace);
            let value = match empty {
                true => Ok(Value::Null),
                false => serde_json::from_slice(&raw),
            };
            let bad = |error| bad_json(format!("the body is no JSON: {error}"));
            let value = value.map_err(bad)?;
            Ok(Self { value, raw })
        })
    }
}

/// The bytes of a body, no more than the bound.
fn bounded(
    request: &HttpRequest,
    payload: &mut Payload,
) -> impl Future<Output = Result<Bytes, Error>> + 'static {
    let limit = request
        .app_data::<web::Data<App>>()
        .map_or(0, |app| app.config().limits.body_bytes);
    let announced = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let payload = payload.take();
    async move {
        if announced.is_some_and(|length| length > limit) {
            return Err(too_large(limit));
        }
        collect(payload, limit).await
    }
}

/// Reads a body of at most so many bytes.
///
/// # Errors
/// `bad_body`, `too_large`.
pub async fn collect(mut payload: Payload, limit: usize) -> Result<Bytes, Error> {
    let mut all = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| {
            let message = format!("the body broke off: {error}");
            Error::invalid("bad_body", "", message, "a complete body")
        })?;
        if all.len().saturating_add(chunk.len()) > limit {
            return Err(too_large(limit));
        }
        all.extend_from_slice(&chunk);
    }
    Ok(all.freeze())
}

fn too_large(limit: usize) -> Error {
    Error::TooLarge {
        field: "body".into(),
        message: format!("a body has at most {limit} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fields(text: &str) -> Fields {
        Fields::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap()
    }

    fn field_of(error: Error) -> String {
        let Error::Invalid { field, .. } = error else {
            panic!("{error:?}");
        };
        field
    }

    #[test]
    fn the_first_spelling_that_is_there_counts() {
        let fields = fields(r#"{"a":null,"b":"x","c":"y"}"#);
        assert_eq!(fields.text(&["a", "b", "c"]).unwrap(), Some("x".into()));
        assert_eq!(fields.text(&["a", "d"]).unwrap(), None);
    }

    #[test]
    fn mistakes_name_their_field() {
        let fields = fields(r#"{"m":5,"e":{"A":1},"l":["x"],"o":[],"f":"yes","id":"12"}"#);
        assert_eq!(field_of(fields.text(&["m"]).unwrap_err()), "m");
        assert_eq!(
            field_of(fields.required_text(&["message"]).unwrap_err()),
            "message"
        );
        assert_eq!(field_of(fields.texts("e").unwrap_err()), "e.A");
        assert_eq!(field_of(fields.ids::<uuid::Uuid>("l").unwrap_err()), "l");
        assert_eq!(field_of(fields.object("o").unwrap_err()), "o");
        assert_eq!(field_of(fields.flag("f").unwrap_err()), "f");
        assert_eq!(
            field_of(fields.id::<uuid::Uuid>(&["id"]).unwrap_err()),
            "id"
        );
    }

    #[test]
    fn what_is_no_object_is_bad_json() {
        for text in ["[]", "1", "null", "\"x\"", "{", "{\"a\":}", "{\"a\":1}x"] {
            let error = Fields::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap_err();
            assert_eq!(error.code(), "bad_json", "{text}");
        }
        let deep = "[".repeat(100_000);
        assert!(Fields::parse(Bytes::from(deep)).is_err());
        assert!(Fields::parse(Bytes::from_static(b" \n")).is_ok());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = Fields::parse(Bytes::from(bytes));
        }
    }
}
