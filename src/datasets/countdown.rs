//! Countdown data, made from a seed: problems, worked searches in `<think>`, and plain arithmetic
//! chat. The same arguments give the same records on every machine. Leaves out grading, which is
//! `rewards::countdown`.

mod arithmetic;
mod chat;
mod problem;
mod search;

use std::collections::HashSet;

use serde_json::{Value, json};

use super::rng::Rng;
pub use problem::{Problem, Split};
use splitmix::mix;

/// Which records to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mixture {
    /// For a base that is stopped early: searches in random order, and arithmetic chat.
    Pretrain,
    /// For an adapter on that base: searches in a fixed order that leave nothing out.
    Sft,
    /// Problems alone, each once: `{"numbers", "target", "messages": [user]}`.
    Problems,
}

/// How many of a hundred pretraining records are arithmetic chat.
const CHAT_PERCENT: u32 = 40;
/// How many of a hundred worked problems in pretraining are answered without thinking.
const DIRECT_PERCENT: u32 = 8;
/// How many of a hundred SFT records are arithmetic chat, so that the adapter keeps it.
const SFT_CHAT_PERCENT: u32 = 10;
/// Problems that may repeat in a row before the generator takes the stock to be used up.
const PATIENCE: usize = 10_000;

/// Makes `n` records. Problems of the two splits never overlap: a hash of the problem decides its
/// split, whatever the seed.
pub fn generate(
    kind: Mixture,
    split: Split,
    n: usize,
    seed: u64,
) -> Box<dyn Iterator<Item = Value>> {
    let record_rng = move |index: u64| Rng::new(mix(seed) ^ kind as u64, mix(index) ^ split as u64);
    let rngs = (0..).map(record_rng);
    match kind {
        Mixture::Pretrain => Box::new(rngs.map(move |mut rng| pretrain(&mut rng, split)).take(n)),
        Mixture::Sft => Box::new(rngs.map(move |mut rng| sft(&mut rng, split)).take(n)),
        Mixture::Problems => {
            Box::new(problems(rngs.map(move |mut rng| Problem::draw(&mut rng, split)), n))
        }
    }
}

/// Distinct problems; ends early when the stock is used up.
fn problems(drawn: impl Iterator<Item = Problem>, n: usize) -> impl Iterator<Item = Value> {
    let mut seen = HashSet::new();
    let mut repeats = 0;
    drawn
        .map_while(move |problem| {
            let new = seen.insert(problem.key());
            repeats = if new { 0 } else { repeats + 1 };
            (repeats < PATIENCE).then_some(new.then_some(problem))
        })
        .flatten()
        .take(n)
        .map(|problem| {
            json!({
                "numbers": problem.numbers,
                "target": problem.target,
                "messages": [{"role": "user", "content": problem.question()}],
            })
        })
}

fn pretrain(rng: &mut Rng, split: Split) -> Value {
    if rng.percent(CHAT_PERCENT) {
        return chat::record(rng);
    }
    let problem = Problem::draw(rng, split);
    if rng.percent(DIRECT_PERCENT) {
        return direct(&problem);
    }
    worked(&problem, &search::random(&problem, rng))
}

fn sft(rng: &mut Rng, split: Split) -> Value {
    if rng.percent(SFT_CHAT_PERCENT) {
        return chat::record(rng);
    }
    let problem = Problem::draw(rng, split);
    worked(&problem, &search::orderly(&problem, rng))
}

/// Question, search and answer.
fn worked(problem: &Problem, search: &search::Search) -> Value {
    let reply = format!(
        "<think>\n{}\n</think>\n<answer>{}</answer>",
        search.lines.join("\n"),
        search.answer
    );
    conversation(problem, &reply)
}

/// Question and answer, with thinking switched off.
fn direct(problem: &Problem) -> Value {
    let mut record = conversation(problem, &format!("<answer>{}</answer>", problem.solution));
    record["chat_template_kwargs"] = json!({"enable_thinking": false});
    record
}

fn conversation(problem: &Problem, reply: &str) -> Value {
    json!({"messages": [
        {"role": "user", "content": problem.question()},
        {"role": "assistant", "content": reply},
    ]})
}
