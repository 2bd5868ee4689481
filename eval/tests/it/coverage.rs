//! Simulated evaluations whose truth is known: 95 % intervals hold it about 95 times of 100, tests
//! reject what is equal about 5 times, and the minimum detectable effect is detected 8 times of 10.
//! Seeded, so a run is as good as any other.

use eval::statistics::{
    Draws, Interval, against_half, mean, minimum_detectable_effect, paired, pass_at_k,
    preference_rate,
};

/// Simulated evaluations of each kind: the noise of a share of them is below a point.
const TRIALS: u64 = 1_000;

const DRAWS: Draws = Draws { seed: 11, replicates: 1_000 };

/// A generator for the simulations alone (a multiplicative congruential one, high bits taken).
struct Noise(u128);

impl Noise {
    fn new(seed: u64) -> Self {
        // Neighbouring seeds are spread first: the generator alone would keep them in step.
        let seed = (seed ^ seed << 23).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let seed = (seed ^ seed >> 29).wrapping_mul(0x94d0_49bb_1331_11eb) ^ seed >> 32;
        Self((u128::from(seed) << 64 | 0x5851_f42d_4c95_7f2d) | 1)
    }

    /// Uniform from 0 to 1.
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645);
        (self.0 >> 75) as f64 / (1u64 << 53) as f64
    }

    fn hit(&mut self, chance: f64) -> bool {
        self.share() < chance
    }

    fn hits(&mut self, samples: usize, chance: f64) -> usize {
        (0..samples).filter(|_| self.hit(chance)).count()
    }
}

/// A problem's chance to be solved: many are never solved, some nearly always.
fn talent(noise: &mut Noise) -> f64 {
    let share = noise.share();
    share * share * share
}

/// The mean of `of(t)` over talents.
fn over_talents(of: impl Fn(f64) -> f64) -> f64 {
    let steps = 200_000;
    let at = |step: usize| ((step as f64 + 0.5) / f64::from(steps as u32)).powi(3);
    (0..steps).map(|step| of(at(step))).sum::<f64>() / steps as f64
}

fn covered(truth: f64, interval: Option<Interval>) -> bool {
    interval.is_some_and(|interval| interval.low <= truth && truth <= interval.high)
}

/// The share of trials for which `holds`.
fn share(holds: impl Fn(&mut Noise) -> bool) -> f64 {
    let of = |trial: u64| holds(&mut Noise::new(trial * 2 + 1));
    (0..TRIALS).filter(|&trial| of(trial)).count() as f64 / TRIALS as f64
}

#[track_caller]
fn within(found: f64, low: f64, high: f64) {
    println!("{found}, expected {low} to {high}, at {}", std::panic::Location::caller());
    assert!((low..=high).contains(&found), "{found} is not within {low} to {high}");
}

#[test]
fn pass_at_1_with_several_samples() {
    let truth = over_talents(|t| t);
    for (problems, low) in [(20, 0.92), (50, 0.93), (200, 0.935)] {
        within(
            share(|noise| {
                let one = |noise: &mut Noise| {
                    let talent = talent(noise);
                    noise.hits(5, talent) as f64 / 5.0
                };
                let values: Vec<f64> = (0..problems).map(|_| one(noise)).collect();
                covered(truth, mean(&values, true, DRAWS).1)
            }),
            low,
            0.975,
        );
    }
}

#[test]
fn pass_at_5_of_10_samples() {
    let truth = over_talents(|t| 1.0 - (1.0 - t).powi(5));
    within(
        share(|noise| {
            let one = |noise: &mut Noise| {
                let talent = talent(noise);
                pass_at_k(10, noise.hits(10, talent), 5).unwrap()
            };
            let values: Vec<f64> = (0..100).map(|_| one(noise)).collect();
            covered(truth, mean(&values, true, DRAWS).1)
        }),
        0.93,
        0.97,
    );
}

#[test]
fn one_sample_a_problem() {
    let truth = over_talents(|t| t);
    for problems in [15, 40, 150] {
        within(
            share(|noise| {
                let one = |noise: &mut Noise| {
                    let talent = talent(noise);
                    f64::from(noise.hit(talent))
                };
                let values: Vec<f64> = (0..problems).map(|_| one(noise)).collect();
                covered(truth, mean(&values, true, DRAWS).1)
            }),
            0.93,
            0.975,
        );
    }
}

