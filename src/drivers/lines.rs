//! Lines out of a program's bytes, for the codecs that read a message a line.
//!
//! Never holds a byte: what was taken is reported as taken, and the rest is offered again.

use super::{MAX_UNIT_BYTES, Output};

/// Outputs of one `decode` at most: the journal commits no more rows at once (decisions.md 4).
const MAX_OUTPUTS: usize = 4_096;

/// A codec that reads lines.
pub(super) trait Lines {
    /// Whether the rest of a line that was too long is passed over; a part of the snapshot.
    fn skipping(&mut self) -> &mut bool;

    /// Takes a line, without its end.
    fn line(&mut self, bytes: &[u8], out: &mut Vec<Output>);

    /// Takes the beginning of a line that does not fit into [`MAX_UNIT_BYTES`].
    fn too_long(&mut self, bytes: &[u8], out: &mut Vec<Output>);
}

/// Reads the whole lines of `input`; how many bytes were taken.
pub(super) fn decode(codec: &mut impl Lines, input: &[u8], out: &mut Vec<Output>) -> usize {
    let mut rest = input;
    let enough = out.len().saturating_add(MAX_OUTPUTS);
    while !rest.is_empty() && out.len() < enough {
        let unit = rest.get(..MAX_UNIT_BYTES).unwrap_or(rest);
        let end = unit.iter().position(|byte| *byte == b'\n');
        let taken = match end {
            Some(end) => {
                let (line, _) = unit.split_at(end);
                last(codec, line, out);
                end.saturating_add(1)
            }
            None if *codec.skipping() => unit.len(),
            None if unit.len() == MAX_UNIT_BYTES => {
                codec.too_long(unit, out);
                *codec.skipping() = true;
                unit.len()
            }
            None => break,
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
    input.len().saturating_sub(rest.len())
}

/// Takes a line that is over, or the end of one that was too long.
pub(super) fn last(codec: &mut impl Lines, line: &[u8], out: &mut Vec<Output>) {
    if !std::mem::take(codec.skipping()) {
        codec.line(line, out);
    }
}
