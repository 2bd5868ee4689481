//! A data set in memory: a file of records tokenized, cut and checked.

use std::path::Path;

use rayon::prelude::{IntoParallelRefIterator, ParallelIterator};

use super::encode::Encoded;
use super::{DatasetError, EncodeError, Encoder, Example, Record, Stats, read_records};

/// Lines tokenized at a time.
const CHUNK: usize = 1024;

/// How a data set is loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadOptions {
    /// Longest example in tokens; what is beyond is cut off (TRL's `keep_start`).
    pub max_length: Option<usize>,
    /// Records to read at most.
    pub limit: Option<usize>,
}

/// Tokenized examples and what they came to.
#[derive(Clone, Debug, Default)]
pub struct Dataset {
    /// The examples, in the file's order.
    pub examples: Vec<Example>,
    /// Counts.
    pub stats: Stats,
}

impl Dataset {
    /// Reads, tokenizes and checks a file of records: JSONL, parquet or CSV.
    ///
    /// # Errors
    /// A file or line that cannot be used; a data set of which nothing is trained, or whose texts
    /// never end in a trained EOS or turn end, so that the model would not learn to stop.
    pub fn load(
        path: &Path,
        encoder: &Encoder<'_>,
        options: LoadOptions,
    ) -> Result<Self, DatasetError> {
        let mut dataset = Self::default();
        let mut lines = read_records(path)?.take(options.limit.unwrap_or(usize::MAX));
        loop {
            let chunk = lines.by_ref().take(CHUNK).collect::<Result<Vec<(usize, Record)>, _>>()?;
            if chunk.is_empty() {
                break;
            }
            let encoded: Vec<Result<Encoded, EncodeError>> =
                chunk.par_iter().map(|(_, record)| encoder.encode_noting(record)).collect();
            for ((line, _), encoded) in chunk.iter().zip(encoded) {
                let encoded = encoded.map_err(|reason| DatasetError::Line {
                    path: path.to_owned(),
                    line: *line,
                    reason,
                })?;
                dataset.add(encoded, encoder, options.max_length);
            }
        }
        let checked = dataset.check(options.max_length);
        checked.map_err(|reason| DatasetError::Unusable { path: path.to_owned(), reason })?;
        Ok(dataset)
    }

    /// Cuts one example and keeps it unless nothing of it is trained.
    fn add(&mut self, encoded: Encoded, encoder: &Encoder<'_>, max_length: Option<usize>) {
        let Encoded { mut example, diverged } = encoded;
        let length = example.ids.len();
        self.stats.records += 1;
        self.stats.diverged += usize::from(diverged);
        self.stats.longest = self.stats.longest.max(length);
        if let Some(max_length) = max_length.filter(|max_length| length > *max_length) {
            self.stats.truncated += 1;
            example.ids.truncate(max_length);
            example.labels_mask.truncate(max_length);
        }
        if example.trained_tokens() == 0 {
            self.stats.dropped += 1;
        } else {
            self.stats.keep(&example, encoder.tokenizer);
            self.examples.push(example);
        }
    }

    /// Refuses what would train nothing, or never the end.
    fn check(&self, max_length: Option<usize>) -> Result<(), String> {
        let stats = &self.stats;
        let cut = max_length.map_or(String::new(), |max_length| {
            format!(
                "; {} of {} were cut to {max_length} tokens, the longest has {}, so a larger \
                 maximum length may help",
                stats.truncated, stats.records, stats.longest
            )
        });
        if stats.records == 0 {
            return Err("it holds no records".to_owned());
        }
        if self.examples.is_empty() {
            return Err(format!("no token of its {} records is trained{cut}", stats.records));
        }
        if stats.trained_ends.is_empty() {
            return Err(format!(
                "no trained text ends in the EOS token or the end of a turn, so the model would \
                 not learn to stop{cut}"
            ));
        }
        Ok(())
    }
}
