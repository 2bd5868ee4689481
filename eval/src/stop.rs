//! How a run is asked to end before its time. Who asks, and why, is the caller's business.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// How long what is under way may go on once the end was asked for.
const GRACE: Duration = Duration::from_secs(3);

/// Asked from any thread, and looked at by many.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<OnceLock<Instant>>);

impl Stop {
    /// Asks for the end.
    pub fn ask(&self) {
        self.0.get_or_init(Instant::now);
    }

    /// Whether the end was asked for: nothing new is begun.
    pub fn is_asked(&self) -> bool {
        self.0.get().is_some()
    }

    /// Whether it was asked for so long ago (3 s) that what is under way is left too.
    pub fn is_overdue(&self) -> bool {
        self.0.get().is_some_and(|since| since.elapsed() >= GRACE)
    }
}
