//! Which base to merge onto, where there are two: the quantized one that the adapter was trained on, or
//! the original that was quantized. Both are merged, and each answers held-out data; the lower loss wins.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use export::merge::{BaseChoice, ChosenBase, MergeRequest, merge};
use export::{GgufWeights, Model, TensorInfo};
use formats::whole::{self, DraftRoom, Existing};
use formats::{Dtype, Quantization};
use indicatif::DecimalBytes;

use crate::datasets::{Dataset, Encoder, Example, LoadOptions, LossOn};
use crate::model::{ChatTemplate, Decoder, ModelFiles, Tokenizer, Wear, WeightFormat};
use crate::train::backward::Run;
use crate::train::batch::PackedBatch;
use crate::train::corpus::samples;

/// What an example's labels cost.
struct Cost {
    loss: f64,
    labels: usize,
}

/// The base that may be merged onto instead.
pub(super) struct Original {
    /// Its folder, or its GGUF file.
    pub(super) model: PathBuf,
    /// What to call it.
    pub(super) name: String,
}

/// Measures both merges on `data` and puts the better base into `request`. Neither merge is kept;
/// `output` says where there is room for one.
pub(super) fn choose(
    request: &mut MergeRequest,
    original: Original,
    data: &Path,
    output: &Path,
) -> Result<()> {
    if !is_quantized(&request.model)? {
        bail!(
            "{} is not quantized; --choose-base measures a quantized --model against its --original",
            request.model.display()
        );
    }
    let examples = read(request.tokenizer.as_deref().unwrap_or(&request.model), data)?;
    let other =
        MergeRequest { model: original.model, model_name: original.name, ..request.clone() };
    // On the disk that has to hold the result anyway.
    let room = DraftRoom::beside(output)?;
    let needed = bytes(request)?.max(bytes(&other)?);
    fits(needed, whole::free_space(room.path()), output)?;
    let dequantized = cost(request, &examples, room.path())?;
    let choice = compare(data, &dequantized, &cost(&other, &examples, room.path())?);
    if choice.chosen == ChosenBase::Original {
        *request = other;
    }
    request.choice = Some(choice);
    Ok(())
}

/// The sentence for the user.
pub(super) fn sentence(choice: &BaseChoice) -> String {
    let BaseChoice { dequantized_loss, original_loss, standard_error, .. } = choice;
    let chosen = match choice.chosen {
        ChosenBase::Dequantized => "de-quantized base",
        ChosenBase::Original => "original",
    };
    format!(
        "merged onto the {chosen}: loss {dequantized_loss:.4} on the de-quantized base, \
         {original_loss:.4} on the original ({:+.4} ± {standard_error:.4}, {} examples of {})",
        original_loss - dequantized_loss,
        choice.examples,
        choice.data
    )
}

fn is_quantized(model: &Path) -> Result<bool> {
    Ok(match model.is_file() {
        true => GgufWeights::open(model)?.is_quantized(),
        false => Quantization::read(model)?.is_some(),
    })
}

fn read(model: &Path, data: &Path) -> Result<Vec<Example>> {
    let (tokenizer, template) = if model.is_file() {
        let files = ModelFiles::open(model)?;
        let tokenizer = files.tokenizer()?;
        let template = files.chat_template(&tokenizer)?;
        (tokenizer, template)
    } else {
        (Tokenizer::load(model)?, ChatTemplate::load(model)?)
    };
    let encoder =
        Encoder { tokenizer: &tokenizer, template: template.as_ref(), loss_on: LossOn::Replies };
    Ok(Dataset::load(data, &encoder, LoadOptions::default())?.examples)
}

/// What the weights of a merge take on the disk. An adapter that unties a head adds to it.
fn bytes(request: &MergeRequest) -> Result<u64> {
    let weights = Model::open(&request.model)?.weights;
    let stored = |tensor: &TensorInfo| request.storage.dtype.unwrap_or(tensor.dtype).bits() / 8;
    Ok(weights.tensors().iter().map(|tensor| (tensor.elements() * stored(tensor)) as u64).sum())
}

/// Refuses a trial merge of `needed` bytes where the disk has fewer.
fn fits(needed: u64, free: Option<u64>, output: &Path) -> Result<()> {
    match free {
        Some(free) if needed > free => bail!(
            "a trial merge takes {} beside {}, where {} are free; choose a place with more",
            DecimalBytes(needed),
            output.display(),
            DecimalBytes(free)
        ),
        _ => Ok(()),
    }
}

