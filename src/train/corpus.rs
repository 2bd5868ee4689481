//! The examples of a run: loaded, split, shown and summed up before the first step.
//!
//! What cannot be trained on (no label anywhere, no end of a turn ever trained) is refused by
//! [`Dataset::load`].

use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::batch::Sample;
use super::error::TrainError;
use super::events::{Event, Report};
use super::random::{Purpose, Stream};
use super::settings::{CommonConfig, expect};
use super::text::Text;
use crate::datasets::{Dataset, Encoder, Example, LoadOptions, preview};

/// Examples to train on and examples held out.
#[derive(Debug, Default)]
pub struct Corpus {
    /// Trained on.
    pub train: Vec<Example>,
    /// Evaluated on.
    pub eval: Vec<Example>,
}

impl Corpus {
    /// Loads and splits the data of a run, and shows its first example with its mask.
    ///
    /// # Errors
    /// When a file cannot be read or trained on.
    pub fn load(config: &CommonConfig, text: &Text, report: Report) -> Result<Self, TrainError> {
        let mut read = |paths: &[PathBuf]| load_files(paths, config, text, report);
        let corpus = Self { train: read(&config.data)?, eval: read(&config.eval_data)? };
        let (fraction, found) = (config.eval_fraction, corpus.train.len());
        let enough = "0 where there is a single example: none can be held out";
        expect(fraction == 0.0 || found > 1, "eval_fraction", fraction, enough)?;
        let corpus = corpus.hold_out(fraction, config.seed);
        if let Some(example) = corpus.train.first() {
            report(Event::Preview(&shown(example, text)?));
        }
        let (train, eval) = (corpus.train.len(), corpus.eval.len());
        report(Event::Notice(&format!("{train} examples to train on, {eval} to evaluate on")));
        Ok(corpus)
    }

    /// Holds `fraction` of the training examples out, chosen by `seed`; at least one when the
    /// fraction is above 0, and never all. Order is kept.
    fn hold_out(mut self, fraction: f64, seed: u64) -> Self {
        if fraction <= 0.0 {
            return self;
        }
        let count = ((self.train.len() as f64 * fraction) as usize).clamp(1, self.train.len() - 1);
        let mut order: Vec<usize> = (0..self.train.len()).collect();
        Stream::new(seed, Purpose::Split, &[]).shuffle(&mut order);
        let mut held = vec![false; self.train.len()];
        order[..count].iter().for_each(|&index| held[index] = true);
        for (example, held) in std::mem::take(&mut self.train).into_iter().zip(held) {
            if held { self.eval.push(example) } else { self.train.push(example) }
        }
        self
    }

    /// SHA-256 over all ids and masks, in hex: what a checkpoint remembers of its data.
    pub fn digest(&self) -> String {
        let mut hasher = Sha256::new();
        for (part, examples) in [&self.train, &self.eval].into_iter().enumerate() {
            for example in examples {
                hasher.update((part as u64).to_le_bytes());
                hasher.update((example.ids.len() as u64).to_le_bytes());
                for (id, &trained) in example.ids.iter().zip(&example.labels_mask) {
                    hasher.update(id.to_le_bytes());
                    hasher.update([u8::from(trained)]);
                }
            }
        }
        hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Examples as batches take them.
pub fn samples(examples: &[Example]) -> Vec<Sample<'_>> {
    examples.iter().map(|e| Sample { ids: &e.ids, trained: &e.labels_mask }).collect()
}

fn load_files(
    paths: &[PathBuf],
    config: &CommonConfig,
    text: &Text,
    report: Report,
) -> Result<Vec<Example>, TrainError> {
    let template = text.template.as_ref();
    let encoder = Encoder { tokenizer: &text.tokenizer, template, loss_on: config.loss_on.into() };
    let options = LoadOptions { max_length: Some(config.max_length), limit: None };
    let mut examples = Vec::new();
    for path in paths {
        let dataset = Dataset::load(path, &encoder, options)?;
        let stats = &dataset.stats;
        report(Event::Notice(&format!(
            "{}: {} records, {} cut to {} tokens, {} left out because nothing in them is trained",
            path.display(),
            stats.records,
            stats.truncated,
            config.max_length,
            stats.dropped
        )));
        if let Some(warning) = stats.divergence() {
            report(Event::Notice(&format!("warning: {}: {warning}", path.display())));
        }
        examples.extend(dataset.examples);
    }
    Ok(examples)
}

/// One example as text, trained stretches between `⟦` and `⟧`.
fn shown(example: &Example, text: &Text) -> Result<String, TrainError> {
    let mut shown = format!(
        "the first example: {} tokens, {} of them trained, between ⟦ and ⟧\n",
        example.ids.len(),
        example.trained_tokens()
    );
    for span in preview(example, &text.tokenizer)? {
        shown += &if span.trained { format!("⟦{}⟧", span.text) } else { span.text };
    }
    Ok(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(ids: &[u32], trained: &[u8]) -> Example {
        Example { ids: ids.to_vec(), labels_mask: trained.iter().map(|&t| t == 1).collect() }
    }

    #[test]
    fn holds_out_a_share_and_loses_nothing() {
        let train: Vec<Example> = (0..20).map(|id| example(&[id, id], &[1, 1])).collect();
        let corpus = Corpus { train, eval: Vec::new() }.hold_out(0.25, 1);
        assert_eq!((corpus.train.len(), corpus.eval.len()), (15, 5));
        let mut ids: Vec<u32> = corpus.train.iter().chain(&corpus.eval).map(|e| e.ids[0]).collect();
        ids.sort_unstable();
        assert_eq!(ids, (0..20).collect::<Vec<_>>());
    }

    #[test]
    fn the_digest_sees_ids_masks_and_the_split() {
        let one = Corpus { train: vec![example(&[1, 2], &[0, 1])], eval: Vec::new() };
        let mask = Corpus { train: vec![example(&[1, 2], &[1, 1])], eval: Vec::new() };
        let split = Corpus { train: Vec::new(), eval: vec![example(&[1, 2], &[0, 1])] };
        assert_ne!(one.digest(), mask.digest());
        assert_ne!(one.digest(), split.digest());
    }
}
