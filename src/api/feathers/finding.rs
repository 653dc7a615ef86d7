//! Queries of a find: conditions with their operators, coerced by the fields of the service, then
//! `$limit`, `$skip`, `$sort` and `$select` (contract/agor.md 2).
//!
//! Never passes over what it does not know: a wrong name or value is refused with its field.

use serde_json::{Map, Value};

use crate::domain::find::{Condition, Direction, Find, Test};
use crate::domain::{Error, Timestamp};

/// Most conditions of a query.
const MOST: usize = 100;
/// Most values of `$in` and `$nin`.
const MOST_VALUES: usize = 500;
/// Largest `$limit` and `$skip` that are understood.
const FAR: u64 = 10_000;
/// Most nested `$or` and `$and`.
const DEPTH: usize = 3;

/// How the values of a field are read.
#[derive(Debug, Clone, Copy)]
pub enum Reads {
    /// A text as it is.
    Text,
    /// A word of the door that stands for some of the house.
    Words(fn(&str) -> Option<Vec<&'static str>>),
    /// A whole number.
    Number,
    /// A time: RFC 3339, or ms since the epoch.
    Time,
    /// Yes or no, the same for every object: `archived` of objects that are not.
    Always(bool),
}

/// A field of a service.
#[derive(Debug, Clone, Copy)]
pub struct Field<F> {
    /// Its name on the wire.
    pub name: &'static str,
    /// What it is in the house; `None` for [`Reads::Always`].
    pub field: Option<F>,
    /// How its values are read.
    pub reads: Reads,
}

/// A find as a client asks for it.
#[derive(Debug, Clone)]
pub struct Asked<F> {
    /// What the store is asked.
    pub find: Find<F>,
    /// The members that are shown; all without it.
    pub select: Option<Vec<String>>,
}

/// Reads a query. `page`: the default and the most of `$limit`.
///
/// # Errors
/// `bad_query`.
pub fn read<F: Copy>(
    query: &Map<String, Value>,
    fields: &[Field<F>],
    page: (usize, usize),
) -> Result<Asked<F>, Error> {
    let mut reader = Reader { fields, count: 0 };
    let limit = number(query, "$limit")?;
    let skip = number(query, "$skip")?;
    Ok(Asked {
        find: Find {
            condition: reader.all(query, 0)?,
            sort: sort(query, fields)?,
            limit: limit.map_or(page.0, |limit| limit.min(page.1)),
            skip: skip.unwrap_or_default(),
        },
        select: select(query)?,
    })
}

/// An object with these members alone, and its id.
#[must_use]
pub fn selected(mut object: Value, select: Option<&Vec<String>>, id: &str) -> Value {
    if let (Some(select), Value::Object(map)) = (select, &mut object) {
        map.retain(|name, _| name == id || select.iter().any(|one| one == name));
    }
    object
}

struct Reader<'a, F> {
    fields: &'a [Field<F>],
    count: usize,
}

