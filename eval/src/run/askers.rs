//! A thread that asks: job by job, everything that is missing of it, until there is nothing left or the
//! run ends. Leaves out how a question is put (`ask`).

use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;

use super::{Asked, MOST_FAILURES, Replied, Rival, Run};
use crate::ask::{Asker, Reply};
use crate::client::{Missing, Trouble};
use crate::plan::Job;
use crate::{Arm, Error, Status, Task, grading, key};

impl Run<'_> {
    /// One thread that asks, until there is nothing left or the run ends.
    pub(super) fn ask_all(&self, send: &SyncSender<Replied>) {
        while !self.stop.is_asked() {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.plan.jobs() {
                return;
            }
            let job = self.plan.job(number);
            let (replied, end) = self.reply(job);
            if let Some(replied) = replied
                && send.send(replied).is_err()
            {
                return;
            }
            match end {
                Ok(()) => {}
                Err(Trouble::Run(reason) | Trouble::Missing(Missing { reason, .. })) => {
                    self.give_up(Error::Server(reason));
                }
                Err(Trouble::Request(_) | Trouble::Interrupted) => return,
            }
        }
    }

    /// Everything of a job that is missing, as far as it came, and why it came no further; `None` where
    /// nothing is missing.
    fn reply(&self, job: Job) -> (Option<Replied>, Result<(), Trouble>) {
        let (mut asked, mut rival) = (Vec::new(), self.known_rival(&job));
        let mut end = Ok(());
        for &arm in &job.arms {
            let plan = self.plan;
            let of = &plan.run.arms[arm];
            let (key, seed) = plan.topics[job.problem].key(of, &plan.run.sampling, job.index);
            let bytes = key::bytes(&key).unwrap_or_default();
            if self.before.keys.contains(&bytes) || self.is_not_given(&job, arm) {
                continue;
            }
            let is_held_against = plan.compares() && arm != plan.reference;
            if matches!(rival, Some(Rival::Failed)) || (is_held_against && rival.is_none()) {
                let reply = Err("the reference arm has no answer to compare with".to_owned());
                asked.push(Asked { arm, key, seed, reply });
                continue;
            }
            let reply = match self.before.ungraded.get(&bytes) {
                Some(answer) => Ok(Ok(Reply::Text(answer.clone()))),
                None => self.ask(&job, arm, seed),
            };
            let reply = match reply {
                Ok(reply) => reply,
                Err(trouble) => {
                    end = Err(trouble);
                    break;
                }
            };
            if plan.compares() && arm == plan.reference {
                rival = Some(reply.clone().map_or(Rival::Failed, Rival::Reply));
            }
            asked.push(Asked { arm, key, seed, reply });
        }
        ((!asked.is_empty()).then_some(Replied { job, asked, rival }), end)
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
