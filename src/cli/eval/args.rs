//! The flags of an evaluation, and what they mean for the library.

use std::env::VarError;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use eval::{
    Answers, ArmSpec, JudgeConfig, SamplingFlags, Selection, ServerConfig, Settings, Shard,
};
use rewards::Resources;
use sandbox::{Priority, Strictness};

use super::bounds::BoundArgs;
use super::part::PartArgs;
use crate::cli::model_args::{EngineArgs, ModelArgs};
use crate::cli::usage::Usage;

/// What says how answers are drawn and by whom; given answers are as they are.
const NOT_FOR_GIVEN: [&str; 11] = [
    "url",
    "arm",
    "concurrency",
    "samples",
    "temperature",
    "top_p",
    "top_k",
    "max_tokens",
    "seed",
    OF_MODEL,
    OF_ENGINE,
];
/// The groups of flags that mean the server of this process.
const OF_MODEL: &str = "ModelArgs";
const OF_ENGINE: &str = "EngineArgs";

/// Flags of `wardrobe eval SUITE`.
#[derive(Debug, Args)]
#[command(args_override_self = true)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(crate) struct RunArgs {
    /// A bundled suite (`wardrobe eval list`), or the path of your own suite.toml
    #[arg(value_name = "SUITE")]
    pub(super) suite: Option<String>,
    /// Read flags from a TOML file: the same words, underscores for dashes; the command line wins
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    /// An OpenAI-compatible server
    #[arg(long, value_name = "URL", conflicts_with_all = [OF_MODEL, OF_ENGINE],
        help_heading = "Who answers")]
    pub(super) url: Option<String>,
    /// Serve --model and its adapters from this process, for this run alone
    #[arg(long, conflicts_with_all = ["url", "completions"], help_heading = "Who answers")]
    pub(super) serve: bool,
    /// Grade given answers: JSONL (also gzipped), CSV or parquet of problem_id (or task_id, question_id,
    /// problem) and completion; with arm where there are several, and finish where it is known why an
    /// answer ended (stop, length)
    #[arg(long, value_name = "FILE", conflicts_with_all = NOT_FOR_GIVEN,
        help_heading = "Who answers")]
    completions: Option<PathBuf>,
    /// A model of the server (again for more); `base` is its base [default: all it serves]
    #[arg(long, value_name = "NAME|LABEL=MODEL", value_parser = ArmSpec::parse,
        help_heading = "Who answers")]
    arm: Vec<ArmSpec>,
    /// The arm that the others are compared with [default: the base, or the first]
    #[arg(long, value_name = "LABEL", help_heading = "Who answers")]
    reference: Option<String>,
    /// The variable with the server's key [default: OPENAI_API_KEY, where it is set]
    #[arg(long, value_name = "NAME", help_heading = "Who answers")]
    api_key_env: Option<String>,
    /// Most requests at a time [default: as many as the server takes, up to 128]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096),
        help_heading = "Who answers")]
    concurrency: Option<u16>,
    /// Longest wait for one answer, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 600,
        value_parser = clap::value_parser!(u64).range(1..), help_heading = "Who answers")]
    timeout: u64,
    /// Tries of a request that the server or the network failed
    #[arg(long, value_name = "N", default_value_t = 6,
        value_parser = clap::value_parser!(u32).range(1..), help_heading = "Who answers")]
    tries: u32,

    /// Problems in place of the suite's own: JSONL, parquet or CSV; again for more files
    #[arg(long, value_name = "FILE", help_heading = "Which problems")]
    data: Vec<PathBuf>,
    /// Rows that the suite has a name for
    #[arg(long, value_name = "NAME", help_heading = "Which problems")]
    split: Option<String>,
    /// Only the first N
    #[arg(long, value_name = "N", help_heading = "Which problems")]
    limit: Option<usize>,
    #[command(flatten, next_help_heading = "Which problems")]
    part: PartArgs,
    /// A share of the problems, 1/N to N/N; in a Slurm job array the task's by default
    #[arg(long, value_name = "I/N", value_parser = Shard::parse, help_heading = "Which problems")]
    pub(super) shard: Option<Shard>,

    /// The suite's prompt of that name
    #[arg(long, value_name = "NAME", help_heading = "How they are asked")]
    prompt: Option<String>,
    /// Answers for each problem and arm
    #[arg(long, value_name = "N", help_heading = "How they are asked")]
    samples: Option<usize>,
    /// The k of pass@k
    #[arg(long, value_name = "K,K", value_delimiter = ',', help_heading = "How they are asked")]
    k: Vec<usize>,
    /// 0 is greedy
    #[arg(long, allow_negative_numbers = true, help_heading = "How they are asked")]
    temperature: Option<f64>,
    /// Nucleus share
    #[arg(long, allow_negative_numbers = true, help_heading = "How they are asked")]
    top_p: Option<f64>,
    /// Most tokens in the draw
    #[arg(long, help_heading = "How they are asked")]
    top_k: Option<usize>,
    /// Most tokens of an answer
    #[arg(long, value_name = "N", help_heading = "How they are asked")]
    max_tokens: Option<usize>,
    /// Decides the seed of every request
    #[arg(long, help_heading = "How they are asked")]
    seed: Option<u64>,

    /// How much protection graded programs must run under: strict, best-effort or off
    #[arg(long, value_name = "HOW", default_value = "strict", help_heading = "Grading")]
    sandbox: Strictness,
    /// The Python that runs graded programs [default: python3]
    #[arg(long, value_name = "PATH", help_heading = "Grading")]
    python: Option<PathBuf>,
    /// Threads that grade [default: half the cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=512),
        help_heading = "Grading")]
    graders: Option<u16>,
    /// The judge's server, for a suite that has answers judged
    #[arg(long, value_name = "URL", requires = "judge_model", help_heading = "Grading")]
    judge_url: Option<String>,
    /// The judge's model
    #[arg(long, value_name = "MODEL", requires = "judge_url", help_heading = "Grading")]
    judge_model: Option<String>,
    /// The variable with the judge's key [default: that of --api-key-env, where the judge is on the
    /// answers' server]
    #[arg(long, value_name = "NAME", help_heading = "Grading")]
    judge_key_env: Option<String>,

    /// The folder to write, to go on with, or to let grow by more samples or problems [default:
    /// outputs/eval-SUITE, and the share]
    #[arg(long, value_name = "DIR", help_heading = "Results")]
    pub(super) output: Option<PathBuf>,
    /// Begin anew whatever is in the folder
    #[arg(long, help_heading = "Results")]
    force: bool,
    /// Print results.json in place of the table
    #[arg(long, help_heading = "Results")]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) bounds: BoundArgs,

    #[command(flatten, next_help_heading = "With --serve")]
    pub(super) model: ModelArgs,
    #[command(flatten, next_help_heading = "With --serve")]
    pub(super) engine: EngineArgs,
}

