//! Whether a value is what a shape of the document says.
//! Never lenient: a member that the shape does not name is a fault.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value};

/// The shapes of a document.
pub struct Shapes<'a>(pub &'a Value);

impl<'a> Shapes<'a> {
    /// Whether a value fits; `at` is its place.
    ///
    /// # Errors
    /// What does not, and where.
    pub fn fit(&self, shape: &'a Value, value: &Value, at: &str) -> Result<(), String> {
        let shape = self.target(shape);
        if let Some(choices) = shape["oneOf"].as_array() {
            return self.one(choices, value, at);
        }
        if let Some(words) = shape["enum"].as_array()
            && !words.contains(value)
        {
            return Err(format!("{at} is {value}, none of {words:?}"));
        }
        let together = shape["allOf"].is_array();
        if !typed(&shape["type"], value) || (together && !value.is_object()) {
            return Err(format!("{at} is {value}, no {}", shape["type"]));
        }
        match value {
            Value::Array(items) => {
                let each = items.iter().enumerate();
                let mut each =
                    each.map(|(n, item)| self.fit(&shape["items"], item, &format!("{at}[{n}]")));
                each.find(Result::is_err).unwrap_or(Ok(()))
            }
            Value::Object(own) => self.object(shape, own, at),
            Value::String(text) => text_fits(shape, text, at),
            Value::Number(number) => number_fits(shape, number, at),
            Value::Null | Value::Bool(_) => Ok(()),
        }
    }

    /// Exactly one of several.
    fn one(&self, choices: &'a [Value], value: &Value, at: &str) -> Result<(), String> {
        let tried = choices.iter().map(|choice| self.fit(choice, value, at));
        let faults: Vec<String> = tried.filter_map(Result::err).collect();
        match choices.len() - faults.len() {
            1 => Ok(()),
            0 => Err(format!("{at} fits no choice ({})", faults.join("; "))),
            many => Err(format!("{at} fits {many} choices")),
        }
    }

    fn target(&self, shape: &'a Value) -> &'a Value {
        match shape["$ref"].as_str() {
            Some(target) => {
                let pointer = target.strip_prefix('#').unwrap();
                self.target(self.0.pointer(pointer).unwrap())
            }
            None => shape,
        }
    }

    /// Every member of an object, also of one that is put together.
    fn members(&self, shape: &'a Value, into: &mut BTreeMap<&'a str, &'a Value>) {
        let shape = self.target(shape);
        for part in shape["allOf"].as_array().into_iter().flatten() {
            self.members(part, into);
        }
        let own = shape["properties"].as_object().into_iter().flatten();
        into.extend(own.map(|(name, shape)| (name.as_str(), shape)));
    }

    fn required(&self, shape: &'a Value) -> Vec<&'a str> {
        let shape = self.target(shape);
        let parts = shape["allOf"].as_array().into_iter().flatten();
        let mut all: Vec<&str> = parts.flat_map(|part| self.required(part)).collect();
        let own = shape["required"].as_array().into_iter().flatten();
        all.extend(own.filter_map(Value::as_str));
        all
    }

    fn object(&self, shape: &'a Value, own: &Map<String, Value>, at: &str) -> Result<(), String> {
        let mut known = BTreeMap::new();
        self.members(shape, &mut known);
        let other = shape.get("additionalProperties");
        // An object of which nothing is said may have any member.
        if known.is_empty() && other.is_none() {
            return Ok(());
        }
        for name in self.required(shape) {
            if !own.contains_key(name) {
                return Err(format!("{at}.{name} is missing"));
            }
        }
        for (name, value) in own {
            let place = format!("{at}.{name}");
            let shape = known.get(name.as_str()).copied().or(other);
            let shape = shape.ok_or_else(|| format!("{place} is not documented"))?;
            self.fit(shape, value, &place)?;
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

fn text_fits(shape: &Value, text: &str, at: &str) -> Result<(), String> {
    let length = u64::try_from(text.chars().count()).unwrap();
    let short = shape["minLength"]
        .as_u64()
        .is_some_and(|least| length < least);
    let long = shape["maxLength"]
        .as_u64()
        .is_some_and(|most| length > most);
    if short || long {
        return Err(format!("{at} has {length} characters"));
    }
    if shape["format"] == "uuid" && uuid::Uuid::parse_str(text).is_err() {
        return Err(format!("{at} is {text}, no UUID"));
    }
    Ok(())
}

fn number_fits(shape: &Value, number: &Number, at: &str) -> Result<(), String> {
    let number = number.as_f64().unwrap();
    let bound = |name: &str| shape[name].as_f64();
    let low = bound("minimum").is_some_and(|least| number < least)
        || bound("exclusiveMinimum").is_some_and(|least| number <= least);
    let high = bound("maximum").is_some_and(|most| number > most);
    if low || high {
        return Err(format!("{at} is {number}, out of its bounds"));
    }
    Ok(())
}
