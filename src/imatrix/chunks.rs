//! A text as token ids, cut into chunks of one length as llama-imatrix cuts it: the file is one stream,
//! what does not fill a chunk is dropped, and a chunk begins with the BOS token where texts do.

use std::path::Path;

use crate::datasets::{DatasetError, Encoder, LossOn, read_records};
use crate::model::{ChatTemplate, Tokenizer, TokenizerError};

use super::{Error, Result};

/// How a text is cut.
#[derive(Clone, Copy, Debug)]
pub struct ChunkOptions {
    /// Tokens of a chunk.
    pub size: usize,
    /// Chunks to take at most.
    pub most: Option<usize>,
}

/// A text in chunks.
#[derive(Clone, Debug)]
pub struct Chunks {
    ids: Vec<u32>,
    size: usize,
    bos: Option<u32>,
}

impl Chunks {
    /// Reads training records where the file's name ends in `.jsonl`, else plain text.
    ///
    /// # Errors
    /// A file that cannot be read or tokenized, or that does not fill one chunk.
    pub fn read(
        path: &Path,
        tokenizer: &Tokenizer,
        template: Option<&ChatTemplate>,
        options: ChunkOptions,
    ) -> Result<Self> {
        let size = options.size.max(1);
        let wanted = options.most.map_or(usize::MAX, |most| most.saturating_mul(size));
        let mut ids = if path.extension().is_some_and(|extension| extension == "jsonl") {
            records(path, Encoder { tokenizer, template, loss_on: LossOn::All }, wanted)?
        } else {
            tokenizer.encode(&fs_err::read_to_string(path)?, true)?
        };
        if ids.len() < size {
            let reason = format!(
                "its {} tokens do not fill one chunk of {size}; give more text or shorter chunks",
                ids.len()
            );
            return Err(Error::Text { path: path.to_owned(), reason });
        }
        ids.truncate(wanted.min(ids.len() - ids.len() % size));
        Ok(Self { ids, size, bos: leading_bos(tokenizer)? })
    }

    /// Number of chunks.
    pub fn count(&self) -> usize {
        self.ids.len() / self.size
    }

    /// Tokens of each chunk.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The chunks' token ids.
    pub fn iter(&self) -> impl Iterator<Item = Vec<u32>> {
        self.ids.chunks_exact(self.size).map(|ids| {
            let mut ids = ids.to_vec();
            ids[0] = self.bos.unwrap_or(ids[0]);
            ids
        })
    }
}

/// The records of a file one after another, as they are trained on, up to the token that fills `wanted`.
fn records(path: &Path, encoder: Encoder, wanted: usize) -> Result<Vec<u32>> {
    let mut ids = Vec::new();
    for read in read_records(path)? {
        let (line, record) = read?;
        let example = encoder.encode(&record);
        let about = |reason| DatasetError::Line { path: path.to_owned(), line, reason };
        ids.extend(example.map_err(about)?.ids);
        if ids.len() >= wanted {
            break;
        }
    }
    Ok(ids)
}

/// The BOS token, where the tokenizer begins every text with it.
fn leading_bos(tokenizer: &Tokenizer) -> Result<Option<u32>, TokenizerError> {
    let first = tokenizer.encode("", true)?.first().copied();
    let bos = tokenizer.special().bos.as_ref().and_then(|token| token.id);
    Ok(bos.filter(|bos| first == Some(*bos)))
}
