//! Threads that stay awake between the calls of a forward pass, which follow one another within
//! microseconds: waking a sleeping thread each time would cost more than many calls take.
//!
//! One caller at a time leads the team; the others share rayon's threads instead (see
//! `parallel.rs`). Helpers that come late are not waited for.

use std::any::Any;
use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// How long an idle helper looks for work without giving its core away, and then before it sleeps.
const ALERT: Duration = Duration::from_micros(20);
const AWAKE: Duration = Duration::from_micros(200);

/// Work that every member who comes runs, a helper perhaps twice; it shares out its items itself.
type Work<'a> = dyn Fn() + Sync + 'a;

/// In [`Team::state`]: work may be joined. The lower bits count the helpers inside.
const OPEN: usize = 1 << (usize::BITS - 1);

/// The caller and its helpers.
pub(crate) struct Team {
    helpers: OnceLock<Vec<Helper>>,
    leader: Mutex<()>,
    /// Written by the leader while the state is 0, read by helpers that are inside.
    work: UnsafeCell<Option<&'static Work<'static>>>,
    state: AtomicUsize,
    /// Counts calls, so that a helper knows a new one.
    call: AtomicUsize,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

struct Helper {
    thread: Thread,
    asleep: &'static AtomicBool,
}

// SAFETY: `work` is written only by the leader while nobody is inside; helpers read it only between
// entering (acquire) and leaving (release).
unsafe impl Sync for Team {}

static TEAM: Team = Team {
    helpers: OnceLock::new(),
    leader: Mutex::new(()),
    work: UnsafeCell::new(None),
    state: AtomicUsize::new(0),
    call: AtomicUsize::new(0),
    panic: Mutex::new(None),
};

/// Closes the call and waits for the helpers inside, also when the leader's own part panics.
struct Closing;

impl Drop for Closing {
    fn drop(&mut self) {
        TEAM.state.fetch_and(!OPEN, Ordering::AcqRel);
        let start = Instant::now();
        while TEAM.state.load(Ordering::Acquire) != 0 {
            rest(start);
        }
    }
}

/// Runs `work` on the calling thread and, as they come, on the team's `others` or fewer helpers;
/// returns when all that began have ended. `false` when the team is busy: nothing was run.
pub(crate) fn run(others: usize, work: &Work) -> bool {
    let leader = match TEAM.leader.try_lock() {
        Ok(leader) => leader,
        // A leader's panic leaves nothing behind: `Closing` has closed its call.
        Err(TryLockError::Poisoned(leader)) => leader.into_inner(),
        Err(TryLockError::WouldBlock) => return false,
    };
    lock(&TEAM.panic).take();
    let helpers = TEAM.helpers.get_or_init(|| hire(others));
    // SAFETY: the reference outlives its use: `Closing` waits for every helper inside before this
    // function returns or unwinds, and helpers do not keep it. Nobody is inside now.
    unsafe { *TEAM.work.get() = Some(std::mem::transmute::<&Work, &'static Work<'static>>(work)) };
    TEAM.state.store(OPEN, Ordering::Release);
    let closing = Closing;
    TEAM.call.fetch_add(1, Ordering::SeqCst);
    for helper in helpers {
        if helper.asleep.swap(false, Ordering::SeqCst) {
            helper.thread.unpark();
        }
    }
    work();
    drop(closing);
    let panic = lock(&TEAM.panic).take();
    drop(leader);
    if let Some(panic) = panic {
        resume_unwind(panic);
    }
    true
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn hire(count: usize) -> Vec<Helper> {
    let helper = |i| {
        let asleep: &'static AtomicBool = Box::leak(Box::new(AtomicBool::new(false)));
        let name = format!("kernels-{i}");
        let handle = std::thread::Builder::new().name(name).spawn(|| help(asleep)).ok()?;
        Some(Helper { thread: handle.thread().clone(), asleep })
    };
    (0..count).map_while(helper).collect()
}

/// A helper's life: join each call, look for the next one for a while, sleep.
fn help(asleep: &AtomicBool) {
    let mut seen = 0;
    loop {
        let idle = Instant::now();
        while TEAM.call.load(Ordering::SeqCst) == seen {
            if idle.elapsed() < AWAKE {
                rest(idle);
                continue;
            }
            asleep.store(true, Ordering::SeqCst);
            // A call made before the line above is seen here; one made after it unparks.
            while TEAM.call.load(Ordering::SeqCst) == seen && asleep.load(Ordering::SeqCst) {
                std::thread::park();
            }
            asleep.store(false, Ordering::SeqCst);
        }
        seen = TEAM.call.load(Ordering::SeqCst);
        join();
    }
}

/// Takes part in the open call, if there still is one.
fn join() {
    let enter = |state: usize| (state & OPEN != 0).then_some(state + 1);
    if TEAM.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, enter).is_err() {
        return;
    }
    // SAFETY: this helper is inside, so the leader waits and does not write.
    if let Some(work) = unsafe { *TEAM.work.get() }
        && let Err(panic) = catch_unwind(AssertUnwindSafe(work))
    {
        lock(&TEAM.panic).get_or_insert(panic);
    }
    TEAM.state.fetch_sub(1, Ordering::Release);
}

/// Waits a little: in place at first, later letting other threads run.
fn rest(since: Instant) {
    if since.elapsed() < ALERT {
        (0..32).for_each(|_| std::hint::spin_loop());
    } else {
        std::thread::yield_now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Leads the team even when other tests do.
    fn lead(work: &Work) {
        while !run(1, work) {
            std::thread::yield_now();
        }
    }

    #[test]
    fn everyone_who_joins_has_left_when_the_call_returns() {
        for round in 0..2000 {
            let (entered, left) = (AtomicUsize::new(0), AtomicUsize::new(0));
            lead(&|| {
                entered.fetch_add(1, Ordering::SeqCst);
                std::thread::yield_now();
                left.fetch_add(1, Ordering::SeqCst);
            });
            let entered = entered.into_inner();
            assert!(entered > 0, "the caller takes part");
            assert_eq!(entered, left.into_inner());
            if round % 500 == 0 {
                std::thread::sleep(2 * AWAKE);
            }
        }
    }

    #[test]
    fn helpers_do_help() {
        let both = AtomicUsize::new(0);
        let start = Instant::now();
        while both.load(Ordering::SeqCst) < 2 && start.elapsed() < Duration::from_secs(60) {
            both.store(0, Ordering::SeqCst);
            lead(&|| {
                both.fetch_add(1, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(5));
            });
        }
        assert!(both.into_inner() >= 2, "no helper came within a minute");
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_team_lives_on() {
        let caller = std::thread::current().id();
        for on_caller in [true, false] {
            let panicked = AtomicBool::new(false);
            let work = || {
                let here = std::thread::current().id() == caller;
                panicked.fetch_or(here == on_caller, Ordering::SeqCst);
                assert!(here != on_caller, "expected");
                std::thread::sleep(Duration::from_millis(2));
            };
            while !panicked.load(Ordering::SeqCst) {
                let result = catch_unwind(AssertUnwindSafe(|| lead(&work)));
                assert_eq!(result.is_err(), panicked.load(Ordering::SeqCst));
            }
        }
        lead(&|| {});
    }
}