impl<F: Copy> Reader<'_, F> {
    fn all(&mut self, query: &Map<String, Value>, depth: usize) -> Result<Condition<F>, Error> {
        let mut parts = Vec::new();
        for (name, value) in query {
            match name.as_str() {
                "$limit" | "$skip" | "$sort" | "$select" if depth == 0 => {}
                "$or" => parts.push(Condition::Any(self.several(name, value, depth)?)),
                "$and" => parts.push(Condition::All(self.several(name, value, depth)?)),
                _ => parts.push(self.field(name, value)?),
            }
        }
        Ok(Condition::All(parts))
    }

    fn several(
        &mut self,
        name: &str,
        value: &Value,
        depth: usize,
    ) -> Result<Vec<Condition<F>>, Error> {
        let expected = "a list of queries, not nested deeper than three times";
        let items = value.as_array().filter(|_| depth < DEPTH);
        let items = items.ok_or_else(|| bad(name, expected))?;
        let query = |item: &Value| item.as_object().cloned().ok_or_else(|| bad(name, expected));
        items
            .iter()
            .map(|item| self.all(&query(item)?, depth.saturating_add(1)))
            .collect()
    }

    fn field(&mut self, name: &str, value: &Value) -> Result<Condition<F>, Error> {
        let found = self.fields.iter().find(|field| field.name == name);
        let field = *found.ok_or_else(|| {
            let names: Vec<&str> = self.fields.iter().map(|field| field.name).collect();
            bad(name, &format!("a field: {}", names.join(", ")))
        })?;
        let Some(operators) = value.as_object() else {
            return self.test(field, "", value);
        };
        let tests = operators.iter();
        let tests = tests.map(|(operator, value)| self.test(field, operator, value));
        Ok(Condition::All(tests.collect::<Result<_, _>>()?))
    }

    fn test(
        &mut self,
        field: Field<F>,
        operator: &str,
        value: &Value,
    ) -> Result<Condition<F>, Error> {
        self.count = self.count.saturating_add(1);
        if self.count > MOST {
            return Err(bad("", &format!("at most {MOST} conditions")));
        }
        match (field.reads, field.field) {
            (Reads::Text, Some(of)) => {
                let read = |value: &Value| text(field.name, value).map(|text| vec![text]);
                Ok(Condition::Text(
                    of,
                    test(field.name, operator, value, read)?,
                ))
            }
            (Reads::Words(words), Some(of)) => {
                let read = |value: &Value| worded(field.name, words, value);
                Ok(Condition::Text(
                    of,
                    test(field.name, operator, value, read)?,
                ))
            }
            (Reads::Number, Some(of)) => {
                let read = |value: &Value| whole(field.name, value).map(|number| vec![number]);
                Ok(Condition::Number(
                    of,
                    test(field.name, operator, value, read)?,
                ))
            }
            (Reads::Time, Some(of)) => {
                let read = |value: &Value| time(field.name, value).map(|number| vec![number]);
                Ok(Condition::Number(
                    of,
                    test(field.name, operator, value, read)?,
                ))
            }
            (Reads::Always(is), _) => always(field.name, operator, value, is),
            (_, None) => Ok(Condition::default()),
        }
    }
}

/// A test of values that stand for one or several of the house.
fn test<T>(
    name: &str,
    operator: &str,
    value: &Value,
    read: impl Fn(&Value) -> Result<Vec<T>, Error>,
) -> Result<Test<T>, Error> {
    let listed = |value: &Value| -> Result<Vec<T>, Error> {
        let items = value.as_array().map(Vec::as_slice);
        // A list of one comes as a single value from some clients.
        let items = items.unwrap_or(std::slice::from_ref(value));
        if items.len() > MOST_VALUES {
            return Err(bad(name, &format!("at most {MOST_VALUES} values")));
        }
        let read: Result<Vec<Vec<T>>, Error> = items.iter().map(&read).collect();
        Ok(read?.into_iter().flatten().collect())
    };
    let one = |value: &Value| -> Result<T, Error> {
        let mut read = read(value)?;
        match (read.pop(), read.is_empty()) {
            (Some(only), true) => Ok(only),
            _ => Err(bad(name, "an equality, $ne, $in or $nin")),
        }
    };
    Ok(match (operator, value) {
        ("", Value::Null) => Test::Absent,
        ("$ne", Value::Null) => Test::Present,
        ("", Value::Array(_)) => return Err(bad(name, "one value; $in takes a list")),
        ("", _) => equal(read(value)?),
        ("$ne", _) => unequal(read(value)?),
        ("$in", _) => Test::In(listed(value)?),
        ("$nin", _) => Test::NotIn(listed(value)?),
        ("$lt", _) => Test::Below(one(value)?),
        ("$lte", _) => Test::AtMost(one(value)?),
        ("$gt", _) => Test::Above(one(value)?),
        ("$gte", _) => Test::AtLeast(one(value)?),
        _ => {
            let expected = "$in, $nin, $ne, $lt, $lte, $gt or $gte";
            return Err(bad(&format!("{name}.{}", cut(operator)), expected));
        }
    })
}

fn equal<T>(mut values: Vec<T>) -> Test<T> {
    match (values.len(), values.pop()) {
        (1, Some(only)) => Test::Is(only),
        (_, last) => {
            values.extend(last);
            Test::In(values)
        }
    }
}

fn unequal<T>(values: Vec<T>) -> Test<T> {
    match equal(values) {
        Test::Is(only) => Test::IsNot(only),
        Test::In(values) => Test::NotIn(values),
        other @ (Test::IsNot(_)
        | Test::NotIn(_)
        | Test::Below(_)
        | Test::AtMost(_)
        | Test::Above(_)
        | Test::AtLeast(_)
        | Test::Absent
        | Test::Present) => other,
    }
}

