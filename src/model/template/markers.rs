//! `{% generation %}` blocks: transformers' extension that marks what the assistant said. The tags
//! are rewritten into plain Jinja that prints a mark at either end; marks print nothing unless the
//! spans are wanted.

use std::ops::Range;
use std::sync::LazyLock;

use fancy_regex::{Captures, Regex};

use super::{Rendered, TemplateError};

/// Template variable printed where a block starts.
pub(super) const START: &str = "__generation_start";
/// Template variable printed where a block ends.
pub(super) const END: &str = "__generation_end";

#[expect(clippy::expect_used, reason = "the pattern is a constant and a test compiles it")]
static TAG: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\{%([-+]?)\s*(end)?generation\s*([-+]?)%\}").expect("a valid pattern")
});

/// Rewrites the tags. Two `if` tags enclose the print so that whitespace control and block trimming
/// to the left and to the right act as they did on the one tag.
pub(super) fn rewrite(source: &str) -> String {
    let tag = |found: &Captures<'_, str>| {
        let (left, right) = (&found[1], &found[3]);
        if found.get(2).is_some() {
            format!("{{%{left} if true %}}{{{{ {END} }}}}{{% endif %}}{{% endif {right}%}}")
        } else {
            format!("{{%{left} if true %}}{{{{ {START} }}}}{{% if true %}}{{% endif {right}%}}")
        }
    };
    TAG.replace_all(source, tag).into_owned()
}

/// The texts that marks print.
pub(super) struct Marks {
    pub(super) start: String,
    pub(super) end: String,
}

impl Marks {
    /// Marks that print nothing.
    pub(super) const NONE: Self = Self { start: String::new(), end: String::new() };

    /// Marks that occur in none of `texts`: a number between noncharacters, which Unicode keeps out
    /// of interchanged text. No mark ends as it begins, so one can only be found where it was
    /// printed.
    pub(super) fn absent_from(texts: &[&str]) -> Result<Self, TemplateError> {
        let mark = |kind: char, n: usize| format!("\u{fdd0}{kind}{n}\u{fdd1}");
        let absent = |mark: &str| texts.iter().all(|text| !text.contains(mark));
        (0..100)
            .map(|n| Self { start: mark('s', n), end: mark('e', n) })
            .find(|marks| absent(&marks.start) && absent(&marks.end))
            .ok_or_else(|| {
                let reason =
                    "a message holds U+FDD0 and U+FDD1, which are not characters; remove them";
                TemplateError::Messages(reason.to_owned())
            })
    }

    /// Takes the marks out of `marked` and returns where they stood.
    pub(super) fn extract(&self, marked: &str) -> Result<Rendered, TemplateError> {
        let mut rendered =
            Rendered { text: String::with_capacity(marked.len()), generation: Vec::new() };
        let mut rest = marked;
        while let Some((before, after)) = rest.split_once(&self.start) {
            let (inside, beyond) = after.split_once(&self.end).ok_or_else(unpaired)?;
            rendered.text.push_str(before);
            let start = rendered.text.len();
            rendered.text.push_str(inside);
            rendered.generation.push(Range { start, end: rendered.text.len() });
            rest = beyond;
        }
        rendered.text.push_str(rest);
        let clean = !rendered.text.contains(&self.start) && !rendered.text.contains(&self.end);
        clean.then_some(rendered).ok_or_else(unpaired)
    }
}

fn unpaired() -> TemplateError {
    TemplateError::Render("its {% generation %} blocks do not pair up in the output".to_owned())
}
