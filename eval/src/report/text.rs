//! Text that nobody vouches for, made safe to show: control and direction characters visible, lengths
//! bounded, markup of the target escaped.

/// Most characters of a name (an arm's, a verdict's, a group's) in a table.
const NAME: usize = 60;

/// Most characters of a title: a measure's sentence.
pub(crate) const TITLE: usize = 200;

/// Most characters of a sentence or a path.
pub(crate) const SENTENCE: usize = 4_000;

/// Whether a character would act on the display instead of being shown: control characters, and those
/// that change the direction or hide (U+200B, U+200E, U+200F, U+2028 to U+202E, U+2060 to U+206F,
/// U+FEFF). Joiners stay: scripts and emoji need them.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// One line, of at most [`NAME`] characters, in which every character is seen.
pub(crate) fn name(text: &str) -> String {
    line(text, NAME)
}

/// One line, of at most `most` characters, in which every character is seen.
pub(crate) fn line(text: &str, most: usize) -> String {
    let mut shown = String::new();
    for (at, c) in text.chars().enumerate() {
        if at == most {
            shown.push('…');
            break;
        }
        match c {
            '\n' | '\t' => shown.push(' '),
            c if c < ' ' => shown.push(char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}')),
            c if acts(c) => shown.push('\u{fffd}'),
            c => shown.push(c),
        }
    }
    shown
}

/// A name for HTML, between tags or in a quoted attribute.
pub(crate) fn html(text: &str) -> String {
    escaped(&name(text))
}

/// A title for HTML, between tags or in a quoted attribute.
pub(crate) fn html_title(text: &str) -> String {
    escaped(&line(text, TITLE))
}

/// Any text for HTML.
pub(crate) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

/// A name for a cell of a Markdown table.
pub(crate) fn markdown(text: &str) -> String {
    markdown_line(text, NAME)
}

/// A title for Markdown.
pub(crate) fn markdown_title(text: &str) -> String {
    markdown_line(text, TITLE)
}

/// A line of at most `most` characters for Markdown.
pub(crate) fn markdown_line(text: &str, most: usize) -> String {
    let mut safe = String::new();
    for c in line(text, most).chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '|' | '[' | ']' | '!' | '~' | '$' | '#' => {
                safe.push('\\');
                safe.push(c);
            }
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_hostile_name_acts() {
        let hostile = "<script>alert(1)</script>|\u{1b}[31m\0\u{202e}`x`\nnext";
        assert_eq!(html(hostile), "&lt;script&gt;alert(1)&lt;/script&gt;|␛[31m␀\u{fffd}`x` next");
        assert!(!markdown(hostile).contains('<'));
        assert!(markdown(hostile).contains("\\|␛\\[31m"));
        assert_eq!(name(&"é".repeat(100)).chars().count(), NAME + 1);
    }
}
