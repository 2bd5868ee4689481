//! Getting what is graded: a text drawn from a server, log-probabilities of given texts, or answers
//! that someone else has made.

use rewards::Reference;

use crate::client::{Answer, Client, Draw, Manner, Scored, Trouble};
use crate::given::Given;
use crate::plan::{Job, Plan};
use crate::problems::{Problem, Truth};
use crate::{Task, Usage};

/// Where answers come from.
pub(crate) enum Asker {
    /// A server.
    Server(Client),
    /// A file.
    Given(Given),
}

/// What an arm replied.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reply {
    /// A text.
    Text(Answer),
    /// The log-probabilities of the task's continuations, in its order.
    Scores(Vec<Scored>, Usage),
}

impl Asker {
    /// How many threads may ask.
    pub(crate) fn at_a_time(&self) -> usize {
        match self {
            Self::Server(client) => client.at_a_time(),
            Self::Given(_) => 1,
        }
    }

    /// Leaves fields of these names out of every request, as the run did before.
    pub(crate) fn leave_out(&self, names: &[String]) {
        if let Self::Server(client) = self {
            client.learn(Manner::without(names));
        }
    }

    /// The fields that the server was found to refuse by name, and that are not sent.
    pub(crate) fn left_out(&self) -> Vec<&'static str> {
        match self {
            Self::Server(client) => client.manner().left_out(),
            Self::Given(_) => Vec::new(),
        }
    }

    /// How many samples there will be.
    pub(crate) fn total(&self, plan: &Plan) -> usize {
        match self {
            Self::Server(_) => plan.samples(),
            Self::Given(given) => plan.asked().map(|problem| given.count(&problem.id)).sum(),
        }
    }

    /// Lets `arm` answer a job's problem; also gives the generation that the server named.
    pub(crate) fn ask(
        &self,
        plan: &Plan,
        job: &Job,
        arm: usize,
        seed: u64,
    ) -> Result<(Reply, Option<String>), Trouble> {
        let problem = &plan.problems[job.problem];
        let model = &plan.run.arms[arm].model;
        let client = match self {
            Self::Given(given) => {
                let answer = given.answer(&problem.id, &plan.run.arms[arm].label, job.index);
                return Ok((Reply::Text(answer), None));
            }
            Self::Server(client) => client,
        };
        match (&plan.task, &problem.truth) {
            (Task::Choices { separator }, Truth::Reference(Reference::Choice { options, .. })) => {
                let texts = options.iter().map(|option| format!("{separator}{option}"));
                scores(client, model, problem, texts)
            }
            (Task::Preference { .. }, Truth::Pair(chosen, rejected)) => {
                scores(client, model, problem, [chosen.clone(), rejected.clone()].into_iter())
            }
            (Task::Choices { .. } | Task::Preference { .. }, _) => {
                let reason = "a task by log-probabilities needs a `choice` grader or two answers";
                Err(Trouble::Run(reason.to_owned()))
            }
            (Task::Generate | Task::Judge(_), _) => {
                let draw = Draw { sampling: &plan.run.sampling, seed };
                let answer = client.answer(model, &problem.question, draw)?;
                let generation = answer.generation.clone();
                Ok((Reply::Text(answer), generation))
            }
        }
    }
}

fn scores(
    client: &Client,
    model: &str,
    problem: &Problem,
    texts: impl Iterator<Item = String>,
) -> Result<(Reply, Option<String>), Trouble> {
    let began = std::time::Instant::now();
    let (mut all, mut named) = (Vec::new(), None);
    let mut tokens_scored = 0;
    let small = |count: usize| u32::try_from(count).ok();
    let opening = client.opening(model, &problem.question)?;
    for text in texts {
        let question = (&problem.question, opening.as_deref());
        let tokens = client.continuation(model, question, &text)?;
        let (scored, generation) = client.score(model, &tokens)?;
        tokens_scored += scored.tokens;
        named = generation;
        all.push(scored);
    }
    let usage = Usage {
        prompt_tokens: opening.as_ref().and_then(|ids| small(ids.len())),
        completion_tokens: small(tokens_scored),
        seconds: Some(began.elapsed().as_secs_f64()),
    };
    Ok((Reply::Scores(all, usage), named))
}
