//! One ragged forward pass, described: which tokens, at which positions, wearing what.

use super::{Error, KvCache, Result, Wear};
use kernels::SeqRows;

/// The rows of one forward pass. A *row* is one token of one sequence; rows of a sequence are
/// contiguous and in order, sequences follow one another.
pub struct Step<'a> {
    /// Token id of each row.
    pub ids: &'a [u32],
    /// Position of each row within its sequence, from 0.
    pub positions: &'a [u32],
    /// What each row wears.
    pub wear: Wear<'a>,
    /// Where keys and values live.
    pub kv: Kv<'a>,
}

/// Where the keys and values of a [`Step`] live.
pub enum Kv<'a> {
    /// In a paged cache: earlier positions are already there, this step's are added.
    Paged {
        /// The cache of the whole model.
        cache: &'a KvCache,
        /// For each row the slot (`block * BLOCK + offset`) that takes its key and value.
        slots: &'a [u32],
        /// For each sequence its rows, first position and block table.
        seqs: &'a [SeqRows<'a>],
    },
    /// In this step alone: every sequence begins at position 0 and is whole. Differentiable.
    Fresh {
        /// Rows of each sequence, in order; they sum to the number of rows.
        lens: &'a [usize],
    },
}

impl Step<'_> {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.ids.len()
    }

    /// Checks that the parts agree with one another and with a vocabulary.
    ///
    /// # Errors
    /// [`Error::Batch`] with a sentence that names the disagreement.
    pub fn check(&self, vocab_size: usize) -> Result<()> {
        let rows = self.rows();
        let fail = |what: String| Err(Error::Batch(what));
        if rows == 0 {
            return fail("a step needs at least one row".into());
        }
        if self.positions.len() != rows {
            return fail(format!("{rows} ids but {} positions", self.positions.len()));
        }
        if let Some(id) = self.ids.iter().find(|&&id| id as usize >= vocab_size) {
            return fail(format!("token id {id} is outside the vocabulary of {vocab_size}"));
        }
        let covered: usize = match &self.kv {
            Kv::Paged { slots, seqs, .. } => {
                if slots.len() != rows {
                    return fail(format!("{rows} ids but {} cache slots", slots.len()));
                }
                seqs.iter().map(|seq| seq.rows.len()).sum()
            }
            Kv::Fresh { lens } => lens.iter().sum(),
        };
        if covered != rows {
            return fail(format!("sequences cover {covered} rows of {rows}"));
        }
        Ok(())
    }
}
