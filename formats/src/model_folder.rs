//! Which files of a model folder in Hugging Face layout are what: configuration, weights, and the text
//! side, which is tokenizer and chat templates. Names alone; what is in the files, other modules read.

use std::io;
use std::path::Path;

/// What kind of model it is.
pub const CONFIG: &str = "config.json";
/// The sampling defaults of its makers.
pub const GENERATION: &str = "generation_config.json";
/// The weights, where they lie in one file.
pub const WEIGHTS: &str = "model.safetensors";
/// Names the files of weights, where there are several.
pub const INDEX: &str = "model.safetensors.index.json";
/// What the tokenizer is read from.
pub const TOKENIZER: [&str; 3] =
    ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"];
/// The same tokenizer for other programs; none of this is read here.
pub const OTHER_TOKENIZERS: [&str; 4] =
    ["added_tokens.json", "vocab.json", "merges.txt", "tokenizer.model"];
/// Where a chat template lies, if not in `tokenizer_config.json`.
pub const TEMPLATES: [&str; 2] = ["chat_template.jinja", "chat_template.json"];
/// The folder of templates with names of their own, each in a file `NAME.jinja`.
pub const MORE_TEMPLATES: &str = "additional_chat_templates";

/// Whether a path in a model folder, such as a repository of the hub lists, is part of the tokenizer or a
/// chat template. Of what lies deeper only plain names count: none that is hidden or leads elsewhere.
pub fn is_text(relative: &str) -> bool {
    is_text_read(relative) || OTHER_TOKENIZERS.contains(&relative)
}

/// As [`is_text`], without the forms of a tokenizer that are for other programs.
pub fn is_text_read(relative: &str) -> bool {
    TOKENIZER.contains(&relative) || TEMPLATES.contains(&relative) || is_more(relative)
}

/// Whether it is a template with a name of its own.
fn is_more(relative: &str) -> bool {
    let below = relative.strip_prefix(MORE_TEMPLATES).and_then(|rest| rest.strip_prefix('/'));
    below.and_then(|name| name.strip_suffix(".jinja")).is_some_and(|name| {
        !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0'])
    })
}

/// The files of tokenizer and chat templates that the folder has, as paths in it, in a fixed order. Links
/// are followed, for the hub's cache consists of them.
///
/// # Errors
/// A folder of templates that cannot be read.
pub fn text_files(dir: &Path) -> io::Result<Vec<String>> {
    let plain = TOKENIZER.iter().chain(&OTHER_TOKENIZERS).chain(&TEMPLATES);
    let plain = plain.filter(|name| dir.join(name).is_file()).map(|name| (*name).to_owned());
    Ok(plain.chain(more(dir)?).collect())
}

/// The files that decide a model's answers beside its weights, as paths in the folder, in a fixed order:
/// configuration, sampling defaults, tokenizer and chat templates, as far as they are read here. In
/// another order the same model would have another fingerprint.
///
/// # Errors
/// A folder of templates that cannot be read.
pub fn deciding(dir: &Path) -> io::Result<Vec<String>> {
    let configs = [CONFIG, GENERATION].into_iter().filter(|name| dir.join(name).is_file());
    let text = text_files(dir)?.into_iter().filter(|name| is_text_read(name));
    Ok(configs.map(str::to_owned).chain(text).collect())
}

/// The templates with names of their own, sorted.
fn more(dir: &Path) -> io::Result<Vec<String>> {
    let folder = dir.join(MORE_TEMPLATES);
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in fs_err::read_dir(&folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let relative = format!("{MORE_TEMPLATES}/{name}");
        found.extend((is_more(&relative) && entry.path().is_file()).then_some(relative));
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_deeper_is_text_by_a_plain_name_alone() {
        for name in ["tokenizer.json", "chat_template.json", "tokenizer.model"] {
            assert!(is_text(name), "{name}");
        }
        assert!(is_text("additional_chat_templates/tool_use.jinja"));
        for name in [
            "config.json",
            "original/tokenizer.json",
            "additional_chat_templates",
            "additional_chat_templates/",
            "additional_chat_templates/.jinja",
            "additional_chat_templates/.hidden.jinja",
            "additional_chat_templates/notes.md",
            "additional_chat_templates/../../x.jinja",
            "additional_chat_templates/a/b.jinja",
            "additional_chat_templates\\a.jinja",
            "additional_chat_templates_/a.jinja",
        ] {
            assert!(!is_text(name), "{name}");
        }
        assert!(is_text_read("tokenizer.json") && !is_text_read("tokenizer.model"));
    }

    #[test]
    fn a_folder_has_what_it_has_in_one_order() {
        let dir = tempfile::tempdir().unwrap();
        assert!(text_files(dir.path()).unwrap().is_empty());
        let more = dir.path().join(MORE_TEMPLATES);
        fs_err::create_dir_all(more.join("folder.jinja")).unwrap();
        let fixed = [
            CONFIG,
            GENERATION,
            "tokenizer.json",
            "tokenizer_config.json",
            "special_tokens_map.json",
            "chat_template.jinja",
            "chat_template.json",
        ];
        for name in fixed.iter().chain(&["vocab.json", "notes.txt"]) {
            fs_err::write(dir.path().join(name), name).unwrap();
        }
        for name in ["tool_use.jinja", "rag.jinja", "readme.md"] {
            fs_err::write(more.join(name), name).unwrap();
        }
        let templates = |name: &str| format!("{MORE_TEMPLATES}/{name}.jinja");
        let more = [templates("rag"), templates("tool_use")];
        let deciding = deciding(dir.path()).unwrap();
        assert_eq!(deciding[..fixed.len()], fixed);
        assert_eq!(deciding[fixed.len()..], more);
        let mut text = text_files(dir.path()).unwrap();
        text.retain(|name| !deciding.contains(name));
        assert_eq!(text, ["vocab.json"], "what no part of this program reads decides nothing");
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed() {
        let (dir, blobs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs_err::write(blobs.path().join("1"), "x").unwrap();
        fs_err::create_dir(dir.path().join(MORE_TEMPLATES)).unwrap();
        for name in ["tokenizer.json", "additional_chat_templates/tool_use.jinja"] {
            fs_err::os::unix::fs::symlink(blobs.path().join("1"), dir.path().join(name)).unwrap();
        }
        fs_err::os::unix::fs::symlink("nowhere", dir.path().join("vocab.json")).unwrap();
        let names = ["tokenizer.json", "additional_chat_templates/tool_use.jinja"];
        assert_eq!(text_files(dir.path()).unwrap(), names);
    }
}
