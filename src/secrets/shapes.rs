//! Keys that are known by their shape alone: a prefix of their maker's and a run of characters.
//!
//! Never a word of a text by chance: each needs a boundary in front and a long run behind. Never
//! reads a text more than a few times, whatever stands in it.

use std::ops::Range;

use super::quick::Quick;

/// Longest key that is known, in bytes; what is longer is covered up to here.
pub const LONGEST: usize = 4_096;

/// Which characters a key goes on with.
#[derive(Debug, Clone, Copy)]
enum Run {
    /// Letters and digits.
    Plain,
    /// Also `-` and `_`.
    Dashed,
    /// Capitals and digits.
    Capital,
    /// Three dashed runs with dots between them.
    Token,
}

/// Shortest run behind a whole prefix that is covered where a text was cut.
const HALF: usize = 4;
/// The least run behind a prefix of the server's own: those keys have 71 letters and digits.
const OWN: usize = 40;

/// The prefixes, with the least length of the run behind.
const SHAPES: [(&[u8], Run, usize); 16] = [
    (b"agor_sk_", Run::Dashed, 12),
    (b"sk-", Run::Dashed, 20),
    (b"ghp_", Run::Plain, 20),
    (b"gho_", Run::Plain, 20),
    (b"ghu_", Run::Plain, 20),
    (b"ghs_", Run::Plain, 20),
    (b"ghr_", Run::Plain, 20),
    (b"github_pat_", Run::Dashed, 20),
    (b"AKIA", Run::Capital, 16),
    (b"ASIA", Run::Capital, 16),
    (b"xoxa-", Run::Dashed, 10),
    (b"xoxb-", Run::Dashed, 10),
    (b"xoxp-", Run::Dashed, 10),
    (b"xoxr-", Run::Dashed, 10),
    (b"xoxs-", Run::Dashed, 10),
    (b"eyJ", Run::Token, 10),
];

/// Whether the text goes on behind what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It is over.
    Known,
    /// More may come.
    Open,
}

/// What stands at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Nothing,
    /// A key of so many bytes.
    Key(usize),
    /// What comes decides.
    Undecided,
}

/// What is looked for: the well-known prefixes, and those that this server gives its own keys.
#[derive(Debug, Clone)]
pub struct Shapes {
    own: Vec<Box<[u8]>>,
    /// Every prefix.
    quick: Quick,
}

impl Default for Shapes {
    fn default() -> Self {
        Self {
            own: Vec::new(),
            quick: Quick::of(SHAPES.iter().map(|(prefix, _, _)| *prefix)),
        }
    }
}

impl Shapes {
    /// Another prefix of the server's own keys.
    pub fn add(&mut self, prefix: &str) {
        let prefix = prefix.as_bytes();
        let known = self.prefixes().any(|(known, _, _)| known == prefix);
        if !known && !prefix.is_empty() {
            self.own.push(prefix.into());
            self.quick = Quick::of(self.prefixes().map(|(prefix, _, _)| prefix));
        }
    }

    /// Covers every key from a place on; what stands before is context. Returns how far the text
    /// is decided.
    pub fn cover(&self, bytes: &mut [u8], (from, end): (usize, End), fill: u8) -> usize {
        let (keys, decided) = Scan::of(self, bytes, end).keys(from);
        for key in keys {
            bytes.get_mut(key).unwrap_or_default().fill(fill);
        }
        decided
    }

    /// Whether there may be a key in a text whose characters are escaped: a quick look that errs
    /// only on the side of yes.
    pub fn may_hold(&self, text: &[u8]) -> bool {
        let mut scan = Scan::of(self, text, End::Known);
        if !self.quick.is_ready() {
            let mut places = 0..text.len();
            return places.any(|at| self.starts(text, at) && scan.look(at) != Found::Nothing);
        }
        let mut from = 0_usize;
        while let Some(at) = self.quick.next(text, from) {
            if scan.look(at) != Found::Nothing {
                return true;
            }
            from = at.saturating_add(1);
        }
        false
    }

