//! Texts from and for a judge: the verdict or number of a reply, an answer without its thoughts, a template
//! filled in. Leaves out asking.

/// Most characters that are kept of a judge's reply.
const MOST_KEPT: usize = 4000;

/// The last verdict of a judge's reply.
pub(super) fn verdict_in(said: &str) -> Option<i8> {
    let marks = [("[[A]]", 1), ("[[B]]", -1), ("[[C]]", 0)];
    let found = marks.iter().filter_map(|(mark, order)| said.rfind(mark).map(|at| (at, *order)));
    found.max().map(|(_, order)| order)
}

/// The number of a reply: what the last `reward:` is followed by, or a number alone.
pub(super) fn number_in(said: &str) -> Option<f64> {
    let text = match said.rsplit_once("reward:") {
        Some((_, after)) => after.split_whitespace().next()?.trim_end_matches([',', ';', ')', ']']),
        None => said.trim(),
    };
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

/// What an answer says once its thoughts are over; nothing where they never are.
pub(super) fn without_thoughts(answer: &str) -> &str {
    match answer.rsplit_once("</think>") {
        Some((_, after)) => after.trim_start(),
        None if answer.trim_start().starts_with("<think>") => "",
        None => answer,
    }
}

/// Every name in braces in one pass, so that an answer with braces stays as it is.
pub(super) fn filled(template: &str, values: [(&str, &str); 3]) -> String {
    let (mut text, mut rest) = (String::new(), template);
    while let Some(at) = rest.find('{') {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let named = values.iter().find_map(|(name, value)| {
            let after = rest.strip_prefix('{')?.strip_prefix(name)?.strip_prefix('}')?;
            Some((*value, after))
        });
        let (piece, after) = named.unwrap_or(("{", &rest[1..]));
        text.push_str(piece);
        rest = after;
    }
    text + rest
}

/// The first words of a text, for a sentence.
pub(super) fn beginning(text: &str) -> String {
    let short: String = text.chars().take(80).collect();
    short.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A reply as it is kept: all of it, or its beginning and its end, where the verdict is.
pub(super) fn bounded(reply: &str) -> String {
    let count = reply.chars().count();
    if count <= MOST_KEPT {
        return reply.to_owned();
    }
    let head: String = reply.chars().take(MOST_KEPT / 2).collect();
    let tail: String = reply.chars().skip(count - MOST_KEPT / 2).collect();
    format!("{head} […{} characters left out…] {tail}", count - 2 * (MOST_KEPT / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_and_numbers_are_read_from_replies() {
        assert_eq!(verdict_in("not [[A]] but [[B]]"), Some(-1));
        assert_eq!(verdict_in("[[C]]"), Some(0));
        assert_eq!(verdict_in("A is better"), None);
        assert_eq!(number_in("reward:-1.23"), Some(-1.23));
        assert_eq!(number_in("It is 9 of 10, so reward: 7, I think."), Some(7.0));
        assert_eq!(number_in("4.5\n"), Some(4.5));
        for none in ["", "reward:", "NaN", "good", "inf", "I give it 7 of 10", "reward: about 7"] {
            assert_eq!(number_in(none), None, "{none}");
        }
    }

    #[test]
    fn a_long_reply_keeps_its_verdict() {
        assert_eq!(bounded("short [[A]]"), "short [[A]]");
        let kept = bounded(&format!("First{}[[B]]", "ü".repeat(2 * MOST_KEPT)));
        assert!(kept.starts_with("First") && kept.ends_with("[[B]]"), "{kept}");
        assert!(kept.contains("[…4010 characters left out…]") && kept.chars().count() < 4100);
    }

    #[test]
    fn thoughts_are_no_part_of_an_answer() {
        for (answer, said) in [
            ("<think>\n2 + 2\n</think>\nIt is 4.", "It is 4."),
            ("2 + 2</think> 4", "4"),
            ("<think>for ever", ""),
            ("It is 4.", "It is 4."),
        ] {
            assert_eq!(without_thoughts(answer), said, "{answer}");
        }
    }

    #[test]
    fn what_an_answer_writes_is_not_filled_in() {
        let text = filled(
            "{question}|{answer_a}|{answer_b}|{x}",
            [("question", "{answer_a}"), ("answer_a", "{question}"), ("answer_b", "b")],
        );
        assert_eq!(text, "{answer_a}|{question}|b|{x}");
    }
}
