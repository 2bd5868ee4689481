//! From byte ranges of a text to a mask over its tokens.

use std::ops::Range;

use crate::model::OffsetToken;

/// Which tokens touch one of the `spans` (in order, apart). A token that straddles an edge counts
/// as inside, as in transformers' `assistant_masks`.
pub(super) fn token_mask(tokens: &[OffsetToken], spans: &[Range<usize>]) -> Vec<bool> {
    let mut covered = 0;
    tokens
        .iter()
        .map(|token| {
            // Post-processors may trim spaces off the offsets; the gap belongs to the token after
            // it.
            let start = token.bytes.start.min(covered);
            covered = covered.max(token.bytes.end);
            let end = token.bytes.end;
            spans.iter().any(|span| start < span.end && span.start < end)
        })
        .collect()
}

/// The maximal runs of `true`.
pub(super) fn runs(mask: &[bool]) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (index, _) in mask.iter().enumerate().filter(|(_, on)| **on) {
        match runs.last_mut() {
            Some(run) if run.end == index => run.end += 1,
            _ => runs.push(index..index + 1),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(offsets: &[(usize, usize)]) -> Vec<OffsetToken> {
        offsets.iter().map(|&(start, end)| OffsetToken { id: 0, bytes: start..end }).collect()
    }

    fn inside(tokens: &[OffsetToken], span: Range<usize>) -> Vec<bool> {
        token_mask(tokens, std::slice::from_ref(&span))
    }

    #[test]
    fn straddling_trimmed_and_shared_offsets() {
        let plain = tokens(&[(0, 2), (2, 5), (5, 6)]);
        assert_eq!(inside(&plain, 3..5), [false, true, false]);
        let trimmed = tokens(&[(0, 2), (3, 5), (6, 6), (6, 7)]);
        assert_eq!(inside(&trimmed, 5..6), [false, false, true, false], "a space alone");
        let emoji = tokens(&[(0, 1), (1, 5), (1, 5), (5, 6)]);
        assert_eq!(inside(&emoji, 1..5), [false, true, true, false], "two tokens, one character");
        let bos = tokens(&[(0, 0), (0, 3)]);
        assert_eq!(inside(&bos, 0..3), [false, true]);
        assert_eq!(token_mask(&plain, &[]), [false; 3]);
    }

    #[test]
    fn runs_of_a_mask() {
        assert_eq!(runs(&[true, true, false, true]), [0..2, 3..4]);
        assert!(runs(&[false]).is_empty());
    }
}
