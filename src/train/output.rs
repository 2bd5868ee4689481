//! What lies beside the weights in a result: tokenizer files and a README card.

use std::path::Path;

use formats::peft::AdapterConfig;
use formats::whole;

use super::error::TrainError;

/// Files that make text and tokens of a model folder; copied where the base has them.
pub const TOKENIZER_FILES: [&str; 8] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "chat_template.json",
];

/// Writes files that are held in memory.
///
/// # Errors
/// When a file cannot be written.
pub fn write_files(dir: &Path, files: &[(String, Vec<u8>)]) -> Result<(), TrainError> {
    for (name, contents) in files {
        whole::write_file(&dir.join(name), contents)?;
    }
    Ok(())
}

/// Writes the README card of an adapter, in the Hub's form.
///
/// # Errors
/// When the file cannot be written.
pub fn write_adapter_card(
    dir: &Path,
    base: &str,
    config: &AdapterConfig,
) -> Result<(), TrainError> {
    let (rank, alpha, dropout) = (config.rank, config.alpha, config.dropout);
    let text = format!(
        "---\nbase_model: {base}\nlibrary_name: peft\npipeline_tag: text-generation\ntags:\n\
         - lora\n- sft\n- wardrobe\n---\n\n# LoRA adapter\n\nTrained on `{base}` with \
         `wardrobe train sft`: rank {rank}, alpha {alpha}, dropout {dropout}.\n"
    );
    Ok(whole::write_file(&dir.join("README.md"), text.as_bytes())?)
}

/// Writes the README card of a base model.
///
/// # Errors
/// When the file cannot be written.
pub fn write_base_card(dir: &Path, facts: &str) -> Result<(), TrainError> {
    let text = format!(
        "---\nlibrary_name: transformers\npipeline_tag: text-generation\ntags:\n- wardrobe\n---\n\n\
         # Base model\n\nTrained from scratch with `wardrobe train pretrain`.\n\n{facts}\n"
    );
    Ok(whole::write_file(&dir.join("README.md"), text.as_bytes())?)
}
