//! The sampler against a naive one that sorts everything, and against its own distribution.

use super::*;

/// A row of logits that looks like a model's: a few likely tokens and a long tail.
fn row(vocab: usize, seed: u64) -> Vec<f32> {
    (0..vocab as u64).map(|i| (rng::uniform(seed, i) as f32).ln() * -0.8).collect()
}

fn params(change: impl FnOnce(&mut SamplingParams)) -> SamplingParams {
    let mut params = SamplingParams::default();
    change(&mut params);
    params
}

fn input(params: &SamplingParams, seed: u64) -> SampleInput<'_> {
    SampleInput { params, seed, prompt: &[1], output: &[], banned: &[] }
}

/// Probabilities after truncation, by full sorts and the definitions: vLLM's order of filters.
fn naive(logits: &[f32], params: &SamplingParams) -> Vec<f64> {
    let temperature = f64::from(params.temperature);
    let scaled: Vec<f64> = logits.iter().map(|&l| f64::from(l) / temperature).collect();
    let max = scaled.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut weights: Vec<f64> = scaled.iter().map(|l| (l - max).exp()).collect();
    weights.iter_mut().for_each(|w| *w *= f64::from(u8::from(*w >= f64::from(params.min_p))));
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by(|&a, &b| weights[b].total_cmp(&weights[a]).then(a.cmp(&b)));
    if params.top_k > 0 {
        order.iter().skip(params.top_k).for_each(|&id| weights[id] = 0.0);
    }
    let total: f64 = weights.iter().sum();
    let mut sum = 0.0;
    for id in order {
        if sum >= f64::from(params.top_p) * total {
            weights[id] = 0.0;
        }
        sum += weights[id];
    }
    let total: f64 = weights.iter().sum();
    weights.iter().map(|w| w / total).collect()
}

fn variants() -> Vec<SamplingParams> {
    vec![
        params(|p| p.temperature = 0.7),
        params(|p| p.top_k = 5),
        params(|p| p.top_p = 0.6),
        params(|p| p.min_p = 0.2),
        params(|p| {
            p.temperature = 1.3;
            p.top_k = 40;
            p.top_p = 0.9;
            p.min_p = 0.02;
        }),
        params(|p| p.top_p = 0.999),
    ]
}

#[test]
fn truncation_keeps_what_the_definitions_keep() {
    for vocab in [10, 1000, 5000] {
        for (seed, params) in (0..).zip(variants()) {
            let mut logits = row(vocab, seed);
            let expected = naive(&logits, &params);
            let max = logits.iter().copied().fold(f32::MIN, f32::max);
            logits.iter_mut().for_each(|l| *l = (*l - max) / params.temperature);
            let kept: Vec<usize> =
                candidates(&logits, &params).iter().map(|c| c.id as usize).collect();
            let wanted: Vec<usize> = (0..vocab).filter(|&id| expected[id] > 0.0).collect();
            assert_eq!(kept, wanted, "vocabulary {vocab}, {params:?}");
        }
    }
}

/// Pearson's statistic over 20,000 draws stays below its 99.9th percentile
/// (Wilson and Hilferty's approximation).
#[test]
fn draws_follow_the_distribution() {
    const DRAWS: usize = 20_000;
    for (seed, params) in (100..).zip(variants()) {
        let logits = row(12, seed);
        let expected = naive(&logits, &params);
        let mut counts = [0_usize; 12];
        for draw in 0..DRAWS as u64 {
            let id = sample(&mut logits.clone(), &input(&params, draw)).unwrap();
            counts[id as usize] += 1;
        }
        let (mut statistic, mut degrees) = (0.0, -1.0);
        for (count, probability) in counts.iter().zip(&expected) {
            if *probability == 0.0 {
                assert_eq!(*count, 0, "a token outside the truncated set was drawn");
                continue;
            }
            let mean = probability * DRAWS as f64;
            statistic += (*count as f64 - mean).powi(2) / mean;
            degrees += 1.0;
        }
        let spread: f64 = 2.0 / (9.0 * f64::max(degrees, 1.0));
        let limit = f64::max(degrees, 1.0) * (1.0 - spread + 3.09 * spread.sqrt()).powi(3);
        assert!(statistic < limit, "{statistic} >= {limit} for {params:?}");
    }
}

#[test]
fn greedy_takes_the_first_of_the_greatest() {
    let params = params(|p| p.temperature = 0.0);
    assert_eq!(sample(&mut [0.0, 3.0, 3.0, -1.0], &input(&params, 9)), Ok(1));
}

#[test]
fn seed_and_position_alone_decide_the_draw() {
    let params = params(|p| p.temperature = 1.0);
    let logits = row(500, 3);
    let at = |seed, prompt: &[u32], output: &[u32]| {
        let input = SampleInput { params: &params, seed, prompt, output, banned: &[] };
        sample(&mut logits.clone(), &input).unwrap()
    };
    assert_eq!(at(1, &[5, 6], &[7]), at(1, &[8], &[9, 9]));
    assert!((0..20).any(|seed| at(seed, &[5], &[]) != at(seed, &[5, 5], &[])));
    assert!((0..20).any(|seed| at(seed, &[5], &[]) != at(seed + 1, &[5], &[])));
}

/// vLLM's `apply_penalties` and OpenAI's formula, worked by hand.
#[test]
fn penalties_follow_the_published_formulas() {
    let params = params(|p| {
        p.repetition_penalty = 2.0;
        p.frequency_penalty = 0.5;
        p.presence_penalty = 0.25;
    });
    let mut logits = [4.0, -4.0, 4.0, -4.0, 4.0];
    apply_penalties(&mut logits, &params, &[0, 1], &[2, 2, 3]);
    // 0 and 1: prompt only. 2: 4/2 - 2*0.5 - 0.25. 3: -4*2 - 0.5 - 0.25. 4: never seen.
    assert_eq!(logits, [2.0, -8.0, 0.75, -8.75, 4.0]);
}

#[test]
fn bias_and_banned_tokens_change_the_choice() {
    let params = params(|p| {
        p.temperature = 0.0;
        p.logit_bias = vec![(0, -100.0), (2, 5.0)];
    });
    let mut input = input(&params, 0);
    assert_eq!(sample(&mut [9.0, 1.0, 0.0], &input), Ok(2));
    input.banned = &[2];
    assert_eq!(sample(&mut [9.0, 1.0, 0.0], &input), Ok(1));
    input.banned = &[0, 1, 2];
    assert_eq!(sample(&mut [9.0, 1.0, 0.0], &input), Err(SampleError::NothingAllowed));
}

#[test]
fn logits_that_are_not_finite_are_an_error() {
    let params = SamplingParams::default();
    for bad in [f32::NAN, f32::INFINITY] {
        assert_eq!(sample(&mut [0.0, bad], &input(&params, 0)), Err(SampleError::NotFinite));
    }
}
