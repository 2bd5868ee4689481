//! Log-probabilities of the true distribution: log-softmax of the model's raw logits, before
//! bias, penalties, temperature and truncation. The sum is the kernel's that training uses too, so
//! both find the same bits.

/// How probable the model found one token, and which ones it found most probable.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenLogprob {
    /// The token.
    pub id: u32,
    /// Its natural log-probability.
    pub logprob: f32,
    /// The most probable tokens and their log-probabilities, best first, lower id first among
    /// equals.
    pub top: Vec<(u32, f32)>,
}

/// The log-probability of `id` under `logits` `[vocabulary]`, with the `num_top` best.
/// `id` must lie in the vocabulary.
pub fn token_logprob(logits: &[f32], id: u32, num_top: usize) -> TokenLogprob {
    let log_sum_exp = kernels::log_softmax_stats(logits).log_sum_exp;
    let top = most_probable(logits, num_top);
    TokenLogprob {
        id,
        logprob: logits[id as usize] - log_sum_exp,
        top: top.into_iter().map(|(id, logit)| (id, logit - log_sum_exp)).collect(),
    }
}

/// The `count` greatest logits, in one pass that keeps a short sorted list.
fn most_probable(logits: &[f32], count: usize) -> Vec<(u32, f32)> {
    let mut best: Vec<(u32, f32)> = Vec::with_capacity(count + 1);
    for (id, &logit) in (0..).zip(logits) {
        if best.len() == count && best.last().is_none_or(|(_, worst)| logit <= *worst) {
            continue;
        }
        let place = best.partition_point(|(_, better)| *better >= logit);
        best.insert(place, (id, logit));
        best.truncate(count);
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_log_softmax_in_double_precision() {
        let logits: Vec<f32> = (0..3000).map(|i| ((i * 37 % 101) as f32 - 50.0) / 7.0).collect();
        let total: f64 = logits.iter().map(|&logit| f64::from(logit).exp()).sum();
        for id in [0_u32, 17, 2999] {
            let expected = f64::from(logits[id as usize]) - total.ln();
            let found = token_logprob(&logits, id, 0);
            assert!((f64::from(found.logprob) - expected).abs() < 2e-6);
            assert!(found.top.is_empty());
        }
    }

    #[test]
    fn top_is_sorted_and_breaks_ties_by_id() {
        let found = token_logprob(&[1.0, 3.0, 2.0, 3.0, 0.0], 4, 3);
        assert_eq!(found.top.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [1, 3, 2]);
        assert_eq!(found.top[0].1, found.top[1].1);
        assert!(found.logprob < found.top[2].1);
        assert_eq!(token_logprob(&[0.0, 1.0], 0, 5).top.len(), 2);
    }
}
