//! What a model's card (`README.md`) says of licence, tags and languages, copied as the converter
//! copies it (gguf-py's `metadata.py`).
//!
//! Front matter is read as far as these keys need: texts, and lists in either notation. The rest of
//! YAML is passed over.

use std::collections::BTreeMap;
use std::path::Path;

use formats::gguf::{Array, Metadata, Value};

/// Copies what the card in `dir` says; nothing where there is none.
pub(super) fn describe(dir: &Path, metadata: &mut Metadata) {
    if let Ok(card) = fs_err::read_to_string(dir.join("README.md")) {
        copy(&front_matter(&card), metadata);
    }
}

/// The values of each key, one for a text.
type FrontMatter = BTreeMap<String, Vec<String>>;

fn copy(card: &FrontMatter, metadata: &mut Metadata) {
    for (key, name) in [
        ("license", "general.license"),
        ("license_name", "general.license.name"),
        ("license_link", "general.license.link"),
    ] {
        if let Some(values) = card.get(key).filter(|values| !values.is_empty()) {
            metadata.set(name, Value::String(values.join(",")));
        }
    }
    for (keys, name) in [
        (["tags", "pipeline_tag"], "general.tags"),
        (["languages", "language"], "general.languages"),
    ] {
        let values: Vec<String> =
            keys.iter().filter_map(|&key| card.get(key)).flatten().cloned().collect();
        if !values.is_empty() {
            metadata.set(name, Value::Array(Array::String(values)));
        }
    }
}

/// The top level of what stands between the first line `---` and the next.
fn front_matter(card: &str) -> FrontMatter {
    let mut lines = card.lines();
    let mut found = FrontMatter::new();
    if lines.next() != Some("---") {
        return found;
    }
    // The key whose list may follow.
    let mut open: Option<String> = None;
    for line in lines.take_while(|line| *line != "---") {
        if let Some(item) = line.trim_start().strip_prefix("- ") {
            if let Some(values) = open.as_ref().and_then(|key| found.get_mut(key)) {
                values.extend(scalar(item));
            }
        } else if !line.starts_with([' ', '\t', '#'])
            && let Some((key, value)) = line.split_once(':')
        {
            let values = values(value);
            open = values.is_empty().then(|| key.to_owned());
            found.insert(key.to_owned(), values);
        }
    }
    found
}

/// A text or a list in brackets.
fn values(text: &str) -> Vec<String> {
    let text = without_comment(text);
    match text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(items) => items.split(',').filter_map(scalar).collect(),
        None => scalar(text).into_iter().collect(),
    }
}

/// A text without its quotes; `None` for nothing and for what begins a block or a list of many lines.
fn scalar(text: &str) -> Option<String> {
    let text = without_comment(text);
    let quoted = ['"', '\'']
        .iter()
        .find_map(|&quote| text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)));
    let plain = !text.is_empty() && text != "null" && !text.starts_with(['|', '>', '[', '{']);
    quoted.or(plain.then_some(text)).map(str::to_owned)
}

fn without_comment(text: &str) -> &str {
    text.split(" #").next().unwrap_or(text).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A card's keys as metadata.
    fn described(card: &str) -> Metadata {
        let mut metadata = Metadata::new();
        copy(&front_matter(card), &mut metadata);
        metadata
    }

    /// The expected values are those of gguf-py 0.19's `Metadata.load` for the same card.
    #[test]
    fn keys_are_those_of_the_converter() {
        let card = "---\nlicense: other  # see below\nlicense_name: 'tiny research'\n\
                    license_link: https://huggingface.co/someone/Tiny/blob/main/LICENSE\n\
                    language:\n- en\n- \"no\"\npipeline_tag: text-generation\n\
                    tags: [chat, 'code: all']\nwidget:\n- text: hello\n  license: mit\n\
                    extra_prompt: |\n  tags: none\n---\n\nlicense: mit\n";
        let found = described(card);
        assert_eq!(found.str("general.license"), Some("other"));
        assert_eq!(found.str("general.license.name"), Some("tiny research"));
        let link = "https://huggingface.co/someone/Tiny/blob/main/LICENSE";
        assert_eq!(found.str("general.license.link"), Some(link));
        let list = |key: &str| found.strings(key).unwrap().to_vec();
        assert_eq!(list("general.tags"), ["chat", "code: all", "text-generation"]);
        assert_eq!(list("general.languages"), ["en", "no"]);
        assert_eq!(found.len(), 5);
    }

    #[test]
    fn lists_of_licences_are_one_text_and_other_lines_are_passed_over() {
        let found =
            described("---\nlicense:\n  - mit\n  - apache-2.0\ntags:\nlanguage: null\n---\n");
        assert_eq!(found.str("general.license"), Some("mit,apache-2.0"));
        assert_eq!(found.len(), 1);
        assert_eq!(described("# No front matter\nlicense: mit\n").len(), 0);
        assert_eq!(described("").len(), 0);
    }
}
