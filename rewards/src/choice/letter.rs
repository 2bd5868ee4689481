//! Which option an answer in words names: a letter alone, a letter after "answer is" or in
//! parentheses, or the option's text. Reads the answer once.

/// The option's letter, A for 0.
pub(super) fn of(index: usize) -> Option<char> {
    u8::try_from(index).ok().filter(|index| *index < 26).map(|index| char::from(b'A' + index))
}

/// The index that a text of one letter names.
pub(super) fn index(text: &str) -> Option<usize> {
    match text.as_bytes() {
        [letter] if letter.is_ascii_alphabetic() => {
            Some(usize::from(letter.to_ascii_uppercase() - b'A'))
        }
        _ => None,
    }
}

/// The option that `text` names. In this order: the whole answer is a letter (`B`, `(b).`) or an
/// option's text; the last letter after "answer"; the answer begins with a letter and a mark
/// (`B) because`, `C. Paris`); the last letter in parentheses or asterisks; the one option whose
/// text occurs.
pub(super) fn named(text: &str, options: &[String]) -> Option<usize> {
    let within = |index: usize| (index < options.len()).then_some(index);
    let bare = text.trim_matches(|c: char| c.is_whitespace() || "()[].:*`\"'".contains(c));
    let whole = index(bare).and_then(within);
    whole
        .or_else(|| options.iter().position(|option| option.trim() == text.trim()))
        .or_else(|| after_answer(text).and_then(within))
        .or_else(|| leading(text).and_then(within))
        .or_else(|| enclosed(text, options.len()))
        .or_else(|| only_one_quoted(text, options))
}

/// The capital letter that stands alone within a few characters after the last "answer" that has one.
fn after_answer(text: &str) -> Option<usize> {
    let lower = text.to_ascii_lowercase();
    let places = lower.rmatch_indices("answer");
    places.map(|(at, word)| &text[at + word.len()..]).find_map(|rest| {
        let rest = rest.strip_prefix(['s', 'S']).unwrap_or(rest);
        let rest = rest.trim_start_matches(|c: char| c.is_whitespace() || ":*-=".contains(c));
        let rest = ["is", "would be", "should be", "must be", "option", "choice"]
            .iter()
            .fold(rest, |rest, word| skip(rest, word));
        alone(rest.trim_start_matches(|c: char| c.is_whitespace() || "([*:\"'`$".contains(c)))
    })
}

/// `rest` behind `word`, a colon and white space, where it begins with that.
fn skip<'t>(rest: &'t str, word: &str) -> &'t str {
    match rest.strip_prefix(word) {
        Some(after) => after.trim_start_matches(|c: char| c.is_whitespace() || c == ':'),
        None => rest,
    }
}

/// The capital letter with which `text` begins, unless it begins a word.
fn alone(text: &str) -> Option<usize> {
    let mut letters = text.chars();
    let letter = letters.next().filter(char::is_ascii_uppercase)?;
    let word = letters.next().is_some_and(|c| c.is_alphanumeric() || c == '\'');
    (!word).then(|| usize::from(letter as u8 - b'A'))
}

/// The letter of an answer that begins `B)`, `B.`, `B:` or `(B)`.
fn leading(text: &str) -> Option<usize> {
    let text = text.trim_start().trim_start_matches(['(', '[', '*']);
    let mark = text.chars().nth(1)?;
    let letter = alone(text)?;
    (")].:*\n".contains(mark)).then_some(letter)
}

/// The last capital letter in parentheses, brackets or asterisks that names an option.
fn enclosed(text: &str, count: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let pairs = [(b'(', b')'), (b'[', b']'), (b'*', b'*')];
    bytes.windows(3).rev().find_map(|window| {
        let letter = window[1].is_ascii_uppercase() && pairs.contains(&(window[0], window[2]));
        let index = usize::from(window[1].wrapping_sub(b'A'));
        (letter && index < count).then_some(index)
    })
}

/// The option whose text occurs, when no other's does.
fn only_one_quoted(text: &str, options: &[String]) -> Option<usize> {
    let mut found = (0..options.len()).filter(|&index| {
        let option = options[index].trim();
        !option.is_empty() && text.contains(option)
    });
    let first = found.next();
    first.filter(|_| found.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_found_where_people_put_them() {
        let options = ["red", "green", "blue", "black"].map(str::to_owned);
        for (text, want) in [
            ("B", Some(1)),
            (" (c). ", Some(2)),
            ("**D**", Some(3)),
            ("green", Some(1)),
            ("The answer is B.", Some(1)),
            ("The answer is A? No. The correct answer is: (C)", Some(2)),
            ("Answer: D) black", Some(3)),
            ("The answer is option B", Some(1)),
            ("Answers: A", Some(0)),
            ("The final answer is **A**", Some(0)),
            ("B) because leaves are", Some(1)),
            ("C. It is the sky", Some(2)),
            ("I choose (B), not another.", Some(1)),
            ("It must be blue, I think.", Some(2)),
            ("red or blue", None),
            ("An answer is hard", None),
            ("A lemon is yellow", None),
            ("E", None),
            ("", None),
        ] {
            assert_eq!(named(text, &options), want, "{text:?}");
        }
    }

    #[test]
    fn a_long_answer_is_read_once() {
        let options = ["x1", "y2"].map(str::to_owned);
        assert_eq!(named(&"answer (".repeat(1_000_000), &options), None);
        assert_eq!(named(&("(A".repeat(2_000_000) + "(B)"), &options), Some(1));
    }
}
