//! Which characters print, as Go's `strconv.IsPrint` sees it: letters, marks, numbers, punctuation,
//! symbols, and of white space the plain space alone.

/// Whether Ollama's reader of Modelfiles keeps the character.
pub(super) fn printable(c: char) -> bool {
    // Rust's `Debug` escapes the same categories (all of "other", all of "separator" but the space);
    // behind a letter it leaves combining marks as they are.
    matches!(c, '"' | '\'' | '\\') || String::from_iter(['a', c]).escape_debug().count() == 2
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn categories_are_gos() {
        let kept = ['a', ' ', '"', '\\', 'ü', '北', '🦀', '\u{301}', '€', '\u{1f469}'];
        assert!(kept.into_iter().all(printable));
        let dropped = [
            '\u{0}',
            '\u{7f}',
            '\u{85}',
            '\u{a0}',
            '\u{ad}',
            '\u{200b}',
            '\u{200d}',
            '\u{2028}',
            '\u{3000}',
            '\u{e000}',
            '\u{feff}',
            '\u{e0001}',
        ];
        assert_eq!(dropped.into_iter().find(|&c| printable(c)), None);
    }
}
