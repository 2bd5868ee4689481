//! A GGUF file proven in all three ways: its weights, its text, its answers.

use super::composite::composite;
use super::{
    Behaviour, Package, Result, Rounding, Subject, TextProof, TextSide, Verdict, WeightsProof,
    prompts, prove_config, prove_text, prove_weights, record,
};
use crate::model::{AdapterWeights, Decoder, ModelFiles, Tokenizer, WeightFormat};
use export::{GgufWeights, Weights};
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
    let behaviour = run(served.files, adapter, &files, &served.prompts(&ours)?, &ours.stops)?;
    behaviour.hold_to(values.coarsest())?;
    Ok(PackageProof { weights, text, behaviour, warning })
}

/// One model after the other, as they are served: in bf16.
fn run(
    base: &ModelFiles,
    adapter: Option<Arc<AdapterWeights>>,
    package: &ModelFiles,
    prompts: &[Vec<u32>],
    stops: &[u32],
) -> Result<Behaviour> {
    let load = |files: &ModelFiles| Decoder::from_files(files, WeightFormat::Bf16).map(Arc::new);
    let recording = {
        let served = Subject { decoder: load(base)?, adapter };
        record(&served, prompts, (ANSWER, stops))?
    };
    recording.compare(&Subject { decoder: load(package)?, adapter: None })
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