    /// Where a key begins whose end was cut off behind this text.
    pub fn half(&self, text: &[u8]) -> Option<usize> {
        let from = text.len().saturating_sub(LONGEST);
        let (_, open) = Scan::of(self, text, End::Open).keys(from);
        let rest = text.get(open..)?;
        let mut behind = self
            .prefixes()
            .filter_map(|(prefix, _, _)| rest.strip_prefix(prefix));
        behind.any(|run| run.len() >= HALF).then_some(open)
    }

    fn prefixes(&self) -> impl Iterator<Item = (&[u8], Run, usize)> {
        let own = self.own.iter().map(|prefix| (&**prefix, Run::Plain, OWN));
        SHAPES.into_iter().chain(own)
    }

    /// A quick look at two bytes: it is asked at every place of every text.
    fn starts(&self, text: &[u8], at: usize) -> bool {
        let rest = text.get(at..).unwrap_or_default();
        let known = match rest {
            [first] => b"asgAxe".contains(first),
            [b'a', b'g', ..]
            | [b's', b'k', ..]
            | [b'g', b'h' | b'i', ..]
            | [b'A', b'K' | b'S', ..]
            | [b'x', b'o', ..]
            | [b'e', b'y', ..] => true,
            [] | [_, _, ..] => false,
        };
        let same = |own: &[u8]| own.iter().zip(rest).take(2).all(|(a, b)| a == b);
        known || (!rest.is_empty() && self.own.iter().any(|own| same(own)))
    }
}

/// One pass over a text.
struct Scan<'a> {
    shapes: &'a Shapes,
    text: &'a [u8],
    end: End,
    /// The last dashed runs that were measured: a token has three, and the next place of the same
    /// run ends where this one does. So no byte is read for each place in front of it.
    runs: [Range<usize>; 3],
    next: usize,
    /// Bytes that were read to measure runs.
    work: usize,
}

impl<'a> Scan<'a> {
    fn of(shapes: &'a Shapes, text: &'a [u8], end: End) -> Self {
        Self {
            shapes,
            text,
            end,
            runs: [0..0, 0..0, 0..0],
            next: 0,
            work: 0,
        }
    }

    /// Every key from a place on, and how far the text is decided.
    fn keys(&mut self, from: usize) -> (Vec<Range<usize>>, usize) {
        let mut keys: Vec<Range<usize>> = Vec::new();
        let mut at = from;
        while at < self.text.len() {
            let before = at.checked_sub(1).and_then(|before| self.text.get(before));
            let behind_key = keys.last().is_some_and(|key| key.end == at);
            let bounded = behind_key || before.is_none_or(|one| !one.is_ascii_alphanumeric());
            let found = if bounded && self.shapes.starts(self.text, at) {
                self.look(at)
            } else {
                Found::Nothing
            };
            match found {
                Found::Nothing => at = at.saturating_add(1),
                Found::Undecided => return (keys, at),
                Found::Key(length) => {
                    let next = at.saturating_add(length);
                    keys.push(at..next);
                    at = next;
                }
            }
        }
        (keys, at)
    }

    fn look(&mut self, at: usize) -> Found {
        let rest = self.text.get(at..).unwrap_or_default();
        let end = if rest.len() > LONGEST {
            End::Known
        } else {
            self.end
        };
        let window = rest.get(..rest.len().min(LONGEST)).unwrap_or_default();
        let limit = at.saturating_add(window.len());
        let shapes = self.shapes;
        let mut undecided = false;
        for (prefix, run, least) in shapes.prefixes() {
            if !window.starts_with(prefix) {
                undecided |= end == End::Open && prefix.starts_with(window);
                continue;
            }
            let behind = at.saturating_add(prefix.len());
            match self.stop(behind, (run, least), (limit, end)) {
                Stop::Key(to) => return Found::Key(to.saturating_sub(at)),
                Stop::Undecided => undecided = true,
                Stop::Nothing => {}
            }
        }
        if undecided {
            Found::Undecided
        } else {
            Found::Nothing
        }
    }

