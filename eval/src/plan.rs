//! What a run will ask: every problem of the share, every sample, every arm, in an order in which the
//! arms take turns. A job is a number, so that a million of them need no memory.

use crate::key::Topic;
use crate::problems::Problem;
use crate::{Run, Shard, Task};

/// Everything that threads share about what is asked.
pub(crate) struct Plan {
    pub(crate) run: Run,
    pub(crate) task: Task,
    /// All problems of the data.
    pub(crate) problems: Vec<Problem>,
    pub(crate) topics: Vec<Topic>,
    /// The places of those that are asked.
    pub(crate) chosen: Vec<usize>,
    /// The place of the reference arm.
    pub(crate) reference: usize,
}

/// One thing to do: one sample of one problem, by one arm, or by all one after the other where they
/// are compared with each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Job {
    pub(crate) problem: usize,
    pub(crate) index: usize,
    pub(crate) arms: Vec<usize>,
}

impl Plan {
    pub(crate) fn new(run: Run, task: Task, problems: Vec<Problem>, shard: Option<&Shard>) -> Self {
        let topics = problems.iter().map(|problem| Topic::new(&problem.digest, &problem.asked));
        let topics = topics.collect();
        let count = problems.len();
        let chosen = shard.map_or_else(|| (0..count).collect(), |shard| shard.places(count));
        let reference = run.arms.iter().position(|arm| arm.label == run.reference).unwrap_or(0);
        Self { run, task, problems, topics, chosen, reference }
    }

    /// Whether the arms of a sample are compared with the reference arm's.
    pub(crate) fn compares(&self) -> bool {
        match &self.task {
            Task::Generate | Task::Choices { .. } => false,
            Task::Preference { .. } => true,
            Task::Judge(judging) => judging.against.is_none(),
        }
    }

    /// The problems that are asked.
    pub(crate) fn asked(&self) -> impl Iterator<Item = &Problem> {
        self.chosen.iter().map(|&place| &self.problems[place])
    }

    /// How many jobs there are.
    pub(crate) fn jobs(&self) -> usize {
        let each = if self.compares() { 1 } else { self.run.arms.len() };
        self.chosen.len() * self.run.sampling.samples * each
    }

    /// How many samples there will be.
    pub(crate) fn samples(&self) -> usize {
        self.chosen.len() * self.run.sampling.samples * self.run.arms.len()
    }

    /// The job of that number.
    pub(crate) fn job(&self, number: usize) -> Job {
        let arms = self.run.arms.len();
        let (round, arms) = if self.compares() {
            // The reference first: the others are held against its answer.
            let others = (0..arms).filter(|arm| *arm != self.reference);
            (number, std::iter::once(self.reference).chain(others).collect())
        } else {
            (number / arms, vec![number % arms])
        };
        let samples = self.run.sampling.samples;
        Job { problem: self.chosen[round / samples], index: round % samples, arms }
    }
}
