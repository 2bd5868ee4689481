//! The tokens that begin, end and fill texts, as GGUF names them: every token that ends an answer
//! becomes one of llama.cpp's end tokens (`eos`, `eot`, `eom`).

use formats::gguf::{Metadata, Value as Gguf};
use formats::{GenerationConfig, ModelConfig};
use serde_json::Value;

use super::tokenizer::TokenizerFiles;
use super::vocabulary::Vocabulary;

/// Ids of special tokens and whether the tokenizer adds them by itself.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Special {
    bos: Option<u32>,
    eos: Option<u32>,
    eot: Option<u32>,
    eom: Option<u32>,
    unknown: Option<u32>,
    padding: Option<u32>,
    adds_bos: bool,
    adds_eos: bool,
}

/// Finds them in `tokenizer_config.json`, the post-processor, `config.json` and
/// `generation_config.json`, in that order.
pub(super) fn find(
    files: &TokenizerFiles,
    config: &ModelConfig,
    generation: Option<&GenerationConfig>,
    vocabulary: &Vocabulary,
    warnings: &mut Vec<String>,
) -> Special {
    let rows = vocabulary.tokens.len();
    let inside = |id: &u32| usize::try_from(*id).is_ok_and(|id| id < rows);
    let named = |key: &str| {
        let entry = &files.config[key];
        let text = entry.as_str().or_else(|| entry["content"].as_str())?;
        vocabulary.id_of(text)
    };
    let (first, last) = template_ends(&files.json["post_processor"]);
    let by_text = |text: Option<&str>| text.and_then(|text| vocabulary.id_of(text));
    let from_generation = |pick: fn(&GenerationConfig) -> Option<u32>| generation.and_then(pick);
    let bos = named("bos_token")
        .or_else(|| by_text(first))
        .or(config.bos_token_id)
        .or_else(|| from_generation(|g| g.bos_token_id))
        .filter(inside);
    let padding = named("pad_token")
        .or(config.pad_token_id)
        .or_else(|| from_generation(|g| g.pad_token_id))
        .filter(inside);
    let own = named("eos_token").or_else(|| by_text(last));
    let mut ends: Vec<u32> = own.into_iter().collect();
    ends.extend(&config.eos_token_ids);
    ends.extend(generation.into_iter().flat_map(|g| &g.eos_token_ids));
    ends.retain(inside);
    let mut special = Special {
        bos,
        padding,
        unknown: named("unk_token").filter(inside),
        adds_bos: first.is_some() || files.config["add_bos_token"] == true,
        adds_eos: last.is_some() || files.config["add_eos_token"] == true,
        ..Special::default()
    };
    special.assign_ends(&ends, vocabulary, warnings);
    special
}

impl Special {
    /// The first end is `eos`; the others go where their texts say, or where there is room.
    fn assign_ends(&mut self, ends: &[u32], vocabulary: &Vocabulary, warnings: &mut Vec<String>) {
        let Some((&eos, others)) = ends.split_first() else {
            warnings.push(
                "neither the tokenizer's nor the model's files name a token that ends an answer \
                 (eos_token): programs that read the file may not know where to stop"
                    .to_owned(),
            );
            return;
        };
        self.eos = Some(eos);
        let text = |id: u32| vocabulary.tokens[id as usize].as_str();
        for &id in others {
            if [self.eos, self.eot, self.eom].contains(&Some(id)) {
                continue;
            }
            let message_end = text(id).contains("eom");
            let slot = match (message_end, self.eot, self.eom) {
                (false, None, _) | (true, None, Some(_)) => &mut self.eot,
                (_, _, None) => &mut self.eom,
                _ => {
                    warnings.push(format!(
                        "GGUF has room for three tokens that end an answer; `{}` is one more and is \
                         left to programs that know it by name",
                        text(id)
                    ));
                    continue;
                }
            };
            *slot = Some(id);
        }
    }

    /// Appends the keys.
    pub(super) fn describe(&self, metadata: &mut Metadata) {
        for (key, id) in [
            ("eos", self.eos),
            ("padding", self.padding),
            ("bos", self.bos),
            ("unknown", self.unknown),
            ("eot", self.eot),
            ("eom", self.eom),
        ] {
            if let Some(id) = id {
                metadata.set(format!("tokenizer.ggml.{key}_token_id"), Gguf::U32(id));
            }
        }
        metadata.set("tokenizer.ggml.add_bos_token", Gguf::Bool(self.adds_bos));
        metadata.set("tokenizer.ggml.add_eos_token", Gguf::Bool(self.adds_eos));
    }
}

/// The tokens that the post-processor puts before and behind a text.
fn template_ends(processor: &Value) -> (Option<&str>, Option<&str>) {
    let list = processor["processors"].as_array();
    let single = std::slice::from_ref(processor);
    let all = list.map_or(single, Vec::as_slice);
    let Some(template) = all.iter().find(|step| step["type"] == "TemplateProcessing") else {
        return (None, None);
    };
    let parts = template["single"].as_array().map_or(&[][..], Vec::as_slice);
    let first = parts.first().and_then(|part| part["SpecialToken"]["id"].as_str());
    let last = parts.get(1..).and_then(<[Value]>::last);
    (first, last.and_then(|part| part["SpecialToken"]["id"].as_str()))
}
