//! A model folder: its configuration, whether the tensors are those it asks for, tokenizer and chat
//! template. Nothing is run.

use super::findings::Findings;
use super::tensors;
use crate::cli::loading;
use crate::model::{
    ChatTemplate, ModelFiles, TemplateError, Tokenizer, TokenizerError, expected_tensors,
};
use formats::{Checkpoint, Dtype, GenerationConfig, ModelConfig, TensorView};
use serde_json::{Map, json};
use std::path::Path;

pub(super) fn inspect(dir: &Path) -> Findings {
    let mut findings = Findings::new("a model folder");
    let config = findings.check(ModelConfig::read(dir));
    if let Some(config) = &config {
        describe(config, &mut findings);
    }
    if let Some(checkpoint) = findings.check(Checkpoint::open(dir)) {
        weights(&checkpoint, config.as_ref(), &mut findings);
    }
    if let (Some(_), Ok(files)) = (&config, ModelFiles::open(dir)) {
        unused(&files, &mut findings);
    }
    if let Some(generation) = findings.check(GenerationConfig::read(dir)).flatten() {
        findings.fact("generation_eos_token_ids", json!(generation.eos_token_ids));
        if let Some(config) = &config {
            let unknown = |id: &&u32| !config.eos_token_ids.contains(id);
            let ids = generation.eos_token_ids.iter().filter(unknown);
            beyond_vocabulary(ids, config, &mut findings);
        }
    }
    tokenizer(Tokenizer::load(dir), config.as_ref(), &mut findings);
    template(ChatTemplate::load(dir), &mut findings);
    findings
}

pub(super) fn describe(config: &ModelConfig, findings: &mut Findings) {
    let ModelConfig { num_attention_heads: heads, num_key_value_heads: kv_heads, .. } = config;
    findings.fact("architecture", config.architecture.class_name());
    findings.fact("layers", config.num_hidden_layers);
    findings.fact("hidden_size", config.hidden_size);
    findings.fact("intermediate_size", config.intermediate_size);
    let shown = format!("{heads} ({kv_heads} for keys and values) of {}", config.head_dim);
    let value = json!({"query": heads, "key_value": kv_heads, "head_dim": config.head_dim});
    findings.fact_as("heads", value, shown);
    findings.fact("vocab_size", config.vocab_size);
    findings.fact("context_tokens", config.max_position_embeddings);
    let rope = format!("theta {}, scaling {:?}", config.rope.theta, config.rope.scaling);
    findings.fact("rope", rope);
    findings.fact("tied_head", config.tie_word_embeddings);
    findings.fact("eos_token_ids", json!(config.eos_token_ids));
    let special = config.eos_token_ids.iter().chain(&config.bos_token_id);
    beyond_vocabulary(special, config, findings);
}

fn beyond_vocabulary<'a>(
    special: impl Iterator<Item = &'a u32>,
    config: &ModelConfig,
    findings: &mut Findings,
) {
    for id in special.filter(|id| **id as usize >= config.vocab_size) {
        findings.problem(format!(
            "it names the special token {id}, but the vocabulary ends at {}",
            config.vocab_size
        ));
    }
}

/// The tensors themselves, and whether they are those that the configuration asks for.
fn weights(checkpoint: &Checkpoint, config: Option<&ModelConfig>, findings: &mut Findings) {
    let views: Vec<TensorView> =
        checkpoint.names().filter_map(|name| checkpoint.get(name)).collect();
    findings.fact("files", checkpoint.files().len());
    tensors::totals(&views, findings);
    if let Some(config) = config {
        let expected = expected_tensors(config);
        let wrong = expected.iter().filter_map(|(name, shape)| {
            checkpoint.require(name, shape).and_then(expect_float).err().map(|e| e.to_string())
        });
        tensors::several(wrong.collect(), "tensors are missing or wrong", findings);
    }
    tensors::finite(&views, findings);
}

fn expect_float(view: TensorView) -> formats::Result<()> {
    if matches!(view.dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16) {
        return Ok(());
    }
    let (path, name) = (view.path.to_owned(), view.name.to_owned());
    Err(formats::Error::WrongDtype { path, name, found: view.dtype })
}

/// What would be left out: a layer is a fault, another tensor may surprise.
pub(super) fn unused(files: &ModelFiles, findings: &mut Findings) {
    let Some(unused) = findings.check(files.unused()) else { return };
    if let Some(sentence) = loading::unused(&unused) {
        findings.note(sentence);
    }
}

/// The tokenizer must not have more tokens than the model.
pub(super) fn tokenizer(
    loaded: Result<Tokenizer, TokenizerError>,
    config: Option<&ModelConfig>,
    findings: &mut Findings,
) {
    findings.fact("tokenizer", loaded.is_ok());
    let Some(tokenizer) = findings.check(loaded) else { return };
    let tokens = tokenizer.vocab_size();
    findings.fact("tokenizer_tokens", tokens);
    let Some(config) = config else { return };
    if tokens > config.vocab_size {
        findings.problem(format!(
            "the tokenizer has {tokens} tokens but the model's vocabulary only {}; they belong to \
             different models",
            config.vocab_size
        ));
    }
}

/// The template must render the plainest conversation.
pub(super) fn template(
    loaded: Result<Option<ChatTemplate>, TemplateError>,
    findings: &mut Findings,
) {
    findings.fact("chat_template", matches!(&loaded, Ok(Some(_))));
    match findings.check(loaded) {
        Some(Some(template)) => {
            let messages = json!([{"role": "user", "content": "Hello"}]);
            findings.check(template.render(&messages, None, true, &Map::new()));
        }
        Some(None) => {
            findings.note("it has no chat template, so it completes text but cannot chat")
        }
        None => {}
    }
}