fn always<F>(name: &str, operator: &str, value: &Value, is: bool) -> Result<Condition<F>, Error> {
    let same = flag(name, value)? == is;
    let holds = match operator {
        "" => same,
        "$ne" => !same,
        _ => return Err(bad(name, "an equality or $ne")),
    };
    Ok(match holds {
        true => Condition::default(),
        false => Condition::Any(Vec::new()),
    })
}

fn flag(name: &str, value: &Value) -> Result<bool, Error> {
    match value {
        Value::Bool(flag) => Ok(*flag),
        Value::String(text) if text == "true" || text == "1" => Ok(true),
        Value::String(text) if text == "false" || text == "0" => Ok(false),
        Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            Err(bad(name, "true or false"))
        }
    }
}

fn text(name: &str, value: &Value) -> Result<String, Error> {
    let text = value.as_str().map(str::to_owned);
    text.ok_or_else(|| bad(name, "a string"))
}

fn worded(
    name: &str,
    words: fn(&str) -> Option<Vec<&'static str>>,
    value: &Value,
) -> Result<Vec<String>, Error> {
    let text = text(name, value)?;
    let known = words(&text).ok_or_else(|| bad(name, "a word that this field can have"))?;
    Ok(known.into_iter().map(str::to_owned).collect())
}

fn whole(name: &str, value: &Value) -> Result<i64, Error> {
    let number = match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    number.ok_or_else(|| bad(name, "a whole number"))
}

fn time(name: &str, value: &Value) -> Result<i64, Error> {
    let read = value.as_str().and_then(Timestamp::parse_rfc3339);
    match read {
        Some(at) => Ok(at.0),
        None => whole(name, value).map_err(|_no_number| bad(name, "a time as RFC 3339, or in ms")),
    }
}

fn number(query: &Map<String, Value>, name: &str) -> Result<Option<usize>, Error> {
    let Some(value) = query.get(name).filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    let number = whole(name, value).ok();
    let number = number.and_then(|number| u64::try_from(number).ok());
    let number = number.filter(|number| *number <= FAR);
    let number = number.and_then(|number| usize::try_from(number).ok());
    number
        .map(Some)
        .ok_or_else(|| bad(name, &format!("a whole number from 0 to {FAR}")))
}

fn sort<F: Copy>(
    query: &Map<String, Value>,
    fields: &[Field<F>],
) -> Result<Vec<(F, Direction)>, Error> {
    let Some(value) = query.get("$sort") else {
        return Ok(Vec::new());
    };
    let expected = "an object of fields, each 1 or -1";
    let wanted = value.as_object().filter(|wanted| wanted.len() <= 8);
    let wanted = wanted.ok_or_else(|| bad("$sort", expected))?;
    let one = |(name, value): (&String, &Value)| {
        let at = format!("$sort.{}", cut(name));
        let known = fields.iter().find(|field| field.name == name);
        let field = known.and_then(|field| field.field);
        let direction = match whole(name, value) {
            Ok(1) => Direction::Up,
            Ok(-1) => Direction::Down,
            _ => return Err(bad(&at, "1 or -1")),
        };
        let field = field.ok_or_else(|| bad(&at, "a field of this service"))?;
        Ok((field, direction))
    };
    wanted.iter().map(one).collect()
}

fn select(query: &Map<String, Value>) -> Result<Option<Vec<String>>, Error> {
    let bad = || bad("$select", "a list of names");
    match query.get("$select") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(name)) => Ok(Some(vec![name.clone()])),
        Some(Value::Array(names)) => {
            let names = names.iter().map(|name| name.as_str().map(str::to_owned));
            names.collect::<Option<_>>().map(Some).ok_or_else(bad)
        }
        Some(Value::Bool(_) | Value::Number(_) | Value::Object(_)) => Err(bad()),
    }
}

fn cut(text: &str) -> String {
    text.chars().take(64).collect()
}

