//! How a run is asked to end before its time. Who asks, and why, is the caller's business.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Asked from any thread; the loop heeds it when the step it is at is done.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks the run to end.
    pub fn ask(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it was asked to.
    pub fn asked(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
