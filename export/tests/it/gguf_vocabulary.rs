//! Tokenizers of every structure become vocabularies that llama.cpp can run: none is a dead end.

use std::path::Path;

use export::DenseWeights;
use export::gguf::{FileType, GgufModel, GgufOptions, Provenance, write_gguf};
use formats::gguf::{Array, GgufFile};
use formats::{ModelConfig, whole};
use serde_json::{Value, json};

use crate::tiny;

/// Writes a tiny model with this tokenizer and reads the file back; also what was warned of.
fn exported(edit: impl FnOnce(&mut Value, &Path)) -> export::Result<(GgufFile, Vec<String>)> {
    let dir = tempfile::tempdir().unwrap();
    tiny::write_model("llama-odd", dir.path());
    let path = dir.path().join("tokenizer.json");
    let mut tokenizer = serde_json::from_slice(&fs_err::read(&path).unwrap()).unwrap();
    edit(&mut tokenizer, dir.path());
    fs_err::write(&path, tokenizer.to_string()).unwrap();
    let config = ModelConfig::read(dir.path()).unwrap();
    let weights = DenseWeights::open(dir.path()).unwrap();
    let options = GgufOptions {
        file_type: FileType::F16,
        importance: None,
        name: "Tiny".to_owned(),
        provenance: Provenance::default(),
        existing: whole::Existing::Refuse,
    };
    let model = GgufModel { weights: &weights, config: &config, dir: dir.path() };
    let out = dir.path().join("out.gguf");
    let report = write_gguf(model, &options, &out, &mut |_, _| {})?;
    let file = GgufFile::from_bytes(fs_err::read(&out).unwrap(), &out).unwrap();
    Ok((file, report.warnings))
}

fn types(file: &GgufFile) -> &[i32] {
    match file.metadata().array("tokenizer.ggml.token_type") {
        Some(Array::I32(types)) => types,
        other => panic!("{other:?}"),
    }
}

fn scores(file: &GgufFile) -> &[f32] {
    match file.metadata().array("tokenizer.ggml.scores") {
        Some(Array::F32(scores)) => scores,
        other => panic!("{other:?}"),
    }
}

#[test]
fn added_tokens_have_their_types() {
    let (file, warnings) = exported(|_, _| {}).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    let types = types(&file);
    // Letters and merges; <|endoftext|>, <|im_start|>, <|im_end|>; <think>, </think>.
    assert!(types[..379].iter().all(|kind| *kind == 1));
    assert_eq!(types[379..384], [3, 3, 3, 4, 4]);
}

#[test]
fn a_new_token_changes_nothing_else() {
    let (file, warnings) = exported(|tokenizer, _| {
        let added = tokenizer["added_tokens"].as_array_mut().unwrap();
        added.push(json!({"id": 378, "content": "<|mine|>", "special": false}));
    })
    .unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!(file.metadata().str("tokenizer.ggml.pre"), Some("qwen2"));
    assert_eq!(file.metadata().strings("tokenizer.ggml.tokens").unwrap()[378], "<|mine|>");
    assert_eq!(types(&file)[378], 3, "it looks special, whatever the file says");
}

#[test]
fn tokens_beyond_the_embedding_are_left_out_with_a_warning() {
    let (file, warnings) = exported(|tokenizer, _| {
        let added = tokenizer["added_tokens"].as_array_mut().unwrap();
        added.push(json!({"id": 384, "content": "<late>", "special": true}));
    })
    .unwrap();
    assert!(warnings[0].starts_with("1 tokens of tokenizer.json lie beyond"), "{warnings:?}");
    assert_eq!(file.metadata().strings("tokenizer.ggml.tokens").unwrap().len(), 384);
}

#[test]
fn an_unknown_pre_tokenizer_gets_the_closest_and_a_warning() {
    let (file, warnings) = exported(|tokenizer, _| {
        tokenizer["pre_tokenizer"] = json!({"type": "Sequence", "pretokenizers": [
            {"type": "Punctuation", "behavior": "Isolated"},
            {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
        ]});
    })
    .unwrap();
    assert_eq!(file.metadata().str("tokenizer.ggml.pre"), Some("gpt-2"));
    assert!(warnings[0].contains("(Punctuation > ByteLevel, use_regex: true)"), "{warnings:?}");
}

/// A tokenizer like Llama 2's.
fn sentence_piece() -> Value {
    json!({
        "added_tokens": [
            {"id": 0, "content": "<unk>", "special": true},
            {"id": 1, "content": "<s>", "special": true},
            {"id": 2, "content": "</s>", "special": true},
        ],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "\u{2581}"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "\u{2581}"},
        ]},
        "pre_tokenizer": null,
        "post_processor": {"type": "TemplateProcessing", "single": [
            {"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
        ]},
        "model": {
            "type": "BPE", "byte_fallback": true, "unk_token": "<unk>",
            "vocab": {"<unk>": 0, "<s>": 1, "</s>": 2, "<0x0A>": 3, "\u{2581}": 4, "a": 5, "b": 6,
                "ab": 7, "\u{2581}ab": 8},
            "merges": [["a", "b"], "\u{2581} ab"],
        },
    })
}

