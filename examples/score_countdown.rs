//! Scores the demo: how many held-out Countdown problems the base and its adapters solve, with
//! Wilson's 95 % interval. All arms share the batches of one engine.
//!
//!     cargo run --release --example score_countdown -- 200
//!
//! Sampled at temperature 0.6 and greedily, one answer a problem each, from fixed seeds: the same
//! command prints the same counts. Arguments: number of problems, model folder, adapter folder.

#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use rewards::countdown::{Verdict, extract_answer, verify};
use serde_json::{Map, Value};
use wardrobe::adapters::{BaseInfo, Generation, Limits, Registry};
use wardrobe::datasets::countdown::{self, Mixture, Split};
use wardrobe::engine::{
    self, EngineConfig, EngineHandle, Event, Request, RequestStream, SamplingParams,
};
use wardrobe::model::{ChatTemplate, Decoder, Tokenizer, WeightFormat};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Problems are drawn with a seed of their own, apart from any training data's.
const PROBLEM_SEED: u64 = 20_000;
/// Answers in flight at a time.
const IN_FLIGHT: usize = 48;
const MAX_TOKENS: usize = 900;

/// One held-out problem and its prompt's tokens.
struct Problem {
    numbers: Vec<u32>,
    target: u32,
    prompt: Vec<u32>,
}

/// One row of the table.
#[derive(Default)]
struct Score {
    correct: usize,
    three: (usize, usize),
    four: (usize, usize),
    truncated: usize,
    tokens: usize,
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let count = arguments.next().map_or(Ok(200), |n| n.parse())?;
    let model = PathBuf::from(arguments.next().unwrap_or("checkpoints/initial".into()));
    let adapters = PathBuf::from(arguments.next().unwrap_or("checkpoints".into()));

    let tokenizer = Arc::new(Tokenizer::load(&model)?);
    let template = ChatTemplate::load(&model)?.ok_or("the model has no chat template")?;
    let registry = Registry::new(
        Arc::new(BaseInfo::open(&model, "initial")?),
        Limits { max_adapters: 64, max_bytes: 1 << 30 },
    );
    let mut arms: Vec<(String, Option<Arc<Generation>>)> = vec![("initial".into(), None)];
    for generation in registry.scan_dir(&adapters)?.loaded {
        arms.push((generation.name.clone(), Some(generation)));
    }
    let decoder = Arc::new(Decoder::load(&model, WeightFormat::Bf16)?);
    let config = EngineConfig { max_num_seqs: IN_FLIGHT, ..EngineConfig::default() };
    let (engine, thread) = engine::start(decoder, tokenizer.clone(), registry, &config)?;
    let problems = problems(count, &tokenizer, &template)?;

    println!(
        "| model | sampling | solved | of | share | 95 % interval | 3 numbers | 4 numbers | cut off | tokens |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for (name, adapter) in &arms {
        for temperature in [0.6, 0.0] {
            let score = run(&engine, &problems, adapter.as_ref(), temperature)?;
            print_row(name, temperature, problems.len(), &score);
        }
    }
    engine.stop();
    Ok(thread.join()?)
}

fn problems(count: usize, tokenizer: &Tokenizer, template: &ChatTemplate) -> Result<Vec<Problem>> {
    let records = countdown::generate(Mixture::Problems, Split::Test, count, PROBLEM_SEED);
    let numbers = |record: &Value| -> Option<Vec<u32>> {
        let list = record["numbers"].as_array()?;
        list.iter().map(|n| u32::try_from(n.as_u64()?).ok()).collect()
    };
    records
        .map(|record| {
            let text = template.render(&record["messages"], None, true, &Map::new())?;
            Ok(Problem {
                numbers: numbers(&record).ok_or("a problem lists its numbers")?,
                target: u32::try_from(record["target"].as_u64().ok_or("a problem has a target")?)?,
                prompt: tokenizer.encode(&text, false)?,
            })
        })
        .collect()
}

fn run(
    engine: &EngineHandle,
    problems: &[Problem],
    adapter: Option<&Arc<Generation>>,
    temperature: f32,
) -> Result<Score> {
    let mut score = Score::default();
    for (chunk, problems) in problems.chunks(IN_FLIGHT).enumerate() {
        let submit = |(index, problem): (usize, &Problem)| {
            let params = SamplingParams {
                temperature,
                seed: Some((chunk * IN_FLIGHT + index) as u64),
                max_tokens: MAX_TOKENS,
                ..SamplingParams::default()
            };
            let prompt = problem.prompt.clone();
            engine.submit(Request { prompt, params, adapter: adapter.cloned() })
        };
        let streams: Vec<RequestStream> =
            problems.iter().enumerate().map(submit).collect::<std::result::Result<_, _>>()?;
        for (problem, stream) in problems.iter().zip(streams) {
            score.add(problem, stream)?;
        }
    }
    Ok(score)
}

impl Score {
    fn add(&mut self, problem: &Problem, mut stream: RequestStream) -> Result<()> {
        let mut answer = String::new();
        while let Some(event) = stream.blocking_recv() {
            match event {
                Event::Token { text, .. } => answer.push_str(&text),
                Event::Finished { reason, usage, .. } => {
                    self.tokens += usage.completion_tokens;
                    self.truncated += usize::from(reason == engine::FinishReason::Length);
                }
                Event::Failed { message } => return Err(message.into()),
                Event::Prompt { .. } => {}
            }
        }
        let verdict = extract_answer(&answer).map(|a| verify(a, &problem.numbers, problem.target));
        let correct = usize::from(verdict == Some(Verdict::Correct));
        let kind = if problem.numbers.len() == 3 { &mut self.three } else { &mut self.four };
        (kind.0, kind.1) = (kind.0 + correct, kind.1 + 1);
        self.correct += correct;
        Ok(())
    }
}

/// Wilson's score interval (1927) at 95 %.
fn wilson(correct: usize, n: usize) -> (f64, f64) {
    let (z, n, p) = (1.959_964, n as f64, correct as f64 / n as f64);
    let centre = p + z * z / (2.0 * n);
    let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z * z / n;
    ((centre - half) / scale, (centre + half) / scale)
}

fn print_row(name: &str, temperature: f32, n: usize, score: &Score) {
    let (low, high) = wilson(score.correct, n);
    let sampling = if temperature == 0.0 { "greedy".into() } else { format!("T {temperature}") };
    println!(
        "| {name} | {sampling} | {} | {n} | {:.1} % | {:.1} to {:.1} % | {}/{} | {}/{} | {} | {:.0} |",
        score.correct,
        100.0 * score.correct as f64 / n as f64,
        100.0 * low,
        100.0 * high,
        score.three.0,
        score.three.1,
        score.four.0,
        score.four.1,
        score.truncated,
        score.tokens as f64 / n as f64,
    );
}