fn bad(name: &str, expected: &str) -> Error {
    let message = match name {
        "" => "the query cannot be understood".to_owned(),
        name => format!("`{}` of the query cannot be understood", cut(name)),
    };
    Error::invalid("bad_query", cut(name), message, expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Of {
        Id,
        Status,
        At,
    }

    fn words(text: &str) -> Option<Vec<&'static str>> {
        match text {
            "idle" => Some(vec!["idle", "created"]),
            "failed" => Some(vec!["failed"]),
            _ => None,
        }
    }

    const FIELDS: [Field<Of>; 4] = [
        Field {
            name: "id",
            field: Some(Of::Id),
            reads: Reads::Text,
        },
        Field {
            name: "status",
            field: Some(Of::Status),
            reads: Reads::Words(words),
        },
        Field {
            name: "at",
            field: Some(Of::At),
            reads: Reads::Time,
        },
        Field {
            name: "archived",
            field: None,
            reads: Reads::Always(false),
        },
    ];

    fn asked(query: Value) -> Result<Asked<Of>, Error> {
        read(query.as_object().unwrap(), &FIELDS, (50, 100))
    }

    fn conditions(query: Value) -> Vec<Condition<Of>> {
        let Condition::All(parts) = asked(query).unwrap().find.condition else {
            panic!("the conditions of a query hold together");
        };
        parts
    }

    #[test]
    fn a_word_of_the_door_is_all_that_it_stands_for() {
        let both = || vec!["idle".to_owned(), "created".to_owned()];
        assert_eq!(
            conditions(json!({"status": "idle"})),
            [Condition::Text(Of::Status, Test::In(both()))]
        );
        assert_eq!(
            conditions(json!({"status": {"$ne": "idle"}})),
            [Condition::All(vec![Condition::Text(
                Of::Status,
                Test::NotIn(both())
            )])]
        );
        assert_eq!(
            conditions(json!({"status": "failed"})),
            [Condition::Text(Of::Status, Test::Is("failed".into()))]
        );
    }

    #[test]
    fn values_are_coerced_by_their_field() {
        let at = |ms| Condition::Number(Of::At, Test::AtLeast(ms));
        for value in [json!("1000"), json!(1000), json!("1970-01-01T00:00:01Z")] {
            assert_eq!(
                conditions(json!({"at": {"$gte": value}})),
                [Condition::All(vec![at(1000)])]
            );
        }
        assert_eq!(
            conditions(json!({"archived": "false"})),
            [Condition::default()]
        );
        assert_eq!(
            conditions(json!({"archived": true})),
            [Condition::Any(Vec::new())]
        );
    }

    #[test]
    fn pages_have_bounds_and_orders_name_fields() {
        let read = asked(json!({"$limit": "500", "$skip": 3, "$sort": {"at": "-1", "id": 1}}));
        let find = read.unwrap().find;
        assert_eq!((find.limit, find.skip), (100, 3));
        assert_eq!(
            find.sort,
            [(Of::At, Direction::Down), (Of::Id, Direction::Up)]
        );
        assert_eq!(asked(json!({})).unwrap().find.limit, 50);
        assert_eq!(asked(json!({"$limit": 0})).unwrap().find.limit, 0);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (query, field) in [
            (json!({"nothing": 1}), "nothing"),
            (json!({"id": 5}), "id"),
            (json!({"id": {"$like": "x"}}), "id.$like"),
            (json!({"status": "asleep"}), "status"),
            (json!({"status": {"$lt": "idle"}}), "status"),
            (json!({"at": {"$gt": "soon"}}), "at"),
            (json!({"$limit": -1}), "$limit"),
            (json!({"$limit": 10_001}), "$limit"),
            (json!({"$skip": "x"}), "$skip"),
            (json!({"$sort": {"at": 2}}), "$sort.at"),
            (json!({"$sort": {"none": 1}}), "$sort.none"),
            (json!({"$select": {"a": 1}}), "$select"),
            (json!({"$or": {"id": "x"}}), "$or"),
            (json!({"$or": [{"$or": [{"$or": [{"$or": []}]}]}]}), "$or"),
            (json!({"archived": "maybe"}), "archived"),
        ] {
            let Error::Invalid {
                field: at, code, ..
            } = asked(query.clone()).unwrap_err()
            else {
                panic!("{query}");
            };
            assert_eq!((code, at.as_str()), ("bad_query", field), "{query}");
        }
    }

    #[test]
    fn an_or_holds_one_of_its_queries() {
        let text =
            |value: &str| Condition::All(vec![Condition::Text(Of::Id, Test::Is(value.into()))]);
        assert_eq!(
            conditions(json!({"$or": [{"id": "a"}, {"id": "b"}]})),
            [Condition::Any(vec![text("a"), text("b")])]
        );
    }
}
