//! Trying again: after a failure with waits that double, each with jitter, so that many clients do
//! not come back at once; after a refusal when the server says.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use super::http::Attempt;
use super::{Client, LOOK, Trouble};
use crate::Stop;

/// The first wait.
const SHORTEST: Duration = Duration::from_millis(500);
/// The longest.
const LONGEST: Duration = Duration::from_secs(30);

impl Client {
    /// Tries `once` until it is answered, refused, or there is no sense in going on.
    pub(crate) fn tried<T>(&self, mut once: impl FnMut() -> Attempt<T>) -> Result<T, Trouble> {
        let (mut failures, mut refusals, mut waited) = (0, 0, Duration::ZERO);
        loop {
            let permit = self.gate.pass(&self.stop).ok_or(Trouble::Interrupted)?;
            let wait = match once() {
                Attempt::Done(answer) => {
                    permit.answered();
                    return Ok(answer);
                }
                Attempt::Refused(reason) => return Err(Trouble::Request(reason)),
                Attempt::Missing(missing) => return Err(Trouble::Missing(missing)),
                Attempt::Hopeless(reason) => return Err(Trouble::Run(reason)),
                Attempt::Broken(_) if self.stop.is_overdue() => return Err(Trouble::Interrupted),
                Attempt::Broken(reason) => {
                    // A server with too much to do also just drags on or breaks.
                    permit.refused(None);
                    failures += 1;
                    if failures >= self.tries {
                        return Err(Trouble::Request(format!("{reason} (tried {failures} times)")));
                    }
                    backoff(failures)
                }
                Attempt::Busy(after) => {
                    permit.refused(after);
                    refusals += 1;
                    let wait = after.map_or_else(|| backoff(refusals), told);
                    waited += wait;
                    if waited > self.patience {
                        return Err(too_busy(after, self.patience));
                    }
                    wait
                }
            };
            sleep(wait, &self.stop)?;
        }
    }
}

fn too_busy(after: Option<Duration>, patience: Duration) -> Trouble {
    match after.filter(|after| *after > patience) {
        Some(after) => Trouble::Run(format!(
            "the server asks to come back in {} s; run again with the same arguments then",
            after.as_secs()
        )),
        None => Trouble::Request(format!(
            "the server was busy (429) at every try for {} s",
            patience.as_secs()
        )),
    }
}

/// The wait after the nth failure: doubled each time, and between half and all of that.
fn backoff(failures: u32) -> Duration {
    let full = SHORTEST.saturating_mul(1 << (failures - 1).min(16)).min(LONGEST);
    full.mul_f64(0.5 + 0.5 * jitter())
}

/// The wait that a server names, and up to half a second more, so that who was told the same does not come
/// back at once.
fn told(wait: Duration) -> Duration {
    wait.saturating_add(SHORTEST.mul_f64(jitter()))
}

/// From 0 to 1, different at every call: the standard library seeds each hasher at random.
fn jitter() -> f64 {
    (RandomState::new().hash_one(0) >> 11) as f64 / (1_u64 << 53) as f64
}

fn sleep(wait: Duration, stop: &Stop) -> Result<(), Trouble> {
    let end = Instant::now() + wait;
    loop {
        if stop.is_asked() {
            return Err(Trouble::Interrupted);
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(LOOK));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_differ() {
        for (failures, full) in [(1, 0.5), (2, 1.0), (4, 4.0), (10, 30.0), (u32::MAX, 30.0)] {
            for _ in 0..50 {
                let wait = backoff(failures).as_secs_f64();
                assert!((0.5 * full..=full).contains(&wait), "{failures}: {wait}");
            }
        }
        let named = Duration::from_secs(1);
        for wait in (0..50).map(|_| told(named)) {
            assert!((named..=named + SHORTEST).contains(&wait), "{wait:?}");
        }
        let waits: Vec<Duration> = (0..20).map(|_| backoff(5)).collect();
        assert!(waits.iter().any(|wait| *wait != waits[0]), "{waits:?}");
    }
}