#[test]
fn a_skewed_score() {
    // A squared exponential number has mean 2 and a long tail: the hardest case here, told with a
    // wider bound.
    within(
        share(|noise| {
            let values: Vec<f64> = (0..100).map(|_| (1.0 - noise.share()).ln().powi(2)).collect();
            covered(2.0, mean(&values, false, DRAWS).1)
        }),
        0.88,
        0.97,
    );
}

/// Two arms on the same problems, `samples` each; the second solves a problem `gain` times the share
/// that the first leaves unsolved more often.
fn pairs(noise: &mut Noise, problems: usize, samples: usize, gain: f64) -> Vec<(f64, f64)> {
    let one = |noise: &mut Noise| {
        let talent = talent(noise);
        let better = talent + gain * (1.0 - talent);
        let [arm, reference] = [better, talent].map(|chance| noise.hits(samples, chance) as f64);
        (arm / samples as f64, reference / samples as f64)
    };
    (0..problems).map(|_| one(noise)).collect()
}

#[test]
fn differences_of_paired_arms() {
    let gain = 0.08;
    let truth = gain * (1.0 - over_talents(|t| t));
    for (problems, samples, low) in
        [(30, 5, 0.92), (100, 1, 0.925), (100, 5, 0.93), (300, 1, 0.935)]
    {
        within(
            share(|noise| {
                let pairs = pairs(noise, problems, samples, gain);
                covered(truth, paired(&pairs, true, DRAWS).unwrap().interval)
            }),
            low,
            0.975,
        );
    }
}

#[test]
fn tests_of_equal_arms_reject_one_time_in_twenty() {
    for samples in [1, 5] {
        within(
            share(|noise| paired(&pairs(noise, 80, samples, 0.0), true, DRAWS).unwrap().p < 0.05),
            0.015,
            0.065,
        );
    }
}

#[test]
fn the_minimum_detectable_effect_is_detected_four_times_of_five() {
    // Single verdicts that differ on a tenth of 400 problems.
    let (problems, discordance) = (400, 0.1);
    let effect = minimum_detectable_effect(discordance, problems).unwrap();
    let win = (discordance + effect) / 2.0;
    let detected = share(|noise| {
        let one = |noise: &mut Noise| match noise.share() {
            u if u < win => (1.0, 0.0),
            u if u < discordance => (0.0, 1.0),
            _ => (1.0, 1.0),
        };
        let pairs: Vec<(f64, f64)> = (0..problems).map(|_| one(noise)).collect();
        let interval = paired(&pairs, true, DRAWS).unwrap().interval;
        interval.is_some_and(|interval| interval.low > 0.0)
    });
    within(detected, 0.77, 0.84);
}

/// One preference: a tie, or won with a chance so that the rate is `rate`.
fn preference(noise: &mut Noise, rate: f64, ties: f64) -> f64 {
    if noise.hit(ties) {
        return 0.5;
    }
    f64::from(u8::from(noise.hit(0.5 + (rate - 0.5) / (1.0 - ties))))
}

#[test]
fn preferences_with_and_without_ties() {
    for (ties, problems, power) in [(0.0, 40, 0.65), (0.3, 40, 0.62), (0.3, 200, 0.74)] {
        let drawn = |noise: &mut Noise, rate: f64| -> Vec<f64> {
            (0..problems).map(|_| preference(noise, rate, ties)).collect()
        };
        let interval = |noise: &mut Noise| preference_rate(&drawn(noise, 0.6), true, DRAWS).1;
        within(share(|noise| covered(0.6, interval(noise))), 0.93, 1.0);
        let p = |noise: &mut Noise, rate| against_half(&drawn(noise, rate), true, DRAWS).unwrap().p;
        within(share(|noise| p(noise, 0.5) < 0.05), 0.01, 0.06);
        let effect = minimum_detectable_effect(0.25 * (1.0 - ties), problems).unwrap();
        // An exact test of few problems keeps well below its level, and finds less for it.
        within(share(|noise| p(noise, 0.5 + effect) < 0.05), power, 0.86);
    }
}
