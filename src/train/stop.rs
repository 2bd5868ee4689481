//! How a run is asked to end before its time. Who asks, and why, is the caller's business.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Asked from any thread; the loop heeds it when the step it is at is done.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<Flags>);

#[derive(Debug, Default)]
struct Flags {
    begun: AtomicBool,
    asked: AtomicBool,
}

impl Stop {
    /// Asks the run to end; whether its steps have begun, so that there is something to wait for.
    pub fn ask(&self) -> bool {
        self.0.asked.store(true, Ordering::SeqCst);
        self.0.begun.load(Ordering::SeqCst)
    }

    /// Whether it was asked to.
    pub fn is_asked(&self) -> bool {
        self.0.asked.load(Ordering::SeqCst)
    }

    /// The first step is about to be made.
    pub(super) fn begin(&self) {
        self.0.begun.store(true, Ordering::SeqCst);
    }
}
