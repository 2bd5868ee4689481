//! How many requests are under way at a time: as many as the server takes. It opens wider with every
//! answer, fast until the server first refuses and by one a round after that, and closes by three
//! tenths at each refusal (additive increase, multiplicative decrease, as TCP does).

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::LOOK;
use crate::Stop;

/// Requests at the start.
const FIRST: f64 = 8.0;
/// What is left of the bound after a refusal.
const CUT: f64 = 0.7;

/// Lets requests through.
pub(crate) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
    cap: f64,
}

struct State {
    /// How many may be under way; a fraction is progress towards the next.
    bound: f64,
    under_way: usize,
    /// Whether the server has refused once: from then on the bound grows slowly.
    found: bool,
    last_cut: Instant,
    closed_until: Instant,
}

/// Leave to have one request under way, until it is dropped.
pub(crate) struct Permit<'g> {
    gate: &'g Gate,
    since: Instant,
}

impl Gate {
    /// A gate for at most `cap` requests.
    pub(crate) fn new(cap: usize) -> Self {
        let now = Instant::now();
        let cap = cap.max(1) as f64;
        let state = State {
            bound: FIRST.min(cap),
            under_way: 0,
            found: false,
            last_cut: now,
            closed_until: now,
        };
        Self { state: Mutex::new(state), changed: Condvar::new(), cap }
    }

    /// Waits for leave; `None` when everything shall stop.
    pub(crate) fn pass(&self, stop: &Stop) -> Option<Permit<'_>> {
        let mut state = self.lock();
        loop {
            if stop.is_asked() {
                return None;
            }
            let now = Instant::now();
            if now >= state.closed_until && (state.under_way as f64) < state.bound.floor() {
                state.under_way += 1;
                return Some(Permit { gate: self, since: now });
            }
            let waited = self.changed.wait_timeout(state, LOOK);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Most that may ever be under way.
    pub(crate) fn cap(&self) -> usize {
        self.cap as usize
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit<'_> {
    /// The server answered.
    pub(crate) fn answered(self) {
        let mut state = self.gate.lock();
        state.bound += if state.found { 1.0 / state.bound } else { 1.0 };
        state.bound = state.bound.min(self.gate.cap);
    }

    /// The server had too much to do; it may have said for how long. Requests that were sent before
    /// the last cut say nothing new.
    pub(crate) fn refused(self, after: Option<Duration>) {
        let mut state = self.gate.lock();
        let now = Instant::now();
        if let Some(until) = after.and_then(|after| now.checked_add(after)) {
            state.closed_until = state.closed_until.max(until);
        }
        if self.since >= state.last_cut {
            state.bound = (state.bound.min(state.under_way as f64) * CUT).max(1.0);
            state.found = true;
            state.last_cut = now;
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.gate.lock().under_way -= 1;
        self.gate.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(gate: &Gate) -> Permit<'_> {
        gate.pass(&Stop::default()).unwrap()
    }

    fn bound(gate: &Gate) -> usize {
        gate.lock().bound as usize
    }

    #[test]
    fn it_opens_up_to_its_cap() {
        let gate = Gate::new(20);
        assert_eq!(bound(&gate), 8);
        for _ in 0..100 {
            pass(&gate).answered();
        }
        assert_eq!(bound(&gate), 20);
        assert_eq!(bound(&Gate::new(3)), 3);
    }

    #[test]
    fn a_burst_of_refusals_is_one_cut_and_growth_is_slow_after_it() {
        let gate = Gate::new(100);
        let burst: Vec<Permit<'_>> = (0..8).map(|_| pass(&gate)).collect();
        for permit in burst {
            permit.refused(None);
        }
        assert_eq!(bound(&gate), 5, "8 x 0.7, once");
        for _ in 0..5 {
            pass(&gate).answered();
        }
        assert_eq!(bound(&gate), 6, "one more after a round of answers");
        for _ in 0..50 {
            pass(&gate).refused(None);
        }
        assert_eq!(bound(&gate), 1, "one request is always tried");
    }

    #[test]
    fn a_server_that_names_a_time_is_left_alone_until_then() {
        let gate = Gate::new(4);
        let before = Instant::now();
        pass(&gate).refused(Some(Duration::from_millis(300)));
        drop(pass(&gate));
        assert!(before.elapsed() >= Duration::from_millis(300));
    }

    #[test]
    fn who_waits_can_be_stopped() {
        let gate = Gate::new(1);
        let _taken = pass(&gate);
        let stop = Stop::default();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| gate.pass(&stop).is_none());
            stop.ask();
            assert!(waiting.join().unwrap());
        });
    }
}
