//! From settings to a folder of samples: finds suite, problems, arms and grader, opens the folder, and
//! runs what is missing.

use std::path::PathBuf;
use std::time::SystemTime;

use rewards::{Grader, Resources};
use serde_json::Value;

use crate::ask::Asker;
use crate::client::{Card, Client, Missing, ServerConfig, Trouble, without_credentials};
use crate::given::Given;
use crate::home::{self, Home};
use crate::judge::{Judge, JudgeConfig};
use crate::plan::Plan;
use crate::problems::{self, Problems, Selection};
use crate::report::{self, Bound};
use crate::run::{self, Crew};
use crate::store::{Store, Wanted};
use crate::{
    Arm, ArmSpec, Ended, Error, Event, Measure, ProblemLine, Run, Sampling, SamplingDefaults,
    Shard, Stop, Suite, Task, arms, clock, grading,
};

/// Where answers come from.
#[derive(Clone, Debug)]
pub enum Answers {
    /// A server is asked.
    Server(ServerConfig),
    /// A file has them.
    File(PathBuf),
}

/// What the user set beside the suite's defaults.
#[derive(Clone, Debug, Default)]
pub struct SamplingFlags {
    /// Answers for each problem and arm.
    pub samples: Option<usize>,
    /// 0 is greedy.
    pub temperature: Option<f64>,
    /// Nucleus share.
    pub top_p: Option<f64>,
    /// Most tokens in the draw.
    pub top_k: Option<usize>,
    /// Most tokens of an answer.
    pub max_tokens: Option<usize>,
    /// What each request's seed is derived from.
    pub seed: Option<u64>,
}

/// Everything that one evaluation needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// A bundled suite's name, or the path of a `suite.toml`.
    pub suite: String,
    /// Which problems.
    pub selection: Selection,
    /// Where answers come from.
    pub answers: Answers,
    /// The arms; none for all that the server serves.
    pub arms: Vec<ArmSpec>,
    /// The label of the arm that others are compared with.
    pub reference: Option<String>,
    /// How answers are drawn.
    pub sampling: SamplingFlags,
    /// The k of pass@k; empty for the suite's.
    pub k: Vec<usize>,
    /// A share of the problems; all shares together are none.
    pub shard: Option<Shard>,
    /// What results will be held to: refused before anyone is asked, where they could not be.
    pub bounds: Vec<Bound>,
    /// The folder.
    pub output: PathBuf,
    /// Begin anew whatever is in the folder.
    pub force: bool,
    /// What graded programs run under.
    pub resources: Resources,
    /// Who judges, for a suite with a judge.
    pub judge: Option<JudgeConfig>,
    /// Threads that grade.
    pub graders: usize,
}

