//! Packing: examples laid end to end without padding, and the rows whose next token is a label.

/// One example: token ids, and for each whether the loss counts it.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// Token ids.
    pub ids: &'a [u32],
    /// Whether the model is trained to produce the token; as long as `ids`.
    pub trained: &'a [bool],
}

/// One micro-batch. Each example keeps to itself: positions restart at 0 and attention does not
/// cross from one to the next.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackedBatch {
    /// Token ids of all examples, end to end.
    pub ids: Vec<u32>,
    /// Position of each token in its example.
    pub positions: Vec<u32>,
    /// Tokens of each example.
    pub lens: Vec<usize>,
    /// Rows whose next token is trained, ascending.
    pub rows: Vec<u32>,
    /// That next token, one a row of `rows`.
    pub targets: Vec<u32>,
}

impl PackedBatch {
    /// Packs examples in order. The first token of an example is never a label: nothing predicts it.
    pub fn new<'a>(samples: impl IntoIterator<Item = Sample<'a>>) -> Self {
        let mut batch = Self::default();
        for sample in samples {
            batch.push(sample);
        }
        batch
    }

    fn push(&mut self, sample: Sample) {
        let start = self.ids.len() as u32;
        for (position, next) in (0u32..).zip(1..sample.ids.len()) {
            if sample.trained[next] {
                self.rows.push(start + position);
                self.targets.push(sample.ids[next]);
            }
        }
        self.positions.extend(0..sample.ids.len() as u32);
        self.ids.extend_from_slice(sample.ids);
        self.lens.push(sample.ids.len());
    }
}

/// How many labels an example has once labels are shifted.
pub fn label_count(trained: &[bool]) -> usize {
    trained.iter().skip(1).filter(|&&t| t).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_shifted_and_never_cross_examples() {
        let first = Sample { ids: &[10, 11, 12], trained: &[true, false, true] };
        let second = Sample { ids: &[20, 21], trained: &[true, true] };
        let batch = PackedBatch::new([first, second]);
        assert_eq!(batch.ids, [10, 11, 12, 20, 21]);
        assert_eq!(batch.positions, [0, 1, 2, 0, 1]);
        assert_eq!(batch.lens, [3, 2]);
        assert_eq!(batch.rows, [1, 3]);
        assert_eq!(batch.targets, [12, 21]);
        assert_eq!(label_count(first.trained) + label_count(second.trained), batch.rows.len());
    }
}
