//! The query of an address as the clients write it: `status[$in][0]=idle&$sort[created_at]=-1`.
//!
//! Never deeper, longer or wider than the bounds.

use serde_json::{Map, Value};

use crate::api::shared::query::pairs;
use crate::domain::Error;

/// Most names and values.
const MOST: usize = 1_000;
/// Most brackets of a name.
const DEPTH: usize = 5;

/// Reads a query string into objects, lists and texts.
///
/// # Errors
/// `bad_query`.
pub fn parse(text: &str) -> Result<Map<String, Value>, Error> {
    let pairs = pairs(text);
    if pairs.len() > MOST {
        return Err(bad("", format!("at most {MOST} names")));
    }
    let mut root = Value::Object(Map::new());
    for (name, value) in pairs {
        let path = split(&name).ok_or_else(|| bad(&name, "name, name[key] or name[]"))?;
        put(&mut root, &path, value).ok_or_else(|| bad(&name, "one value for a name"))?;
    }
    match listed(root) {
        Value::Object(map) => Ok(map),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Ok(Map::new())
        }
    }
}

fn bad(name: &str, expected: impl Into<String>) -> Error {
    let name: String = name.chars().take(64).collect();
    let message = "the query cannot be understood";
    Error::invalid("bad_query", name, message, expected)
}

/// The parts of `a[b][c]`.
fn split(name: &str) -> Option<Vec<&str>> {
    let Some((first, rest)) = name.split_once('[') else {
        return Some(vec![name]);
    };
    let mut parts = vec![first];
    let inner = rest.strip_suffix(']')?;
    parts.extend(inner.split("]["));
    let fits = parts.len() <= DEPTH.saturating_add(1);
    let clean = parts.iter().all(|part| !part.contains(['[', ']']));
    (fits && clean && !first.is_empty()).then_some(parts)
}

/// Puts a value where its path leads; `None` where something else stands in the way.
fn put(at: &mut Value, path: &[&str], value: String) -> Option<()> {
    let (part, rest) = path.split_first()?;
    let map = at.as_object_mut()?;
    let key = match part.is_empty() {
        true => map.len().to_string(),
        false => (*part).to_owned(),
    };
    if rest.is_empty() {
        return again(map, key, value);
    }
    let next = map.entry(key).or_insert_with(|| Value::Object(Map::new()));
    put(next, rest, value)
}

/// A name that comes again makes a list of its values.
fn again(map: &mut Map<String, Value>, key: String, value: String) -> Option<()> {
    match map.get_mut(&key) {
        None => {
            map.insert(key, Value::String(value));
        }
        Some(Value::Object(_) | Value::Null | Value::Bool(_) | Value::Number(_)) => return None,
        Some(Value::Array(items)) => items.push(Value::String(value)),
        Some(first @ Value::String(_)) => {
            let first_value = first.take();
            *first = Value::Array(vec![first_value, Value::String(value)]);
        }
    }
    Some(())
}

/// Objects whose keys are numbers are lists, in the order of these.
fn listed(value: Value) -> Value {
    let Value::Object(map) = value else {
        return value;
    };
    let numbers: Option<Vec<u32>> = map.keys().map(|key| key.parse().ok()).collect();
    match numbers {
        Some(numbers) if !numbers.is_empty() => {
            let values = map.into_iter().map(|(_, value)| listed(value));
            let mut items: Vec<(u32, Value)> = numbers.into_iter().zip(values).collect();
            items.sort_by_key(|(number, _)| *number);
            Value::Array(items.into_iter().map(|(_, value)| value).collect())
        }
        _ => {
            let members = map.into_iter().map(|(key, value)| (key, listed(value)));
            Value::Object(members.collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn what_the_clients_write_is_read() {
        let read = parse(
            "status[$in][0]=idle&status[$in][1]=running&$sort[created_at]=-1&$select[]=a\
             &$select[]=b&$limit=2&archived=false&$or[0][a]=1&$or[1][a][$ne]=2&x=1&x=2&t=a%20b",
        );
        let expected = json!({
            "status": {"$in": ["idle", "running"]},
            "$sort": {"created_at": "-1"},
            "$select": ["a", "b"],
            "$limit": "2",
            "archived": "false",
            "$or": [{"a": "1"}, {"a": {"$ne": "2"}}],
            "x": ["1", "2"],
            "t": "a b",
        });
        assert_eq!(Value::Object(read.unwrap()), expected);
        assert!(parse("").unwrap().is_empty());
    }

    #[test]
    fn what_has_no_meaning_is_refused() {
        for text in [
            "a[b=1",
            "a]b[=1",
            "[a]=1",
            "a=1&a[b]=2",
            "a[b]=1&a=2",
            "a[b][c][d][e][f][g]=1",
        ] {
            assert_eq!(parse(text).unwrap_err().code(), "bad_query", "{text}");
        }
        let many = "a=1&".repeat(1_001);
        assert!(parse(&many).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text: String) {
            let _ = parse(&text);
        }
    }
}
