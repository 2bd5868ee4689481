//! Random draws decided by a name.

use splitmix::SplitMix64;

/// An endless stream of draws.
pub(super) struct Stream(SplitMix64);

impl Stream {
    /// The stream of this name.
    pub(super) fn named(name: &str) -> Self {
        Self(SplitMix64::named(0, name))
    }

    /// A draw in [0, 1), of 24 bits.
    pub(super) fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 40) as f64 / f64::from(1 << 24)
    }

    /// A draw from the standard normal distribution (Box and Muller).
    pub(super) fn normal(&mut self) -> f64 {
        let (radius, angle) = (1.0 - self.unit(), self.unit());
        (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    }
}
