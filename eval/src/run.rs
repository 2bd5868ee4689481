//! The run itself: some threads ask, others grade beside them, and every sample is written as soon as
//! it is graded. What fails for good becomes a line of its own status; what makes the run pointless
//! ends it, with everything before it kept.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rewards::{Grade, Grader};

use crate::ask::{Asker, Reply};
use crate::client::{Interrupt, Trouble};
use crate::judge::Judge;
use crate::key;
use crate::plan::{Job, Plan};
use crate::store::{Before, Store};
use crate::{Arm, Ended, Error, Event, Sample, Status, Task, Usage, grading};

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
    stop: &'r Interrupt,
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
    stop: &Interrupt,
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
    let user_stopped = stop.is_set();
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
            interrupted: user_stopped || stop.is_set(),
        }),
    }
}

impl Run<'_> {
    /// One thread that asks, until there is nothing left or the run ends.
    fn ask_all(&self, send: &SyncSender<Replied>) {
        while !self.stop.is_set() {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.plan.jobs() {
                return;
            }
            let job = self.plan.job(number);
            match self.reply(job) {
                Ok(Some(replied)) => {
                    if send.send(replied).is_err() {
                        return;
                    }
                }
                Ok(None) => {}
                Err(Trouble::Run(reason)) => self.give_up(Error::Server(reason)),
                Err(Trouble::Request(_) | Trouble::Interrupted) => return,
            }
        }
    }

    /// Everything of a job that is missing; `None` where nothing is.
    fn reply(&self, job: Job) -> Result<Option<Replied>, Trouble> {
        let (mut asked, mut rival) = (Vec::new(), self.known_rival(&job));
        for &arm in &job.arms {
            let plan = self.plan;
            let of = &plan.run.arms[arm];
            let (key, seed) = plan.topics[job.problem].key(of, &plan.run.sampling, job.index);
            let is_done = key::bytes(&key).is_some_and(|key| self.before.keys.contains(&key));
            if is_done || self.is_not_given(&job, arm) {
                continue;
            }
            if matches!(rival, Some(Rival::Failed)) {
                let reply = Err("the reference arm has no answer to compare with".to_owned());
                asked.push(Asked { arm, key, seed, reply });
                continue;
            }
            let reply = self.ask(&job, arm, seed)?;
            if plan.compares() && arm == plan.reference {
                rival = Some(reply.clone().map_or(Rival::Failed, Rival::Reply));
            }
            asked.push(Asked { arm, key, seed, reply });
        }
        Ok((!asked.is_empty()).then_some(Replied { job, asked, rival }))
    }

    /// One reply, or why there is none for good.
    fn ask(&self, job: &Job, arm: usize, seed: u64) -> Result<Result<Reply, String>, Trouble> {
        match self.crew.asker.ask(self.plan, job, arm, seed) {
            Ok((reply, generation)) => {
                self.failures_in_a_row.store(0, Ordering::Relaxed);
                same_generation(&self.plan.run.arms[arm], generation.as_deref())?;
                Ok(Ok(reply))
            }
            Err(Trouble::Request(reason)) => {
                let failures = 1 + self.failures_in_a_row.fetch_add(1, Ordering::Relaxed);
                if failures >= MOST_FAILURES.max(self.crew.asker.at_a_time()) {
                    return Err(Trouble::Run(format!(
                        "the last {failures} samples failed, the run ends here: {reason}; run again \
                         with the same arguments to ask for what is missing"
                    )));
                }
                Ok(Err(reason))
            }
            Err(other) => Err(other),
        }
    }

    fn is_not_given(&self, job: &Job, arm: usize) -> bool {
        let problem = &self.plan.problems[job.problem].id;
        match self.crew.asker {
            Asker::Server(_) => false,
            Asker::Given(given) => !given.has(problem, &self.plan.run.arms[arm].label, job.index),
        }
    }

    /// The reference arm's reply of a run before this one.
    fn known_rival(&self, job: &Job) -> Option<Rival> {
        let id = &self.plan.problems[job.problem].id;
        let sample = self.before.rivals.get(&(id.clone(), job.index))?;
        let Status::Graded { completion, finish, usage, grade } = &sample.status else {
            return None;
        };
        Some(Rival::Reply(match &self.plan.task {
            Task::Preference { .. } => Reply::Scores(grading::scores_of(grade)?, *usage),
            _ => Reply::Text(crate::client::Answer {
                text: completion.clone(),
                finish: finish.clone(),
                usage: *usage,
                generation: None,
            }),
        }))
    }

    /// One thread that grades, until no one asks any more.
    fn grade_all(&self, receive: &Mutex<Receiver<Replied>>) {
        loop {
            // The lock is held for waiting too: who waits for it waits for a reply all the same.
            let replied = lock(receive).recv();
            let Ok(replied) = replied else { return };
            // Whatever happens, replies are taken until there are none: askers wait for that.
            let grading = AssertUnwindSafe(|| self.grade_one(replied));
            if std::panic::catch_unwind(grading).is_err() {
                let reason = "a grader panicked; what was graded before is kept";
                self.give_up(Error::Grader(reason.to_owned()));
            }
        }
    }

    /// Grades and keeps what a job's arms replied, where there is still time.
    fn grade_one(&self, Replied { job, asked, rival }: Replied) {
        for asked in asked {
            if self.stop.is_overdue() {
                return;
            }
            if let Some((arm, sample)) = self.sample(&job, asked, rival.as_ref()) {
                self.keep(arm, &sample);
            }
        }
    }

    /// The line of a reply; `None` where grading ended the run.
    fn sample(&self, job: &Job, asked: Asked, rival: Option<&Rival>) -> Option<(usize, Sample)> {
        let Asked { arm, key, seed, reply } = asked;
        let graded = match reply {
            Ok(reply) => match self.grade(job, arm, &reply, rival) {
                Ok(grade) => {
                    // Nothing is asked of a judge for the arm that others are compared with.
                    if !self.plan.compares() || arm != self.plan.reference {
                        self.gradings_failed_in_a_row.store(0, Ordering::Relaxed);
                    }
                    Ok((reply, grade))
                }
                Err(Trouble::Request(reason)) => {
                    self.grading_failed(&reason);
                    Err(reason)
                }
                Err(Trouble::Run(reason)) => {
                    self.give_up(Error::Server(reason));
                    return None;
                }
                Err(Trouble::Interrupted) => return None,
            },
            Err(reason) => Err(reason),
        };
        let status = match graded {
            Ok((reply, grade)) => status(reply, grade),
            Err(reason) => Status::Failed { reason },
        };
        let problem = self.plan.problems[job.problem].id.clone();
        let label = self.plan.run.arms[arm].label.clone();
        Some((arm, Sample { key, problem, arm: label, index: job.index, seed, status }))
    }

    /// Ends the run when nothing can be graded any more.
    fn grading_failed(&self, reason: &str) {
        let failures = 1 + self.gradings_failed_in_a_row.fetch_add(1, Ordering::Relaxed);
        if failures >= MOST_FAILURES.max(self.crew.graders) {
            self.give_up(Error::Grader(format!(
                "the last {failures} gradings failed, the run ends here: {reason}; run again with the \
                 same arguments to grade what is missing"
            )));
        }
    }

    fn grade(
        &self,
        job: &Job,
        arm: usize,
        reply: &Reply,
        rival: Option<&Rival>,
    ) -> Result<Grade, Trouble> {
        let problem = &self.plan.problems[job.problem];
        let rival = match rival {
            Some(Rival::Reply(reply)) if arm != self.plan.reference => Some(reply),
            _ => None,
        };
        match (&self.plan.task, reply, self.crew.grader, self.crew.judge) {
            (Task::Preference { .. }, Reply::Scores(scores, _), _, _) => {
                let reference = match rival {
                    Some(Reply::Scores(scores, _)) => Some(scores.as_slice()),
                    _ => None,
                };
                grading::preference(scores, reference).map_err(Trouble::Request)
            }
            (Task::Judge(judging), Reply::Text(answer), _, Some(judge)) => {
                let rival = match rival {
                    Some(Reply::Text(answer)) => Some(answer.text.as_str()),
                    _ => None,
                };
                judge.grade(judging, problem, &answer.text, rival)
            }
            (Task::Generate | Task::Choices { .. }, reply, Some(grader), _) => {
                grading::grade(grader, problem, reply).map_err(Trouble::Request)
            }
            _ => Err(Trouble::Run("the suite's task has nothing that grades it".to_owned())),
        }
    }

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
            Status::Failed { reason } => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                (None, Some(reason.as_str()), Usage::default())
            }
        };
        (self.watch)(Event::Sample { arm, headline, failed, usage });
    }

    /// Ends the run; the first reason counts.
    fn give_up(&self, error: Error) {
        lock(&self.end).get_or_insert(error);
        self.stop.set();
    }
}

/// An arm that changes under way is another arm.
fn same_generation(arm: &Arm, named: Option<&str>) -> Result<(), Trouble> {
    match (arm.generation.as_deref(), named) {
        (Some(began), Some(now)) if began != now => Err(Trouble::Run(format!(
            "adapter {} was changed on the server while the run was under way (generation {began}, now \
             {now}); choose another folder for the new one",
            arm.model
        ))),
        _ => Ok(()),
    }
}

fn status(reply: Reply, grade: Grade) -> Status {
    match reply {
        Reply::Text(answer) => Status::Graded {
            completion: answer.text,
            finish: answer.finish,
            usage: answer.usage,
            grade,
        },
        Reply::Scores(scores, usage) => {
            let each: Vec<String> = scores
                .iter()
                .map(|score| format!("{:.4} ({} tokens)", score.log_prob, score.tokens))
                .collect();
            let completion = format!("log-probabilities: {}", each.join(", "));
            Status::Graded { completion, finish: "scored".to_owned(), usage, grade }
        }
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