/// Runs what is missing of an evaluation. `watch` is told what happens, from many threads; `stop` ends
/// it early, and is set when it ended early by itself.
///
/// # Errors
/// When something cannot be read, the server refuses everything, or the folder holds another run. All
/// samples so far are kept.
pub fn evaluate(
    settings: &Settings,
    watch: &(dyn Fn(Event<'_>) + Sync),
    stop: &Stop,
) -> Result<Ended, Error> {
    let (suite, home) = home::find(&settings.suite)?;
    let grader = grader(&suite, &settings.resources)?;
    let judge = judge(&suite, settings, stop)?;
    let measures = measures(&suite, grader.as_ref(), judge.as_ref())?;
    let problems = problems::load((&suite, &home), &settings.selection, grader.as_ref())?;
    let (asker, arms, cards) = asker(&suite, settings, stop)?;
    let reference = arms::reference(settings.reference.as_deref(), &arms, &cards)?;
    let given = match &asker {
        Asker::Given(given) => {
            let everything = settings.selection.unfiltered();
            let all = || problems::load((&suite, &home), &everything, grader.as_ref());
            check_given(given, &problems, all)?;
            Some(given.samples)
        }
        Asker::Server(_) => None,
    };
    let shard = settings.shard.as_ref().filter(|shard| !shard.is_whole());
    let run = Run {
        suite: suite.name.clone(),
        suite_digest: suite.digest.clone(),
        data: problems.data.clone(),
        data_digest: problems.digest.clone(),
        prompt: problems.prompt.clone(),
        arms,
        reference,
        sampling: sampling(&settings.sampling, &suite.sampling, given)?,
        given: given.is_some(),
        not_sent: Vec::new(),
        measures,
        k: k(settings, &suite, given)?,
        groups: suite.groups.iter().map(|group| group.name.clone()).collect(),
        server: server_name(&settings.answers),
        protections: grader.as_ref().map_or(Value::Null, Grader::protections),
        judge: judge.as_ref().zip(suite.task.judging()).map(|(judge, how)| judge.record(how)),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started: clock::rfc3339(SystemTime::now()),
        shard: shard.map(Shard::to_string),
    };
    check_k(&run)?;
    check_bounds(&run, &settings.bounds)?;
    check_arms(&run, &suite.task)?;
    let plan = Plan::new(run, suite.task, problems.list, shard);
    let crew = Crew {
        askers: asker.at_a_time(),
        asker: &asker,
        grader: grader.as_ref(),
        judge: judge.as_ref(),
        graders: settings.graders.max(judge.as_ref().map_or(1, Judge::at_a_time)),
    };
    go(settings, &plan, &crew, watch, stop)
}

fn go(
    settings: &Settings,
    plan: &Plan,
    crew: &Crew<'_>,
    watch: &(dyn Fn(Event<'_>) + Sync),
    stop: &Stop,
) -> Result<Ended, Error> {
    let lines: Vec<ProblemLine> = plan.asked().map(problems::Problem::line).collect();
    let wanted = Wanted {
        headline: &plan.run.measures[0].name,
        rival: plan.compares().then_some(plan.run.reference.as_str()),
    };
    let (store, before) =
        Store::open(&settings.output, &plan.run, &lines, &wanted, settings.force)?;
    drop(lines);
    crew.asker.leave_out(&store.record().not_sent);
    let tallies = run::tallies(&plan.run.arms, &before.tallies);
    let (done, total) = (before.keys.len(), crew.asker.total(plan));
    let (arms, headline) = (&plan.run.arms, &plan.run.measures[0]);
    watch(Event::Started { done, total, arms, headline, tallies: &tallies });
    run::run(plan, crew, (store, &before), watch, stop)
}

fn grader(suite: &Suite, resources: &Resources) -> Result<Option<Grader>, Error> {
    let build = |settings| {
        Grader::build(settings, resources).map_err(|failure| Error::Grader(failure.to_string()))
    };
    suite.grader.as_ref().map(build).transpose()
}

fn judge(suite: &Suite, settings: &Settings, stop: &Stop) -> Result<Option<Judge>, Error> {
    match (&suite.task, &settings.judge) {
        (Task::Judge(_), Some(config)) => Judge::new(config, stop).map(Some),
        (Task::Judge(_), None) => Err(Error::Setting(format!(
            "suite {} needs a judge: the address of its server and the model's name",
            suite.name
        ))),
        (_, Some(_)) => Err(Error::Setting(format!(
            "suite {} has no use for a judge; leave it out",
            suite.name
        ))),
        (_, None) => Ok(None),
    }
}

/// Refuses answers to problems that the data does not have; those that a filter leaves out may be
/// answered.
fn check_given(
    given: &Given,
    chosen: &Problems,
    all: impl FnOnce() -> Result<Problems, Error>,
) -> Result<(), Error> {
    let check =
        |problems: &Problems| given.check(problems.list.iter().map(|problem| problem.id.as_str()));
    check(chosen).or_else(|_| check(&all()?))
}

/// Refuses a suite that given answers are no answers to.
fn check_task(suite: &Suite) -> Result<(), Error> {
    match suite.task {
        Task::Generate | Task::Judge(_) => Ok(()),
        Task::Choices { .. } | Task::Preference { .. } => Err(Error::Setting(format!(
            "suite {} goes by log-probabilities, which given answers do not have; ask a server",
            suite.name
        ))),
    }
}

fn asker(
    suite: &Suite,
    settings: &Settings,
    stop: &Stop,
) -> Result<(Asker, Vec<Arm>, Vec<Card>), Error> {
    match &settings.answers {
        Answers::Server(config) => {
            let client = Client::new(config, stop)?;
            let cards = client.cards().map_err(|trouble| match trouble {
                Trouble::Run(reason)
                | Trouble::Request(reason)
                | Trouble::Missing(Missing { reason, .. }) => Error::Server(reason),
                Trouble::Interrupted => Error::Stopped,
            })?;
            let arms = arms::resolve(&settings.arms, &cards)?;
            Ok((Asker::Server(client), arms, cards))
        }
        Answers::File(path) => {
            check_task(suite)?;
            let given = Given::read(path)?;
            let arms = given.arms.clone();
            Ok((Asker::Given(given), arms, Vec::new()))
        }
    }
}

/// The flags over the suite's defaults. Given answers are as many as they are.
fn sampling(
    flags: &SamplingFlags,
    suite: &SamplingDefaults,
    given: Option<usize>,
) -> Result<Sampling, Error> {
    let sampling = Sampling {
        samples: given.or(flags.samples).unwrap_or(suite.samples),
        temperature: flags.temperature.unwrap_or(suite.temperature),
        top_p: flags.top_p.unwrap_or(suite.top_p),
        top_k: flags.top_k.or(suite.top_k),
        max_tokens: flags.max_tokens.unwrap_or(suite.max_tokens),
        seed: flags.seed.unwrap_or(suite.seed),
    };
    let wrong = |what: &str| Err(Error::Setting(what.to_owned()));
    if sampling.samples == 0 {
        return wrong("the number of samples is 0, expected at least 1");
    }
    if !(0.0..=2.0).contains(&sampling.temperature) {
        return wrong("the temperature should be from 0 to 2");
    }
    if !(sampling.top_p > 0.0 && sampling.top_p <= 1.0) {
        return wrong("top-p should be above 0 and at most 1");
    }
    if sampling.max_tokens == 0 {
        return wrong("the most tokens of an answer are 0, expected at least 1");
    }
    Ok(sampling)
}

/// The suite's measures, or all that its grader, its judge or its task has.
fn measures(
    suite: &Suite,
    grader: Option<&Grader>,
    judge: Option<&Judge>,
) -> Result<Vec<Measure>, Error> {
    let known = match (&suite.task, grader, judge) {
        (Task::Preference { .. }, _, _) => grading::preference_measures(),
        (_, Some(grader), _) => grader.measures(),
        (_, None, Some(judge)) => judge.measures(&suite.task),
        (_, None, None) => Vec::new(),
    };
    let wrong = |reason: String| Err(Error::Suite { path: suite.name.clone(), reason });
    if known.is_empty() {
        return wrong("it has nothing that grades; give it a `[grader]`".to_owned());
    }
    let is_known = |measure: &&Measure| known.iter().any(|one| one.name == measure.name);
    if let Some(unknown) = suite.measures.iter().find(|measure| !is_known(measure)) {
        let names: Vec<&str> = known.iter().map(|measure| measure.name.as_str()).collect();
        return wrong(format!(
            "`measures` names `{}`, which its answers are not graded by; there are {}",
            unknown.name,
            names.join(", ")
        ));
    }
    Ok(if suite.measures.is_empty() { known } else { suite.measures.clone() })
}

/// Refuses a comparison of one arm with itself, which would measure nothing.
fn check_arms(run: &Run, task: &Task) -> Result<(), Error> {
    let needs_another = match task {
        Task::Generate | Task::Choices { .. } => false,
        Task::Preference { .. } => !run.measures[0].name.starts_with("policy_"),
        Task::Judge(judging) => judging.against.is_none(),
    };
    if run.arms.len() > 1 || !needs_another {
        return Ok(());
    }
    Err(Error::Setting(format!(
        "suite {} compares arms with the reference arm, and `{}` is the only arm; name another one",
        run.suite, run.reference
    )))
}

fn k(settings: &Settings, suite: &Suite, given: Option<usize>) -> Result<Vec<usize>, Error> {
    let samples = given.or(settings.sampling.samples).unwrap_or(suite.sampling.samples);
    if !settings.k.is_empty() {
        return Ok(settings.k.clone());
    }
    // The suite's k were made for its own number of samples.
    Ok(suite.k.iter().copied().filter(|k| *k <= samples).collect())
}

fn check_k(run: &Run) -> Result<(), Error> {
    let samples = run.sampling.samples;
    match run.k.iter().find(|k| **k == 0 || **k > samples) {
        Some(k) => Err(Error::Setting(format!(
            "k is {k}, expected from 1 to the number of samples, which is {samples}; ask for more samples"
        ))),
        None => Ok(()),
    }
}

fn check_bounds(run: &Run, bounds: &[Bound]) -> Result<(), Error> {
    let wrong = |error: report::Error| Error::Setting(error.to_string());
    bounds.iter().try_for_each(|bound| bound.check(run).map_err(wrong))
}

fn server_name(answers: &Answers) -> String {
    match answers {
        Answers::Server(config) => without_credentials(&config.url),
        Answers::File(path) => path.display().to_string(),
    }
}

/// What is known of a suite without running it: for a list.
///
/// # Errors
/// When there is no such suite.
pub fn find_suite(name: &str) -> Result<Suite, Error> {
    home::find(name).map(|(suite, _home): (Suite, Home)| suite)
}
