//! The forms in which a value comes back: as it is, in JSON, in an address, in base64.
//!
//! Never a form that is shorter than what is searched for at all.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Shortest text that is searched for, in bytes: a shorter one stands everywhere by chance.
pub const SHORTEST: usize = 8;

/// Most bytes that the forms of one session's values may take together: each is held, about fifteen
/// times as large, while the session is awake.
pub const MOST: usize = 128 * 1024;

/// All of them, without repetitions.
pub fn of(value: &str) -> Vec<String> {
    let trimmed = value.trim();
    if trimmed.len() < SHORTEST {
        return Vec::new();
    }
    let mut forms = vec![trimmed.to_owned()];
    let json = in_json(trimmed);
    let slashed = json.replace('/', "\\/");
    for json in [
        for_pages(&json),
        in_ascii(&json),
        in_ascii(&slashed),
        slashed,
        json,
    ] {
        forms.push(in_json(&json));
        forms.push(json);
    }
    // RFC 3986; encodeURIComponent; a path; a form.
    for left in [
        "-._~",
        "-._~!'()*",
        "-._~/",
        "-._~/:@!$&'()*+,;=",
        "-._~ ",
        "-._* ",
    ] {
        for upper in [true, false] {
            let encoded = in_address(trimmed, left, upper);
            forms.push(encoded.replace(' ', "+"));
        }
    }
    // What base64 makes of the bytes depends on how many stand in front of them.
    for before in 0..3 {
        forms.push(amid(&STANDARD_NO_PAD, trimmed, before));
        forms.push(amid(&URL_SAFE_NO_PAD, trimmed, before));
    }
    forms.retain(|form| form.len() >= SHORTEST);
    forms.sort_unstable();
    forms.dedup();
    forms
}

/// As encoders write it whose JSON may stand in a page.
fn for_pages(json: &str) -> String {
    let escape = |text: String, sign: char| {
        let code = format!("\\u{:04x}", u32::from(sign));
        text.replace(sign, &code)
    };
    ['&', '<', '>'].into_iter().fold(json.to_owned(), escape)
}

/// As encoders write it that know no other letters than those of ASCII.
fn in_ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for letter in json.chars() {
        if letter.is_ascii() {
            text.push(letter);
            continue;
        }
        let mut units = [0; 2];
        for unit in letter.encode_utf16(&mut units) {
            text.push_str(&format!("\\u{unit:04x}"));
        }
    }
    text
}

/// As it stands between the quotes of a JSON string.
fn in_json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    let inner = quoted.strip_prefix('"').and_then(|t| t.strip_suffix('"'));
    inner.unwrap_or(text).to_owned()
}

/// Percent-encoded, but for letters, digits and these signs.
fn in_address(text: &str, left: &str, upper: bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        let letter = char::from(byte);
        if letter.is_ascii_alphanumeric() || (letter.is_ascii() && left.contains(letter)) {
            encoded.push(letter);
        } else if upper {
            encoded.push_str(&format!("%{byte:02X}"));
        } else {
            encoded.push_str(&format!("%{byte:02x}"));
        }
    }
    encoded
}

/// What is the same in the base64 of every text that holds this one behind so many bytes (of three).
fn amid(engine: &impl Engine, text: &str, before: usize) -> String {
    let mut bytes = vec![0; before];
    bytes.extend_from_slice(text.as_bytes());
    let encoded = engine.encode(&bytes);
    let from = before.saturating_mul(8).div_ceil(6);
    let to = bytes.len().saturating_mul(8).saturating_div(6);
    encoded.get(from..to).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_in_the_base64_of_any_text_around_it() {
        let forms = of("hunter2-hunter2");
        for before in ["", "a", "ab", "abc", "A=1\nB="] {
            for behind in ["", "x", "xy", "xyz"] {
                let text = format!("{before}hunter2-hunter2{behind}");
                let encoded = base64::engine::general_purpose::STANDARD.encode(text);
                assert!(forms.iter().any(|form| encoded.contains(form)), "{encoded}");
            }
        }
    }

    #[test]
    fn a_value_is_found_in_json_and_in_addresses() {
        let value = "p\"w/d + \u{e4}\n\\x";
        let forms = of(value);
        let once = serde_json::json!({ "a": value }).to_string();
        let twice = serde_json::json!({ "b": once }).to_string();
        for text in [value, &once, &twice, "p%22w%2Fd%20%2B%20%C3%A4%0A%5Cx"] {
            assert!(forms.iter().any(|form| text.contains(form)), "{text}");
        }
    }

    #[test]
    fn a_value_is_found_as_other_encoders_write_it() {
        let forms = of("it's/a<b>&\u{e4} \u{1f600}(c)");
        for text in [
            "it's\\/a<b>&\u{e4} \u{1f600}(c)",
            "it's/a<b>&\\u00e4 \\ud83d\\ude00(c)",
            "it's\\/a<b>&\\u00e4 \\ud83d\\ude00(c)",
            "it's/a\\u003cb\\u003e\\u0026\u{e4} \u{1f600}(c)",
            "it%27s/a%3Cb%3E%26%C3%A4%20%F0%9F%98%80%28c%29",
            "it's%2Fa%3Cb%3E%26%C3%A4%20%F0%9F%98%80(c)",
            "it%27s%2Fa%3Cb%3E%26%C3%A4+%F0%9F%98%80%28c%29",
            "it%27s%2fa%3cb%3e%26%c3%a4+%f0%9f%98%80%28c%29",
        ] {
            assert!(forms.iter().any(|form| form == text), "{text}: {forms:?}");
        }
    }

    #[test]
    fn a_short_value_has_no_form() {
        assert_eq!(of("sevench"), [""; 0]);
        assert_eq!(of("  seven  "), [""; 0]);
    }
}