/// Merges as asked, and what each example costs the merged model.
fn cost(request: &MergeRequest, examples: &[Example], room: &Path) -> Result<Vec<Cost>> {
    let folder = room.join("merged");
    let trial = MergeRequest { existing: Existing::Replace, ..request.clone() };
    let report = merge(&trial, &folder, &|_, _| {})?;
    // What is stored as bf16 is held so too: the values are the same, in half the memory.
    let half = report.dtypes == [Dtype::BF16.name()];
    let format = if half { WeightFormat::Bf16 } else { WeightFormat::F32 };
    let decoder = Decoder::load(&folder, format)?;
    fs_err::remove_dir_all(&folder)?;
    let each = examples.iter().map(|example| {
        let batch = PackedBatch::new(samples(std::slice::from_ref(example)));
        let stats = Run { decoder: &decoder, wear: Wear::Base, batch: &batch }.evaluate()?;
        if !stats.loss.is_finite() {
            bail!("the merge onto {} gives no finite loss", request.model.display());
        }
        Ok(Cost { loss: stats.loss, labels: stats.labels })
    });
    each.collect()
}

/// Losses are means over tokens; the error of their difference is that of a ratio of sums over
/// examples, whose tokens belong together.
fn compare(data: &Path, dequantized: &[Cost], original: &[Cost]) -> BaseChoice {
    let labels: usize = dequantized.iter().map(|cost| cost.labels).sum();
    let mean =
        |costs: &[Cost]| costs.iter().map(|cost| cost.loss).sum::<f64>() / labels.max(1) as f64;
    let (dequantized_loss, original_loss) = (mean(dequantized), mean(original));
    let difference = original_loss - dequantized_loss;
    let residuals = dequantized
        .iter()
        .zip(original)
        .map(|(a, b)| b.loss - a.loss - difference * a.labels as f64);
    let count = dequantized.len() as f64;
    let variance = residuals.map(|r| r * r).sum::<f64>() * count / (count - 1.0).max(1.0);
    BaseChoice {
        data: data.display().to_string(),
        examples: dequantized.len(),
        labels,
        dequantized_loss,
        original_loss,
        standard_error: variance.sqrt() / labels.max(1) as f64,
        chosen: if difference < 0.0 { ChosenBase::Original } else { ChosenBase::Dequantized },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn costs(of: &[(f64, usize)]) -> Vec<Cost> {
        of.iter().map(|&(loss, labels)| Cost { loss, labels }).collect()
    }

    #[test]
    fn a_disk_that_is_too_small_is_refused_before_the_first_trial() {
        let output = Path::new("out");
        fits(15_000_000_000, Some(15_000_000_000), output).unwrap();
        fits(u64::MAX, None, output).unwrap();
        let sentence = fits(15_300_000_000, Some(2_000_000_000), output).unwrap_err().to_string();
        let expected = "a trial merge takes 15.30 GB beside out, where 2.00 GB are free; choose a \
                        place with more";
        assert_eq!(sentence, expected);
        assert!(whole::free_space(&std::env::temp_dir()).is_some());
    }

    #[test]
    fn the_lower_loss_a_token_wins_and_a_tie_goes_to_the_trained_base() {
        let data = Path::new("d.jsonl");
        let quantized = costs(&[(10.0, 10), (60.0, 30)]);
        let better = compare(data, &quantized, &costs(&[(12.0, 10), (48.0, 30)]));
        assert_eq!((better.dequantized_loss, better.original_loss), (1.75, 1.5));
        assert_eq!((better.chosen, better.labels), (ChosenBase::Original, 40));
        // Residuals 2 + 2.5 and -12 + 7.5: ±4.5, doubled by the small sample, over 40 labels.
        assert!(
            (better.standard_error - (2.0 * 2.0 * 4.5_f64.powi(2)).sqrt() / 40.0).abs() < 1e-12
        );
        assert!(sentence(&better).contains("-0.2500 ± 0.2250"), "{}", sentence(&better));
        let same = compare(data, &quantized, &quantized);
        assert_eq!((same.chosen, same.standard_error), (ChosenBase::Dequantized, 0.0));
    }
}
