//! A quick look for words in a text: where the next one stands.
//!
//! Never tells which: where words overlap, the one that begins first hides the others.

use std::sync::Arc;

use aho_corasick::Span;
use aho_corasick::packed::{Config, Searcher};

/// So many words are looked for at once; with more an automaton is quicker.
const MOST: usize = 128;

/// The words, prepared; nothing where the machine or their number does not allow it.
#[derive(Debug, Clone, Default)]
pub struct Quick(Option<Arc<Searcher>>);

impl Quick {
    /// Prepares words, none of which is empty.
    pub fn of<'a>(words: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let words: Vec<&[u8]> = words.into_iter().collect();
        if words.len() > MOST {
            return Self(None);
        }
        let mut config = Config::new();
        let mut builder = config.heuristic_pattern_limits(false).builder();
        Self(builder.extend(words).build().map(Arc::new))
    }

    /// Whether it can look.
    pub fn is_ready(&self) -> bool {
        self.0.is_some()
    }

    /// The first place from `from` on at which a word stands.
    pub fn next(&self, text: &[u8], from: usize) -> Option<usize> {
        let searcher = self.0.as_ref()?;
        let span = Span {
            start: from.min(text.len()),
            end: text.len(),
        };
        Some(searcher.find_in(text, span)?.start())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn every_first_place_is_found(
            words in proptest::collection::vec("[ab]{1,5}", 1..9),
            text in "[abc]{0,90}",
            from in 0_usize..100,
        ) {
            let quick = Quick::of(words.iter().map(String::as_bytes));
            proptest::prop_assert!(quick.is_ready());
            let stands = |at: &usize| {
                let rest = &text.as_bytes()[*at..];
                words.iter().any(|word| rest.starts_with(word.as_bytes()))
            };
            let expected = (from.min(text.len())..text.len()).find(stands);
            proptest::prop_assert_eq!(quick.next(text.as_bytes(), from), expected);
        }
    }

    #[test]
    fn too_many_words_are_not_looked_for() {
        let words: Vec<String> = (0..=MOST).map(|n| format!("word {n}")).collect();
        assert!(!Quick::of(words.iter().map(String::as_bytes)).is_ready());
        assert!(!Quick::of([]).is_ready());
    }
}
