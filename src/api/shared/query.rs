//! The query of an address.
//!
//! Never guesses a number: what is none is refused with its field.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::str::FromStr;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};

use super::body::bad_field;
use crate::domain::Error;

/// Names and values in order; the first of a name counts.
#[derive(Debug, Clone, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query string.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self(pairs(text))
    }

    /// A value that is not empty.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        let value = self.raw(name);
        value.filter(|value| !value.is_empty())
    }

    /// A value as it came, empty or not.
    #[must_use]
    pub fn raw(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// A number; larger than `most` counts as `most`.
    ///
    /// # Errors
    /// `bad_field` for what is no number or below `least`.
    pub fn number(&self, name: &str, least: u64, most: u64) -> Result<Option<u64>, Error> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        // Digits that do not fit are a number above any bound.
        let number = digits.then(|| text.parse::<u64>().unwrap_or(u64::MAX));
        number
            .filter(|number| *number >= least)
            .map(|number| Some(number.min(most)))
            .ok_or_else(|| bad_field(name, &format!("a whole number from {least} to {most}")))
    }

    /// The size of a page.
    ///
    /// # Errors
    /// `bad_field`.
    pub fn limit(&self, default: usize, most: usize) -> Result<usize, Error> {
        let most = u64::try_from(most).unwrap_or(u64::MAX);
        let limit = self.number("limit", 1, most)?;
        Ok(limit
            .and_then(|limit| usize::try_from(limit).ok())
            .unwrap_or(default))
    }

    /// How many to leave out before the page.
    ///
    /// # Errors
    /// `bad_field`.
    pub fn offset(&self) -> Result<usize, Error> {
        let most = u64::from(u32::MAX);
        let offset = self.number("offset", 0, most)?.unwrap_or_default();
        Ok(usize::try_from(offset).unwrap_or(usize::MAX))
    }

    /// How long to wait, at most `most` seconds; zero when it is not said.
    ///
    /// # Errors
    /// `bad_field`.
    pub fn wait(&self, most: u64) -> Result<Duration, Error> {
        let seconds = self.number("wait", 0, most)?.unwrap_or_default();
        Ok(Duration::from_secs(seconds))
    }

    /// Yes or no.
    ///
    /// # Errors
    /// `bad_field`.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, Error> {
        match self.text(name) {
            None => Ok(None),
            Some("true" | "1") => Ok(Some(true)),
            Some("false" | "0") => Ok(Some(false)),
            Some(_) => Err(bad_field(name, "true or false")),
        }
    }

    /// An id.
    ///
    /// # Errors
    /// `bad_field`.
    pub fn id<T: FromStr>(&self, name: &str) -> Result<Option<T>, Error> {
        let parse = |text: &str| text.parse().map_err(|_no| bad_field(name, "a UUID"));
        self.text(name).map(parse).transpose()
    }
}

/// Names and values of a query string in order; none of one that cannot be read.
#[must_use]
pub fn pairs(text: &str) -> Vec<(String, String)> {
    let pairs = web::Query::<Vec<(String, String)>>::from_query(text);
    pairs.map(web::Query::into_inner).unwrap_or_default()
}

impl FromRequest for Query {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::parse(request.query_string())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_bounded_or_refused() {
        let query = Query::parse("a=5&b=-1&c=x&d=99999999999999999999999&e=&f=0&g=%31");
        assert_eq!(query.number("a", 1, 200).unwrap(), Some(5));
        assert_eq!(query.number("d", 1, 200).unwrap(), Some(200));
        assert_eq!(query.number("e", 1, 200).unwrap(), None);
        assert_eq!(query.number("g", 1, 200).unwrap(), Some(1));
        for name in ["b", "c", "f"] {
            assert_eq!(query.number(name, 1, 200).unwrap_err().code(), "bad_field");
        }
    }

    #[test]
    fn flags_are_words() {
        let query = Query::parse("a=true&b=0&c=maybe");
        assert_eq!(query.flag("a").unwrap(), Some(true));
        assert_eq!(query.flag("b").unwrap(), Some(false));
        assert!(query.flag("c").is_err());
    }
}
