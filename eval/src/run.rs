//! The run itself: some threads ask, others grade beside them, and every sample is written as soon as
//! it is graded. What fails for good becomes a line of its own status; what makes the run pointless
//! ends it, with everything before it kept. Leaves out what each thread does (`askers`, `graders`).

mod askers;
mod graders;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rewards::Grader;

use crate::ask::{Asker, Reply};
use crate::judge::Judge;
use crate::plan::{Job, Plan};
use crate::store::{Before, Store};
use crate::{Arm, Ended, Error, Event, Sample, Status, Stop, Usage};

/// Replies that may wait for a grader.
const WAITING: usize = 256;
/// So many failures in a row, and at least as many as there are requests at a time, end a run: the
/// server is gone, or refuses everything.
const MOST_FAILURES: usize = 16;

/// Who does the work.
pub(crate) struct Crew<'c> {
    pub(crate) asker: &'c Asker,
    pub(crate) grader: Option<&'c Grader>,
    pub(crate) judge: Option<&'c Judge>,
    /// Threads that ask.
    pub(crate) askers: usize,
    /// Threads that grade.
    pub(crate) graders: usize,
}

/// A sample on its way from asking to grading.
struct Asked {
    arm: usize,
    key: String,
    seed: u64,
    reply: Result<Reply, String>,
}

/// A job whose arms have replied. `rival` is the reference arm's reply, where it is needed.
struct Replied {
    job: Job,
    asked: Vec<Asked>,
    rival: Option<Rival>,
}

/// What the reference arm said: a text or scores, or that it failed.
#[derive(Clone)]
enum Rival {
    Reply(Reply),
    Failed,
}

struct Run<'r> {
    plan: &'r Plan,
    crew: &'r Crew<'r>,
    before: &'r Before,
    watch: &'r (dyn Fn(Event<'_>) + Sync),
    stop: &'r Stop,
    next: AtomicUsize,
    failures_in_a_row: AtomicUsize,
    gradings_failed_in_a_row: AtomicUsize,
    graded: AtomicUsize,
    failed: AtomicUsize,
    store: Mutex<Store>,
    /// Why the run ended early.
    end: Mutex<Option<Error>>,
}

/// Asks and grades everything that is missing.
pub(crate) fn run(
    plan: &Plan,
    crew: &Crew<'_>,
    (store, before): (Store, &Before),
    watch: &(dyn Fn(Event<'_>) + Sync),
    stop: &Stop,
) -> Result<Ended, Error> {
    let run = Run {
        plan,
        crew,
        before,
        watch,
        stop,
        next: AtomicUsize::new(0),
        failures_in_a_row: AtomicUsize::new(0),
        gradings_failed_in_a_row: AtomicUsize::new(0),
        graded: AtomicUsize::new(0),
        failed: AtomicUsize::new(0),
        store: Mutex::new(store),
        end: Mutex::new(None),
    };
    let user_stopped = stop.is_asked();
    let (send, receive) = sync_channel(WAITING);
    let receive = Mutex::new(receive);
    std::thread::scope(|scope| {
        for _ in 0..crew.graders.max(1) {
            scope.spawn(|| run.grade_all(&receive));
        }
        for _ in 0..crew.askers.clamp(1, plan.jobs().max(1)) {
            let send = send.clone();
            let run = &run;
            scope.spawn(move || run.ask_all(&send));
        }
        drop(send);
    });
    let kept = lock(&run.store).finish();
    let end = lock(&run.end).take();
    match (end, kept) {
        (Some(error), _) | (None, Err(error)) => Err(error),
        (None, Ok(())) => Ok(Ended {
            graded: before.keys.len() + run.graded.into_inner(),
            failed: run.failed.into_inner(),
            total: crew.asker.total(plan),
            interrupted: user_stopped || stop.is_asked(),
        }),
    }
}

impl Run<'_> {
    /// Writes a sample and tells of it.
    fn keep(&self, arm: usize, sample: &Sample) {
        let left_out = self.crew.asker.left_out();
        let mut store = lock(&self.store);
        // The record knows of what is not sent before it has a sample without it.
        let kept = store.note_left_out(&left_out).and_then(|()| store.append(sample));
        drop(store);
        if let Err(error) = kept {
            self.give_up(error);
            return;
        }
        let (headline, failed, usage) = match &sample.status {
            Status::Graded { grade, usage, .. } => {
                self.graded.fetch_add(1, Ordering::Relaxed);
                let name = &self.plan.run.measures[0].name;
                (grade.measures.get(name).copied(), None, *usage)
            }
            Status::Ungraded { reason, .. } | Status::Failed { reason } => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                (None, Some(reason.as_str()), Usage::default())
            }
        };
        (self.watch)(Event::Sample { arm, headline, failed, usage });
    }

    /// Ends the run; the first reason counts.
    fn give_up(&self, error: Error) {
        lock(&self.end).get_or_insert(error);
        self.stop.ask();
    }
}

/// What an arm had before, in the order of the arms.
pub(crate) fn tallies(arms: &[Arm], before: &HashMap<String, (usize, f64)>) -> Vec<(usize, f64)> {
    arms.iter().map(|arm| before.get(&arm.label).copied().unwrap_or_default()).collect()
}

/// A thread that panicked leaves nothing half-done behind these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