#[test]
fn a_tokenizer_with_bytes_to_fall_back_on_is_sentence_piece() {
    let (file, _) = exported(|tokenizer, dir| {
        *tokenizer = sentence_piece();
        let config = json!({"eos_token": {"content": "</s>"}, "bos_token": "<s>"});
        fs_err::write(dir.join("tokenizer_config.json"), config.to_string()).unwrap();
    })
    .unwrap();
    let metadata = file.metadata();
    assert_eq!(metadata.str("tokenizer.ggml.model"), Some("llama"));
    assert_eq!(metadata.str("tokenizer.ggml.pre"), Some("default"));
    assert_eq!(metadata.bool("tokenizer.ggml.add_space_prefix"), Some(true));
    assert_eq!(metadata.bool("tokenizer.ggml.add_bos_token"), Some(true));
    assert_eq!(metadata.bool("tokenizer.ggml.add_eos_token"), Some(false));
    assert_eq!(metadata.unsigned("tokenizer.ggml.bos_token_id"), Some(1));
    assert_eq!(metadata.unsigned("tokenizer.ggml.eos_token_id"), Some(2));
    assert!(metadata.get("tokenizer.ggml.merges").is_none());
    assert_eq!(types(&file)[..9], [2, 3, 3, 6, 1, 1, 1, 1, 1]);
    assert_eq!(types(&file)[9], 5);
    // Merging by score is merging by rank.
    assert_eq!(scores(&file)[7..9], [0.0, -1.0]);
}

#[test]
fn a_unigram_tokenizer_keeps_its_scores() {
    let (file, _) = exported(|tokenizer, _| {
        *tokenizer = json!({
            "added_tokens": [{"id": 1, "content": "</s>", "special": true}],
            "pre_tokenizer": {"type": "Metaspace", "prepend_scheme": "never"},
            "model": {"type": "Unigram", "unk_id": 0,
                "vocab": [["<unk>", 0.0], ["</s>", 0.0], ["\u{2581}a", -1.5]]},
        });
    })
    .unwrap();
    assert_eq!(file.metadata().str("tokenizer.ggml.model"), Some("t5"));
    assert_eq!(file.metadata().bool("tokenizer.ggml.add_space_prefix"), Some(false));
    assert_eq!(scores(&file)[2], -1.5);
}

#[test]
fn tokens_that_end_answers_are_named_by_their_texts() {
    let (file, warnings) = exported(|tokenizer, dir| {
        let added = tokenizer["added_tokens"].as_array_mut().unwrap();
        added[0]["content"] = json!("<|eom_id|>");
        added[1]["content"] = json!("<|eot_id|>");
        let ids = json!({"eos_token_id": [381, 379, 380, 382]});
        fs_err::write(dir.join("generation_config.json"), ids.to_string()).unwrap();
    })
    .unwrap();
    let id = |key: &str| file.metadata().unsigned(&format!("tokenizer.ggml.{key}_token_id"));
    assert_eq!((id("eos"), id("eot"), id("eom")), (Some(381), Some(380), Some(379)));
    assert!(warnings[0].contains("room for three tokens"), "{warnings:?}");
    assert!(warnings[0].contains("`<think>`"), "{warnings:?}");
}

#[test]
fn templates_are_found_wherever_they_are() {
    let named = json!([
        {"name": "default", "template": "{{ default }}"},
        {"name": "tool_use", "template": "{{ tools }}"},
    ]);
    let (file, warnings) = exported(|_, dir| {
        fs_err::remove_file(dir.join("chat_template.jinja")).unwrap();
        let config = json!({"eos_token": "<|im_end|>", "chat_template": named});
        fs_err::write(dir.join("tokenizer_config.json"), config.to_string()).unwrap();
    })
    .unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    let metadata = file.metadata();
    assert_eq!(metadata.str("tokenizer.chat_template"), Some("{{ default }}"));
    assert_eq!(metadata.str("tokenizer.chat_template.tool_use"), Some("{{ tools }}"));
    assert_eq!(metadata.strings("tokenizer.chat_templates").unwrap(), ["tool_use"]);
    let back = formats::gguf_model::tokenizer_config_json(&file);
    assert_eq!(back["chat_template"], named, "and they come back");
}

#[test]
fn a_model_without_template_or_end_is_written_with_warnings() {
    let (_, warnings) = exported(|_, dir| {
        fs_err::remove_file(dir.join("chat_template.jinja")).unwrap();
        fs_err::remove_file(dir.join("tokenizer_config.json")).unwrap();
        fs_err::remove_file(dir.join("generation_config.json")).unwrap();
        let path = dir.join("config.json");
        let text = fs_err::read_to_string(&path).unwrap();
        fs_err::write(&path, text.replace("\"eos_token_id\": 381", "\"eos_token_id\": null"))
            .unwrap();
    })
    .unwrap();
    assert!(warnings.iter().any(|w| w.contains("no chat template")), "{warnings:?}");
    assert!(warnings.iter().any(|w| w.contains("ends an answer")), "{warnings:?}");
}

#[test]
fn unsound_tokenizers_are_refused_with_sentences() {
    let refused = |edit: &dyn Fn(&mut Value)| match exported(|tokenizer, _| edit(tokenizer)) {
        Ok(_) => panic!("it was taken"),
        Err(error) => error.to_string(),
    };
    assert!(refused(&|t| t["model"]["type"] = json!("WordPiece")).contains("type `WordPiece`"));
    assert!(
        refused(&|t| t["model"]["vocab"] = json!({"a": -1})).contains("must map tokens to ids")
    );
    assert!(refused(&|t| t["model"]["merges"] = json!(["ab"])).contains("must be a list of pairs"));
    assert!(refused(&|t| t["added_tokens"] = json!([{"id": 1}])).contains("`id` and `content`"));
    assert!(refused(&|t| *t = json!([])).contains("type ``"));
}
