//! A thread that grades: reply by reply, as they come. Leaves out the graders themselves (`grading`,
//! `judge`).

use std::panic::AssertUnwindSafe;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;

use rewards::Grade;

use super::{Asked, MOST_FAILURES, Replied, Rival, Run, lock};
use crate::ask::Reply;
use crate::client::{Missing, Trouble};
use crate::grading::{self, Against};
use crate::plan::Job;
use crate::{Error, Sample, Status, Task, Usage};

/// Why an answer has no grade when the run ends first.
const NOT_IN_TIME: &str = "the run ended before the answer was graded";

impl Run<'_> {
    /// One thread that grades, until no one asks any more.
    pub(super) fn grade_all(&self, receive: &Mutex<Receiver<Replied>>) {
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

    /// Grades and keeps what a job's arms replied.
    fn grade_one(&self, Replied { job, asked, rival }: Replied) {
        let problem = &self.plan.problems[job.problem].id;
        for Asked { arm, key, seed, reply } in asked {
            let status = match reply {
                Ok(reply) => self.status(&job, arm, reply, rival.as_ref()),
                Err(reason) => Status::Failed { reason },
            };
            let label = self.plan.run.arms[arm].label.clone();
            let sample = Sample {
                key,
                problem: problem.clone(),
                arm: label,
                index: job.index,
                seed,
                status,
            };
            self.keep(arm, &sample);
        }
    }

    /// What becomes of a reply: whatever keeps it from being graded, it was paid for.
    fn status(&self, job: &Job, arm: usize, reply: Reply, rival: Option<&Rival>) -> Status {
        if self.stop.is_overdue() {
            return ungraded(reply, NOT_IN_TIME.to_owned());
        }
        let reason = match self.grade(job, arm, &reply, rival) {
            Ok(grade) => {
                // Nothing is asked of a judge for the arm that others are compared with.
                if !self.plan.compares() || arm != self.plan.reference {
                    self.gradings_failed_in_a_row.store(0, Ordering::Relaxed);
                }
                return graded(reply, grade);
            }
            Err(Trouble::Request(reason)) => {
                self.grading_failed(&reason);
                reason
            }
            Err(Trouble::Run(reason) | Trouble::Missing(Missing { reason, .. })) => {
                self.give_up(Error::Server(reason.clone()));
                reason
            }
            Err(Trouble::Interrupted) => NOT_IN_TIME.to_owned(),
        };
        ungraded(reply, reason)
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
                let against = match rival {
                    Some(Reply::Scores(scores, _)) => Against::Reference(scores),
                    _ if self.plan.run.arms.len() == 1 => Against::Nothing,
                    _ => Against::Itself,
                };
                grading::preference(&problem.truth, scores, against).map_err(Trouble::Request)
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
}

fn graded(reply: Reply, grade: Grade) -> Status {
    let (completion, finish, usage) = written(reply);
    Status::Graded { completion, finish, usage, grade }
}

/// An answer that waits for its grade. Scores are no text that could be graded later: they are asked again.
fn ungraded(reply: Reply, reason: String) -> Status {
    if matches!(reply, Reply::Scores(..)) {
        return Status::Failed { reason };
    }
    let (completion, finish, usage) = written(reply);
    Status::Ungraded { reason, completion, finish, usage }
}

/// What a line says of a reply: the text, why it ended, what it cost.
fn written(reply: Reply) -> (String, String, Usage) {
    match reply {
        Reply::Text(answer) => (answer.text, answer.finish, answer.usage),
        Reply::Scores(scores, usage) => {
            let each: Vec<String> = scores
                .iter()
                .map(|score| format!("{:.4} ({} tokens)", score.log_prob, score.tokens))
                .collect();
            (format!("log-probabilities: {}", each.join(", ")), "scored".to_owned(), usage)
        }
    }
}
