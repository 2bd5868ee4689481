//! A GGUF file proven in all three ways: its weights, its text, its answers.

use super::behaviour::working_memory;
use super::composite::composite;
use super::{
    Behaviour, Package, Result, Rounding, Subject, TextProof, TextSide, Verdict, WeightsProof,
    prompts, prove_config, prove_text, prove_weights, record,
};
use crate::model::{AdapterWeights, Decoder, ModelFiles, Tokenizer, WeightFormat};
use export::{GgufWeights, Weights};
use formats::ModelConfig;
use formats::gguf::{GgufFile, TensorType};
use kernels::blocks::BlockType;
use std::path::Path;
use std::sync::Arc;

/// Tokens that each prompt is answered with.
const ANSWER: usize = 32;

/// Tokens of a given prompt that are used, at most.
pub const LONGEST_PROMPT: usize = 512;

/// Given prompts that are used, at most.
pub const MOST_PROMPTS: usize = 64;

/// What was served: the model and what it wore.
pub struct Served<'a> {
    /// The base's files.
    pub files: &'a ModelFiles,
    /// The base's values.
    pub weights: &'a dyn Weights,
    /// The adapters, each with its strength.
    pub worn: &'a [(Arc<AdapterWeights>, f32)],
    /// Texts to compare answers on, in place of the built-in conversations.
    pub prompts: &'a [String],
}

/// What was found.
#[derive(Debug, Clone)]
pub struct PackageProof {
    /// Of the weights.
    pub weights: WeightsProof,
    /// Of tokenizer, template and stops.
    pub text: TextProof,
    /// Of the answers.
    pub behaviour: Behaviour,
    /// What the user should know although the package is proven.
    pub warning: Option<String>,
}

/// Proves the GGUF file at `path`. The weights first: they need no model in memory.
///
/// # Errors
/// [`super::Error::Disproven`] with the first thing that is wrong; files that cannot be read.
pub fn prove_gguf(path: &Path, served: &Served) -> Result<PackageProof> {
    let file = Arc::new(GgufFile::open(path)?);
    let values = GgufWeights::of(Arc::clone(&file))?;
    let rounding = |name: &str| rounding(values.kind(name));
    let package = Package { weights: &values, rounding: &rounding };
    let worn: Vec<(&AdapterWeights, f32)> =
        served.worn.iter().map(|(adapter, strength)| (&**adapter, *strength)).collect();
    let weights = prove_weights(&package, served.weights, &worn, served.files.config())?;
    let warning = match weights.verdict() {
        Verdict::Proven => None,
        Verdict::Warning(what) => Some(what),
        Verdict::Disproven(what) => return Err(super::Error::Disproven(what)),
    };
    let files = ModelFiles::of_gguf(file)?;
    prove_config(served.files.config(), files.config())?;
    let (ours, theirs) = (Text::of(served.files)?, Text::of(&files)?);
    let text = prove_text(ours.side(), theirs.side())?;
    let warning = warning.or_else(|| text.early_stops());
    let adapter = composite(served.worn, served.weights, served.files.config())?;
    let worn = (served.files, adapter);
    let behaviour = run(worn, &files, &served.prompts(&ours)?, &ours.stops)?;
    behaviour.hold_to(values.coarsest())?;
    Ok(PackageProof { weights, text, behaviour, warning })
}

/// Bytes that [`prove_gguf`] takes for a model of so many weights: those of one model in bf16, its
/// largest matrix once more while it is loaded, and what running it needs.
pub fn memory(weights: usize, config: &ModelConfig) -> usize {
    let held = weights + config.vocab_size * config.hidden_size;
    held * size_of::<half::bf16>() + working_memory(config, LONGEST_PROMPT + ANSWER)
}

/// One model after the other, as they are served: in bf16. What the first said lies beside the package
/// meanwhile, where there is space for large files.
fn run(
    (base, adapter): (&ModelFiles, Option<Arc<AdapterWeights>>),
    package: &ModelFiles,
    prompts: &[Vec<u32>],
    stops: &[u32],
) -> Result<Behaviour> {
    let load = |files: &ModelFiles| Decoder::from_files(files, WeightFormat::Bf16).map(Arc::new);
    let recording = {
        let served = Subject { decoder: load(base)?, adapter };
        record(&served, prompts, (ANSWER, stops), beside(package.path()))?
    };
    recording.compare(&Subject { decoder: load(package)?, adapter: None })
}

/// The folder that a file lies in.
fn beside(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

impl Served<'_> {
    fn prompts(&self, text: &Text) -> Result<Vec<Vec<u32>>> {
        if self.prompts.is_empty() {
            return prompts(text.side());
        }
        let encode = |prompt: &String| -> Result<Vec<u32>> {
            let mut ids = text.tokenizer.encode(prompt, true)?;
            ids.truncate(LONGEST_PROMPT);
            Ok(ids)
        };
        self.prompts.iter().take(MOST_PROMPTS).map(encode).collect()
    }
}

/// A model's text side, loaded.
struct Text {
    tokenizer: Tokenizer,
    template: Option<crate::model::ChatTemplate>,
    stops: Vec<u32>,
}

impl Text {
    fn of(files: &ModelFiles) -> Result<Self> {
        let tokenizer = files.tokenizer()?;
        let template = files.chat_template(&tokenizer)?;
        let generation = files.generation_config()?.eos_token_ids;
        let eos = tokenizer.special().eos.as_ref().and_then(|token| token.id);
        let stops = files.config().eos_token_ids.iter().copied().chain(generation).chain(eos);
        Ok(Self { stops: stops.collect(), template, tokenizer })
    }

    fn side(&self) -> TextSide<'_> {
        TextSide {
            tokenizer: &self.tokenizer,
            template: self.template.as_ref(),
            stops: &self.stops,
        }
    }
}

/// A tensor that the file lacks will be named as missing; how it would be rounded does not matter.
fn rounding(kind: Option<BlockType>) -> Rounding {
    let kind = kind.and_then(|kind| TensorType::from_id(kind.id()));
    Rounding::of(kind.unwrap_or(TensorType::F32))
}

/// Proves that two models turn the same texts into the same tokens and stop alike.
///
/// # Errors
/// [`super::Error::Disproven`] with the first difference; files that cannot be read.
pub fn prove_same_text(source: &ModelFiles, package: &ModelFiles) -> Result<TextProof> {
    prove_text(Text::of(source)?.side(), Text::of(package)?.side())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_takes_what_was_measured_and_a_little_more() {
        let bundled = Path::new(env!("CARGO_MANIFEST_DIR")).join("checkpoints/initial");
        let config = ModelConfig {
            vocab_size: 151_936,
            hidden_size: 896,
            intermediate_size: 4864,
            num_hidden_layers: 24,
            num_key_value_heads: 2,
            head_dim: 64,
            ..ModelConfig::read(&bundled).unwrap()
        };
        // Of Qwen2.5 with 0.5B weights the largest resident size was 1.30 GB.
        let takes = memory(494_032_768, &config);
        assert!((1_300_000_000..1_450_000_000).contains(&takes), "{takes}");
    }
}