impl RunArgs {
    /// The library's settings, with answers from `local` where the server is our own.
    pub(super) fn settings(&self, local: Option<&str>) -> Result<Settings> {
        let suite = self.suite.clone().ok_or_else(|| {
            Usage(
                "which suite? `wardrobe eval list` lists them; or give the path of a suite.toml"
                    .to_owned(),
            )
        })?;
        let shard = match &self.shard {
            Some(shard) => Some(shard.clone()),
            None => slurm_share()?,
        };
        // All shares together are the whole, whoever asks for them.
        let shard = shard.filter(|shard| !shard.is_whole());
        let output = match &self.output {
            Some(output) => output.clone(),
            None => default_output(&suite, shard.as_ref())?,
        };
        Ok(Settings {
            answers: self.answers(local)?,
            selection: self.selection(),
            arms: self.arm.clone(),
            reference: self.reference.clone(),
            sampling: self.sampling(),
            k: self.k.clone(),
            shard,
            bounds: self.bounds.all().to_vec(),
            output,
            force: self.force,
            resources: Resources {
                strictness: self.sandbox,
                priority: self.priority(local),
                python: self.python.clone(),
            },
            judge: self.judge()?,
            graders: self.graders.map_or_else(default_graders, usize::from),
            suite,
        })
    }

    /// Programs are judged beside the servers: those on this machine shall not feel it.
    fn priority(&self, local: Option<&str>) -> Priority {
        let servers = [local, self.url.as_deref(), self.judge_url.as_deref()];
        match servers.into_iter().flatten().any(eval::is_on_this_machine) {
            true => Priority::Lowest,
            false => Priority::Usual,
        }
    }

    fn answers(&self, local: Option<&str>) -> Result<Answers> {
        match (&self.completions, local.or(self.url.as_deref())) {
            (Some(file), _) => Ok(Answers::File(file.clone())),
            (None, Some(url)) => Ok(Answers::Server(self.server(url, self.key()?))),
            (None, None) => {
                let who = "who answers? give --url URL, --serve for a server of this process, or \
                           --completions FILE";
                Err(Usage(who.to_owned()).into())
            }
        }
    }

    fn server(&self, url: &str, key: Option<String>) -> ServerConfig {
        let usual = ServerConfig::new(url);
        ServerConfig {
            key,
            key_from: "--api-key-env".to_owned(),
            concurrency: self.concurrency.map_or(usual.concurrency, usize::from),
            timeout: Duration::from_secs(self.timeout),
            tries: self.tries,
            ..usual
        }
    }

    /// The key of the server that answers.
    fn key(&self) -> Result<Option<String>, Usage> {
        match &self.api_key_env {
            Some(name) => named_key("--api-key-env", name).map(Some),
            None => Ok(std::env::var("OPENAI_API_KEY").ok().filter(|key| !key.is_empty())),
        }
    }

    fn judge(&self) -> Result<Option<JudgeConfig>> {
        let (Some(url), Some(model)) = (self.judge_url.as_deref(), self.judge_model.clone()) else {
            return Ok(None);
        };
        // A key is for one server; it is shown to no other.
        let same = self.url.as_deref().is_some_and(|answers| eval::same_origin(answers, url));
        let key = match &self.judge_key_env {
            Some(name) => Some(named_key("--judge-key-env", name)?),
            None if same => self.key()?,
            None => None,
        };
        let server = ServerConfig {
            concurrency: 16,
            key_from: "--judge-key-env".to_owned(),
            ..self.server(url, key)
        };
        Ok(Some(JudgeConfig { server, model }))
    }

