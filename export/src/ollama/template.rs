//! The Go templates: one text a family, put together from the parts in `templates/`.
//!
//! Every part stays within what Ollama's documented values and functions offer. What it leaves out:
//! whether a model belongs to a family, see [`super::detect`].

/// How Llama's header gives the date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Date {
    /// The day the model is asked.
    Today,
    /// 26 Jul 2024, as the templates of Llama 3.1 and 3.3 say.
    Fixed,
}

const JSON: &str = include_str!("templates/json.gotmpl");
const TOOL: &str = include_str!("templates/tool.gotmpl");
const TOOL_INDENTED: &str = include_str!("templates/tool_indented.gotmpl");
const VALUE_INDENTED: &str = include_str!("templates/value_indented.gotmpl");
const PROPERTY_INDENTED: &str = include_str!("templates/property_indented.gotmpl");
const TRIM: &str = include_str!("templates/trim.gotmpl");
const TRIM_NEWLINES: &str = include_str!("templates/trim_newlines.gotmpl");
const DATE_TODAY: &str = include_str!("templates/date_today.gotmpl");
const DATE_FIXED: &str = include_str!("templates/date_2024.gotmpl");
const QWEN2_5: &str = include_str!("templates/qwen2.5.gotmpl");
const QWEN3: &str = include_str!("templates/qwen3.gotmpl");
const LLAMA3: &str = include_str!("templates/llama3.gotmpl");
const CHATML_THINK: &str = include_str!("templates/chatml-think.gotmpl");

/// Objects nested in objects that an indented tool is written with; deeper ones are left empty.
const OBJECT_LEVELS: usize = 6;

/// Qwen2.5, with the system prompt for conversations that have none.
pub(super) fn qwen2_5(default_system: &str) -> String {
    let main = QWEN2_5.replace("DEFAULT_SYSTEM", &go_quoted(default_system));
    join(&[JSON, TOOL, &main])
}

/// Qwen3.
pub(super) fn qwen3() -> String {
    join(&[JSON, TOOL, TRIM_NEWLINES, QWEN3])
}

/// Llama 3.1 to 3.3.
pub(super) fn llama3(date: Date) -> String {
    let date = match date {
        Date::Today => DATE_TODAY,
        Date::Fixed => DATE_FIXED,
    };
    join(&[JSON, TOOL_INDENTED, &indented_levels(), TRIM, date, LLAMA3])
}

/// This project's ChatML with thinking.
pub(super) fn chatml_think() -> String {
    join(&[TRIM_NEWLINES, CHATML_THINK])
}

/// Parts one after another. Line ends between parts are trimmed by the actions that open each part.
fn join(parts: &[&str]) -> String {
    let mut text: String = parts.concat();
    text.truncate(text.trim_end_matches('\n').len());
    text
}

/// A template takes one value and no depth: each level of indentation is a template of its own.
fn indented_levels() -> String {
    // Properties of the function stand on level 3, those of an object among them two levels deeper.
    let deepest = 3 + 2 * OBJECT_LEVELS;
    let properties = (3..deepest).step_by(2).map(|level| at_level(PROPERTY_INDENTED, level));
    let values = (3..deepest + 4).map(|level| at_level(VALUE_INDENTED, level));
    let end = format!(
        "{{{{- define \"properties {deepest}\" }}}}{{}}{{{{ end }}}}\n\
         {{{{- define \"property {}\" }}}}{{}}{{{{ end }}}}\n\
         {{{{- define \"value {}\" }}}}{{{{ template \"value\" . }}}}{{{{ end }}}}\n",
        deepest + 1,
        deepest + 4,
    );
    values.chain(properties).chain([end]).collect()
}

fn at_level(part: &str, level: usize) -> String {
    let numbers = [("@level", 0), ("@next", 1), ("@after", 2), ("@property", 3)];
    let spaces = [("@outer", 0), ("@inner", 1), ("@deeper", 2), ("@deepest", 3)];
    // "@deepest" begins with no other mark, but "@deeper" must not be cut out of it: longest first.
    let mut text = part.to_owned();
    for (mark, more) in numbers {
        text = text.replace(mark, &(level + more).to_string());
    }
    for (mark, more) in spaces {
        text = text.replace(mark, &"    ".repeat(level + more));
    }
    text
}

/// A Go string literal. It lies within `{{ }}`, so that any text is safe in it.
pub(super) fn go_quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            // A Modelfile's reader drops what does not print: such characters are spelt out.
            c if c.is_control() || !(' '..='~').contains(&c) => quoted.push_str(&spelt(c)),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

fn spelt(c: char) -> String {
    match u32::from(c) {
        code @ 0..=0xffff => format!("\\u{code:04x}"),
        code => format!("\\U{code:08x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_gos() {
        assert_eq!(go_quoted("a \"b\" \\ {{ . }}\n"), r#""a \"b\" \\ {{ . }}\n""#);
        assert_eq!(go_quoted("ü🦀\u{1}"), r#""\u00fc\U0001f980\u0001""#);
    }

    #[test]
    fn no_mark_is_left() {
        for text in [qwen2_5("S"), qwen3(), llama3(Date::Today), llama3(Date::Fixed)] {
            assert!(!text.contains('@') && !text.contains("DEFAULT_SYSTEM"), "{text}");
            assert!(!text.contains("\"\"\""), "a Modelfile cannot hold three quotes");
        }
    }
}
