//! Cutting text by the room that it takes in JSON, so that a snapshot stays within its bound.
//!
//! Never cuts within a character.

/// What stands where something was left out.
pub const MARK: &str = crate::domain::CUT;

/// How many bytes the text takes between the quotes of a JSON string (RFC 8259, as `serde_json`
/// writes it: short escapes for five controls, `\u00XX` for the rest).
#[must_use]
pub fn json_len(text: &str) -> usize {
    // Bytes of longer characters stand as they are.
    let extra = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 1,
        0x00..=0x1f => 5,
        0x20..=0xff => 0,
    };
    text.len()
        .saturating_add(text.bytes().map(extra).sum::<usize>())
}

/// The same for one character.
#[must_use]
pub fn json_len_of(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\u{0}'..='\u{1f}' => 6,
        _ => c.len_utf8(),
    }
}

/// The longest beginning that takes at most `limit` bytes in JSON, and a mark when something was
/// left out.
#[must_use]
pub fn head(text: &str, limit: usize) -> String {
    if text.len().saturating_mul(6) <= limit || json_len(text) <= limit {
        return text.to_owned();
    }
    let mut room = limit.saturating_sub(MARK.len());
    let mut cut = String::new();
    for c in text.chars() {
        let Some(left) = room.checked_sub(json_len_of(c)) else {
            break;
        };
        room = left;
        cut.push(c);
    }
    cut.push_str(MARK);
    cut
}

/// The longest end that takes at most `limit` bytes in JSON, without a mark.
#[must_use]
pub fn tail(text: &str, limit: usize) -> &str {
    let mut room = limit;
    let mut from = text.len();
    for (at, c) in text.char_indices().rev() {
        let Some(left) = room.checked_sub(json_len_of(c)) else {
            break;
        };
        room = left;
        from = at;
    }
    text.get(from..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(text: &str) -> usize {
        serde_json::to_string(text).unwrap().len() - 2
    }

    proptest! {
        #[test]
        fn the_length_is_what_the_writer_writes(text in "\\PC*[\u{0}-\u{20}\"\\\\\u{7f}]*\\PC*") {
            prop_assert_eq!(json_len(&text), written(&text));
        }

        #[test]
        fn both_ends_stay_within_the_limit(text in "(\\PC|[\u{0}-\u{1f}])*", limit in 3_usize..64) {
            let (head, tail) = (head(&text, limit), tail(&text, limit));
            prop_assert!(written(&head) <= limit);
            prop_assert!(written(tail) <= limit);
            prop_assert!(text.ends_with(tail));
            if written(&text) <= limit {
                prop_assert_eq!(&head, &text);
                prop_assert_eq!(tail, &text);
            }
        }
    }
}
