//! What comes back from a provider's page: a code and a state, however somebody copied them.
//!
//! Never shown again in a refusal.

use crate::api::shared::body::bad_field;
use crate::api::shared::{Fields, Query};
use crate::domain::Error;

/// Reads the state and the code.
///
/// # Errors
/// `bad_field`.
pub fn callback(body: &Fields) -> Result<(String, String), Error> {
    let said = body.required_text(&["code"])?;
    let apart = body.text(&["state"])?;
    let (code, within) = split(said.trim());
    let state = apart.or(within);
    let state = state.ok_or_else(|| bad_field("state", "a string, or a code that has it"))?;
    if code.is_empty() {
        return Err(bad_field("code", "the code of the page, or its address"));
    }
    Ok((state, code))
}

/// `CODE`, `CODE#STATE`, or an address with both.
fn split(said: &str) -> (String, Option<String>) {
    if said.starts_with("https://") || said.starts_with("http://") {
        let (_, query) = said.split_once('?').unwrap_or_default();
        let query = Query::parse(query.split('#').next().unwrap_or_default());
        let of = |name| query.text(name).map(str::to_owned);
        return (of("code").unwrap_or_default(), of("state"));
    }
    match said.split_once('#') {
        Some((code, state)) => (code.to_owned(), Some(state.to_owned())),
        None => (said.to_owned(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_in_each_of_its_forms() {
        let both = |said| split(said);
        let wanted = (String::from("c/1"), Some(String::from("s")));
        assert_eq!(both("c/1#s"), wanted);
        assert_eq!(both("https://h/back?code=c%2F1&state=s#_"), wanted);
        assert_eq!(both("c/1"), ("c/1".into(), None));
        assert_eq!(both("https://h/back?error=no"), (String::new(), None));
        let fields = |text: &str| Fields::parse(bytes::Bytes::from(text.to_owned())).unwrap();
        let read = |text: &str| callback(&fields(text));
        assert_eq!(read(r#"{"code":"c#s"}"#).unwrap(), ("s".into(), "c".into()));
        for (text, field) in [
            ("{}", "code"),
            (r#"{"code":5}"#, "code"),
            (r#"{"code":"c"}"#, "state"),
            (r##"{"code":"#s"}"##, "code"),
        ] {
            let error = read(text).unwrap_err();
            let Error::Invalid { field: found, .. } = error else {
                panic!("{text}")
            };
            assert_eq!(found, field, "{text}");
        }
    }
}
