//! What a model's card (`README.md`) says of licence, tags and languages, copied as the converter
//! copies it (gguf-py's `metadata.py`).

use std::path::Path;

use formats::gguf::{Array, Metadata, Value};

use crate::front_matter::FrontMatter;

/// Copies what the card in `dir` says; nothing where there is none.
pub(super) fn describe(dir: &Path, metadata: &mut Metadata) {
    copy(&FrontMatter::of_model(dir), metadata);
}

fn copy(card: &FrontMatter, metadata: &mut Metadata) {
    for (key, name) in [
        ("license", "general.license"),
        ("license_name", "general.license.name"),
        ("license_link", "general.license.link"),
    ] {
        if let Some(values) = Some(card.get(key)).filter(|values| !values.is_empty()) {
            metadata.set(name, Value::String(values.join(",")));
        }
    }
    for (keys, name) in [
        (["tags", "pipeline_tag"], "general.tags"),
        (["languages", "language"], "general.languages"),
    ] {
        let values: Vec<String> = keys.iter().flat_map(|&key| card.get(key)).cloned().collect();
        if !values.is_empty() {
            metadata.set(name, Value::Array(Array::String(values)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A card's keys as metadata.
    fn described(card: &str) -> Metadata {
        let mut metadata = Metadata::new();
        copy(&FrontMatter::parse(card), &mut metadata);
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