    /// Where the runs behind a prefix end, should they be those of a key.
    fn stop(&mut self, behind: usize, shape: (Run, usize), (limit, end): (usize, End)) -> Stop {
        let (run, least) = shape;
        let parts = match run {
            Run::Plain | Run::Dashed | Run::Capital => 1,
            Run::Token => 3,
        };
        let mut from = behind;
        for part in 1..=parts {
            let to = self.run(from, run, limit).min(limit);
            if to >= limit && end == End::Open {
                return Stop::Undecided;
            }
            let dot = to < limit && self.text.get(to) == Some(&b'.');
            if to.saturating_sub(from) < least || (part < parts && !dot) {
                return Stop::Nothing;
            }
            if part == parts {
                return Stop::Key(to);
            }
            from = to.saturating_add(1);
        }
        Stop::Nothing
    }

    /// Where the run from this place on ends.
    fn run(&mut self, from: usize, run: Run, limit: usize) -> usize {
        let measured = match run {
            Run::Dashed | Run::Token => true,
            Run::Plain | Run::Capital => false,
        };
        if measured && let Some(known) = self.runs.iter().find(|known| known.contains(&from)) {
            return known.end;
        }
        // Of the others a key is made, or there were only a few.
        let last = if measured { self.text.len() } else { limit };
        let rest = self.text.get(from..last).unwrap_or_default();
        let count = rest.iter().take_while(|byte| fits(**byte, run)).count();
        self.work = self.work.saturating_add(count);
        let to = from.saturating_add(count);
        // An empty one costs nothing, and must not push out one that does.
        if measured
            && count > 0
            && let Some(place) = self.runs.get_mut(self.next)
        {
            *place = from..to;
            self.next = self.next.saturating_add(1) % 3;
        }
        to
    }
}

/// What the runs behind a prefix are.
enum Stop {
    Nothing,
    /// A key up to here.
    Key(usize),
    Undecided,
}

fn fits(byte: u8, run: Run) -> bool {
    match run {
        Run::Plain => byte.is_ascii_alphanumeric(),
        Run::Dashed | Run::Token => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'),
        Run::Capital => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_read_for_each_of_its_places() {
        let none = Shapes::default();
        for part in [
            "eyJ-",
            "eyJaaaaaaaaaa.",
            &format!("{}.{}..", "eyJ-".repeat(2_000), "eyJ-".repeat(20_000)),
            "eyJ-eyJ-eyJ-eyJ-.eyJ-eyJ-eyJ-eyJ-..",
            "sk-",
            "agor_sk_",
            "AKIA",
            "ghp_-",
        ] {
            let text = part.repeat(200_000_usize.div_ceil(part.len())).into_bytes();
            for end in [End::Known, End::Open] {
                let mut scan = Scan::of(&none, &text, end);
                let _ = scan.keys(0);
                assert!(scan.work <= text.len() * 4, "{part}: {}", scan.work);
            }
            let mut scan = Scan::of(&none, &text, End::Known);
            for at in 0..text.len() {
                if scan.look(at) != Found::Nothing {
                    break;
                }
            }
            assert!(scan.work <= text.len() * 4, "{part}: {}", scan.work);
        }
    }

    #[test]
    fn a_long_run_with_a_token_at_its_end_is_searched_through() {
        let text = format!(
            "{}.{}.{} ",
            "eyJ-".repeat(3_000),
            "b".repeat(20),
            "c".repeat(20)
        );
        let mut bytes = text.clone().into_bytes();
        Shapes::default().cover(&mut bytes, (0, End::Known), b'*');
        assert!(!bytes.windows(4).any(|part| part == b"bbbb"));
        assert!(bytes.starts_with(b"eyJ-eyJ-"), "more than a key can be");
    }

    #[test]
    fn keys_with_a_prefix_of_ones_own_are_known() {
        let mut shapes = Shapes::default();
        shapes.add("acme_");
        shapes.add("sk-");
        assert_eq!(shapes.own.len(), 1);
        let key = format!("acme_{}", "0aZ9".repeat(18));
        let text = format!("the key {key}, acme_short, x{key}");
        let mut bytes = text.clone().into_bytes();
        shapes.cover(&mut bytes, (0, End::Known), b'*');
        let stars = "*".repeat(key.len());
        let shown = String::from_utf8(bytes).unwrap();
        assert_eq!(shown, format!("the key {stars}, acme_short, x{key}"));
        assert!(shapes.may_hold(key.as_bytes()));
    }
}
