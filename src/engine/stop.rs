//! Stop strings over a stream of text: nothing that may belong to one is let out too early.
//!
//! The result depends on the text alone, not on how tokens cut it: the stop string that is
//! complete first wins, and the longest among those that end together. Stop *tokens* are
//! [`super::engine`]'s, which sees ids.

/// Watches the text of one answer for its stop strings.
#[derive(Debug)]
pub struct StopMatcher {
    stops: Vec<String>,
    inclusion: StopInclusion,
    /// Text not let out yet: always a beginning of some stop string.
    held: String,
}

/// Whether the text that ended the answer is part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopInclusion {
    /// The answer ends before the stop string.
    Exclude,
    /// The answer ends with the stop string.
    Include,
}

/// What may be let out after some text arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Released {
    /// Text that is surely part of the answer.
    pub text: String,
    /// The stop string that ended it.
    pub stop: Option<String>,
}

impl StopMatcher {
    /// A matcher of non-empty stop strings.
    pub fn new(stops: Vec<String>, inclusion: StopInclusion) -> Self {
        Self { stops, inclusion, held: String::new() }
    }

    /// Adds text; after a stop was found nothing more may be added.
    pub fn push(&mut self, text: &str) -> Released {
        self.held.push_str(text);
        if let Some((start, end)) = self.first_match() {
            let mut text = std::mem::take(&mut self.held);
            let stop = text[start..end].to_owned();
            text.truncate(if self.inclusion == StopInclusion::Include { end } else { start });
            return Released { text, stop: Some(stop) };
        }
        let rest = self.held.split_off(self.held.len() - self.undecided_len());
        Released { text: std::mem::replace(&mut self.held, rest), stop: None }
    }

    /// Adds text in which stop strings do not count, after what was held.
    pub fn pass(&mut self, text: &str) -> Released {
        let mut released = std::mem::take(&mut self.held);
        released.push_str(text);
        Released { text: released, stop: None }
    }

    /// Byte range of the stop string that is complete first; the longest of those.
    fn first_match(&self) -> Option<(usize, usize)> {
        let matches = self.stops.iter().filter_map(|stop| {
            let start = self.held.find(stop.as_str())?;
            Some((start, start + stop.len()))
        });
        matches.min_by_key(|&(start, end)| (end, start))
    }

    /// Bytes at the end of the held text that some stop string begins with.
    fn undecided_len(&self) -> usize {
        let longest = |stop: &String| {
            let mut lengths = (1..stop.len().min(self.held.len() + 1)).rev();
            lengths.find(|&len| self.held.as_bytes().ends_with(&stop.as_bytes()[..len]))
        };
        let len = self.stops.iter().filter_map(longest).max().unwrap_or(0);
        // A stop string's first bytes begin on a character of the held text, so this is a boundary.
        debug_assert!(self.held.is_char_boundary(self.held.len() - len));
        len
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::rng;

    fn run(stops: &[&str], inclusion: StopInclusion, pieces: &[&str]) -> (String, Option<String>) {
        let stops = stops.iter().map(ToString::to_string).collect();
        let mut matcher = StopMatcher::new(stops, inclusion);
        let mut answer = String::new();
        for piece in pieces {
            let released = matcher.push(piece);
            answer.push_str(&released.text);
            if released.stop.is_some() {
                return (answer, released.stop);
            }
        }
        answer.push_str(&matcher.pass("").text);
        (answer, None)
    }

    #[test]
    fn a_stop_over_several_pieces_never_leaks() {
        let stops = vec!["\n\nHuman:".to_owned()];
        let mut matcher = StopMatcher::new(stops, StopInclusion::Exclude);
        let released: Vec<String> =
            ["Hi", "\n", "\nHu", "man"].iter().map(|piece| matcher.push(piece).text).collect();
        assert_eq!(released, ["Hi", "", "", ""]);
        let last = matcher.push(": there");
        assert_eq!((last.text.as_str(), last.stop.as_deref()), ("", Some("\n\nHuman:")));
    }

    #[test]
    fn text_that_turns_out_harmless_is_let_out() {
        let exclude = StopInclusion::Exclude;
        assert_eq!(run(&["END"], exclude, &["E", "N", "E", "N"]), ("ENEN".into(), None));
        assert_eq!(run(&["aab"], exclude, &["aa", "ab!"]), ("a".into(), Some("aab".into())));
    }

    #[test]
    fn inclusion_keeps_the_stop_but_nothing_after_it() {
        let (answer, stop) = run(&["."], StopInclusion::Include, &["One. Two."]);
        assert_eq!((answer.as_str(), stop.as_deref()), ("One.", Some(".")));
    }

    #[test]
    fn characters_of_several_bytes_stay_whole() {
        // Both begin with the byte 0xE2, but a held byte alone must never be cut off.
        let exclude = StopInclusion::Exclude;
        assert_eq!(run(&["→→"], exclude, &["a→", "–", "→→b"]), ("a→–".into(), Some("→→".into())));
        assert_eq!(run(&["–"], exclude, &["→"]), ("→".into(), None));
    }

    #[test]
    fn the_cut_into_tokens_never_matters() {
        let stops = ["abcd", "bc", "ba", "ééa", "a\n"];
        let letters = ["a", "b", "c", "d", "é", "\n"];
        for case in 0..3000 {
            let mut position = 0;
            let mut draw = |bound: usize| {
                position += 1;
                (rng::uniform(case, position) * bound as f64) as usize
            };
            let chosen: Vec<&str> = (0..=draw(3)).map(|_| stops[draw(5)]).collect();
            let text: Vec<&str> = (0..draw(12)).map(|_| letters[draw(6)]).collect();
            let mut pieces = vec![String::new()];
            for letter in &text {
                if draw(2) == 0 {
                    pieces.push(String::new());
                }
                if let Some(piece) = pieces.last_mut() {
                    piece.push_str(letter);
                }
            }
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            let one_by_one = run(&chosen, StopInclusion::Exclude, &text);
            assert_eq!(run(&chosen, StopInclusion::Exclude, &pieces), one_by_one, "case {case}");
        }
    }
}
