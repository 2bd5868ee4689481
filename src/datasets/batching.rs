//! The order in which examples are trained, and batches without padding. The order depends on the
//! seed and the epoch alone, so that training goes on from (epoch, batch) as if it had not stopped.

use super::{Example, Rng};

/// Chooses the examples of each batch.
#[derive(Clone, Debug)]
pub struct BatchSampler {
    /// Number of examples.
    pub examples: usize,
    /// Examples in a batch; the last of an epoch may have fewer.
    pub batch_size: usize,
    /// Seed of the order.
    pub seed: u64,
    /// Whether each epoch has its own random order; otherwise the file's.
    pub shuffle: bool,
}

impl BatchSampler {
    /// Batches in an epoch.
    pub fn batches_per_epoch(&self) -> usize {
        self.examples.div_ceil(self.batch_size.max(1))
    }

    /// The examples of one epoch in the order they are trained.
    pub fn order(&self, epoch: u64) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.examples).collect();
        if self.shuffle {
            Rng::new(self.seed, epoch).shuffle(&mut order);
        }
        order
    }

    /// The examples of each batch of an epoch, from batch `first` on.
    pub fn epoch(&self, epoch: u64, first: usize) -> impl Iterator<Item = Vec<usize>> {
        let order = self.order(epoch);
        let size = self.batch_size.max(1);
        (first..self.batches_per_epoch())
            .map(move |batch| order[batch * size..((batch + 1) * size).min(order.len())].to_vec())
    }
}

/// Several examples end to end, without padding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Token ids of all examples, one after the other.
    pub ids: Vec<u32>,
    /// For each token, whether the loss is taken on predicting it from the tokens before it; never
    /// for the first of an example.
    pub labels_mask: Vec<bool>,
    /// Length of each example.
    pub lens: Vec<usize>,
}

impl Batch {
    /// Lays examples end to end.
    pub fn pack<'e>(examples: impl IntoIterator<Item = &'e Example>) -> Self {
        let mut batch = Self::default();
        for example in examples {
            let start = batch.ids.len();
            batch.ids.extend(&example.ids);
            batch.labels_mask.extend(&example.labels_mask);
            batch.lens.push(example.ids.len());
            if let Some(first) = batch.labels_mask.get_mut(start) {
                *first = false;
            }
        }
        batch
    }

    /// The number of tokens that the loss is taken on.
    pub fn trained_tokens(&self) -> usize {
        self.labels_mask.iter().filter(|trained| **trained).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_is_a_permutation_and_resumes_anywhere() {
        let sampler = BatchSampler { examples: 103, batch_size: 8, seed: 7, shuffle: true };
        let batches: Vec<Vec<usize>> = sampler.epoch(3, 0).collect();
        assert_eq!(batches.len(), sampler.batches_per_epoch());
        assert_eq!(batches.last().map(Vec::len), Some(7));
        let mut seen = batches.concat();
        seen.sort_unstable();
        assert_eq!(seen, (0..103).collect::<Vec<_>>());
        assert_eq!(sampler.epoch(3, 5).collect::<Vec<_>>(), batches[5..]);
        assert_ne!(sampler.order(3), sampler.order(4), "every epoch has its own order");
        assert_ne!(sampler.order(3), BatchSampler { seed: 8, ..sampler.clone() }.order(3));
        let plain = BatchSampler { shuffle: false, ..sampler };
        assert_eq!(plain.order(3), (0..103).collect::<Vec<_>>());
    }

    #[test]
    fn packing_masks_the_first_token_of_each_example() {
        let example =
            |ids: &[u32]| Example { ids: ids.to_vec(), labels_mask: vec![true; ids.len()] };
        let batch = Batch::pack(&[example(&[1, 2, 3]), example(&[4, 5])]);
        assert_eq!(batch.ids, [1, 2, 3, 4, 5]);
        assert_eq!(batch.labels_mask, [false, true, true, false, true]);
        assert_eq!(batch.lens, [3, 2]);
        assert_eq!(batch.trained_tokens(), 3);
    }
}
