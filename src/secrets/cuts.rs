//! What is left of a secret where a text was cut before anybody covered it: its beginning in front
//! of the mark, its end behind it.
//!
//! Never looks for less than four bytes: so few tell nothing, and stand everywhere by chance.

use std::ops::Range;

use super::shapes::Shapes;
use crate::domain::CUT;

/// Shortest part of a secret that is covered.
const SHORTEST: usize = 4;
/// So many marks are looked at from either end of a text: whoever cuts leaves one or two.
const MARKS: usize = 4;

/// Where a text was cut.
pub fn of(text: &str) -> Vec<Range<usize>> {
    if !text.contains(CUT) {
        return Vec::new();
    }
    let range = |(at, mark): (usize, &str)| at..at.saturating_add(mark.len());
    let mut marks: Vec<_> = text.match_indices(CUT).take(MARKS).map(range).collect();
    if marks.len() == MARKS {
        let last = text.rmatch_indices(CUT).take(MARKS).map(range);
        let last: Vec<_> = last.filter(|mark| !marks.contains(mark)).collect();
        marks.extend(last);
    }
    marks
}

/// What is to be covered at one of them.
pub fn halves(
    (needles, shapes): (&[Box<[u8]>], &Shapes),
    text: &[u8],
    mark: Range<usize>,
) -> Vec<Range<usize>> {
    let longest = |parts: &mut dyn Iterator<Item = usize>| parts.max().unwrap_or(0);
    let mut found: Vec<Range<usize>> = Vec::new();
    // What was left out may have a line of its own: the mark does not touch the half then.
    let before = text.get(..mark.start).unwrap_or_default();
    let blank = usize::from(before.last() == Some(&b'\n'));
    for to in [mark.start, mark.start.saturating_sub(blank)] {
        let before = text.get(..to).unwrap_or_default();
        let first = longest(&mut needles.iter().map(|needle| beginning(needle, before)));
        found.extend(shapes.half(before).map(|from| from..to));
        found.push(to.saturating_sub(first)..to);
    }
    let next = text.get(mark.end..).unwrap_or_default();
    let blank = usize::from(next.first() == Some(&b'\n'));
    for from in [mark.end, mark.end.saturating_add(blank)] {
        let behind = text.get(from..).unwrap_or_default();
        let last = longest(&mut needles.iter().map(|needle| ending(needle, behind)));
        found.push(from..from.saturating_add(last));
    }
    found
}

/// How much of the beginning of a value stands at the end of this text.
fn beginning(needle: &[u8], text: &[u8]) -> usize {
    let most = needle.len().min(text.len());
    let stands = |length: &usize| {
        let part = needle.get(..*length).unwrap_or_default();
        text.ends_with(part)
    };
    (SHORTEST..=most).rev().find(stands).unwrap_or(0)
}

/// How much of the end of a value stands at the beginning of this text.
fn ending(needle: &[u8], text: &[u8]) -> usize {
    let most = needle.len().min(text.len());
    let stands = |length: &usize| {
        let from = needle.len().saturating_sub(*length);
        text.starts_with(needle.get(from..).unwrap_or_default())
    };
    (SHORTEST..=most).rev().find(stands).unwrap_or(0)
}
