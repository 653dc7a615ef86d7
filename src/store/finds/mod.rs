//! Finds as statements: conditions over fields become conditions over columns.
//!
//! Never a condition without the one that says whose rows it is about.

/// The condition that a test makes of a nullable column.
macro_rules! tested {
    ($column:expr, $test:expr) => {
        match $test {
            Test::Is(value) => Box::new($column.eq(value.clone())),
            Test::IsNot(value) => {
                let other = $column.ne(value.clone());
                Box::new(other.or($column.is_null().nullable()))
            }
            Test::In(values) => Box::new($column.eq_any(values.clone())),
            Test::NotIn(values) => {
                let other = $column.ne_all(values.clone());
                Box::new(other.or($column.is_null().nullable()))
            }
            Test::Below(value) => Box::new($column.lt(value.clone())),
            Test::AtMost(value) => Box::new($column.le(value.clone())),
            Test::Above(value) => Box::new($column.gt(value.clone())),
            Test::AtLeast(value) => Box::new($column.ge(value.clone())),
            Test::Absent => Box::new($column.is_null().nullable()),
            Test::Present => Box::new($column.is_not_null().nullable()),
        }
    };
}

/// What a tree of conditions comes to: `leaf` makes one of a field, `never` one that does not hold.
macro_rules! folded {
    ($name:ident, $field:ty, $leaf:ty, $text:path, $number:path, $never:path) => {
        fn $name(condition: &Condition<$field>) -> Option<$leaf> {
            match condition {
                Condition::Text(field, test) => Some($text(*field, test)),
                Condition::Number(field, test) => Some($number(*field, test)),
                Condition::All(parts) => {
                    let parts = parts.iter().filter_map($name);
                    parts.reduce(|all, part| Box::new(all.and(part)))
                }
                Condition::Any(parts) => {
                    let parts: Option<Vec<$leaf>> = parts.iter().map($name).collect();
                    // One that always holds makes the whole hold.
                    let any = parts?.into_iter();
                    let any = any.reduce(|any, part| Box::new(any.or(part)));
                    Some(any.unwrap_or_else($never))
                }
            }
        }
    };
}

pub mod sessions;
pub mod tasks;