    fn selection(&self) -> Selection {
        Selection {
            data: self.data.clone(),
            prompt: self.prompt.clone(),
            split: self.split.clone(),
            limit: self.limit,
            start_date: self.part.start_date.clone(),
            end_date: self.part.end_date.clone(),
            wanted: self.part.wanted.clone(),
        }
    }

    fn sampling(&self) -> SamplingFlags {
        SamplingFlags {
            samples: self.samples,
            temperature: self.temperature,
            top_p: self.top_p,
            top_k: self.top_k,
            max_tokens: self.max_tokens,
            seed: self.seed,
        }
    }
}

/// The key in a variable that the user named, where it must be.
fn named_key(flag: &str, name: &str) -> Result<String, Usage> {
    match std::env::var(name) {
        Ok(key) if !key.is_empty() => Ok(key),
        Ok(_) => Err(Usage(format!("{flag} names {name}, which is empty"))),
        Err(VarError::NotPresent) => Err(Usage(format!("{flag} names {name}, which is not set"))),
        Err(VarError::NotUnicode(_)) => {
            Err(Usage(format!("{flag} names {name}, which is no text")))
        }
    }
}

fn default_graders() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).div_ceil(2)
}

fn default_output(suite: &str, shard: Option<&Shard>) -> Result<PathBuf> {
    let name = eval::find_suite(suite)?.name;
    let share = shard.map_or_else(String::new, |shard| format!("-{shard}").replace('/', "-of-"));
    Ok(PathBuf::from("outputs").join(format!("eval-{name}{share}")))
}

/// The share of a Slurm job array's task.
fn slurm_share() -> Result<Option<Shard>> {
    let number = |name: &str| match std::env::var(name) {
        Ok(text) => text.parse::<usize>().ok().map(Some).ok_or_else(|| {
            Usage(format!("{name} is `{text}`, expected a number; name the share, as --shard i/N"))
        }),
        Err(_) => Ok(None),
    };
    let Some(id) = number("SLURM_ARRAY_TASK_ID")? else { return Ok(None) };
    // Without the count each task of the array would ask everything.
    let count = number("SLURM_ARRAY_TASK_COUNT")?.ok_or_else(|| {
        Usage(format!(
            "SLURM_ARRAY_TASK_ID is {id}, but of how many tasks SLURM_ARRAY_TASK_COUNT does not say; name \
             the share, as --shard i/N, or ask all with --shard 1/1"
        ))
    })?;
    let min = number("SLURM_ARRAY_TASK_MIN")?.unwrap_or(0);
    Ok(Some(Shard::of_array(id, min, count).map_err(Usage)?))
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches;

    use super::*;

    fn is_accepted(flags: &[&str]) -> bool {
        let command = RunArgs::augment_args(clap::Command::new("eval"));
        command.try_get_matches_from(["eval", "countdown"].iter().chain(flags)).is_ok()
    }

    #[test]
    fn flags_that_would_have_no_effect_are_refused() {
        for flags in [
            "--temperature=0",
            "--samples=2",
            "--top-p=0.5",
            "--top-k=5",
            "--max-tokens=9",
            "--seed=1",
            "--arm=sft",
            "--concurrency=2",
            "--model=x",
            "--max-queue=9",
        ] {
            assert!(!is_accepted(&["--completions=x", flags]), "{flags}");
            assert!(is_accepted(&["--serve", flags]), "{flags}");
        }
        for flags in ["--model=x", "--adapter=a=b", "--weights=f32", "--kv-cache-memory=1GiB"] {
            assert!(!is_accepted(&["--url=http://x", flags]), "{flags}");
            assert!(is_accepted(&["--serve", flags]), "{flags}");
        }
        let judged = ["--judge-url=http://x", "--judge-model=m", "--timeout=9", "--limit=3"];
        for who in ["--url=http://x", "--completions=x"] {
            assert!(is_accepted(&[&[who], &judged[..]].concat()), "{who}");
        }
    }

    #[test]
    fn programs_yield_to_a_server_on_the_same_machine() {
        let priority = |flags: &[&str], local| {
            let command = RunArgs::augment_args(clap::Command::new("eval"));
            let matches = command.get_matches_from(["eval", "x"].iter().chain(flags));
            RunArgs::from_arg_matches(&matches).unwrap().priority(local)
        };
        assert_eq!(priority(&["--serve"], Some("http://127.0.0.1:1")), Priority::Lowest);
        assert_eq!(priority(&["--url=http://localhost:8000/v1"], None), Priority::Lowest);
        assert_eq!(priority(&["--url=https://api.example.org"], None), Priority::Usual);
        let judged = ["--completions=x", "--judge-url=http://[::1]:1", "--judge-model=m"];
        assert_eq!(priority(&judged, None), Priority::Lowest);
        assert_eq!(priority(&["--completions=x"], None), Priority::Usual);
    }
}
