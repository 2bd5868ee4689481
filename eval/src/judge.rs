//! Asking a judge over HTTP: another model compares two answers, in both orders, or a reward model
//! gives each a number. Leaves out what a suite is and who is compared with whom (`run`).

mod reading;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use rewards::{Grade, MeasureKind};
use serde_json::{Map, Value, json};

use crate::client::{Answer, Client, Draw, ServerConfig, Trouble, without_credentials};
use crate::digest::{sha256, sha256_of};
use crate::problems::{Problem, Truth};
use crate::question::Question;
use crate::{Error, JudgeKind, JudgeRecord, Judging, Measure, Sampling, Stop, Task};
use reading::{beginning, bounded, filled, number_in, verdict_in, without_thoughts};

/// Tokens that a judge may write.
const MAX_TOKENS: usize = 1024;

/// Who judges.
#[derive(Clone, Debug)]
pub struct JudgeConfig {
    /// The server.
    pub server: ServerConfig,
    /// The `model` of its requests.
    pub model: String,
}

/// What a reward model said of an answer.
#[derive(Clone)]
struct Reward {
    number: f64,
    reply: String,
}

/// A judge that can be asked from many threads.
pub(crate) struct Judge {
    client: Client,
    model: String,
    /// Its URL, without credentials.
    server: String,
    at_a_time: usize,
    /// What rivals were given, by question and answer: each of the arms is held against the same one.
    rivals: Mutex<HashMap<String, Reward>>,
    sampling: Sampling,
}

impl Judge {
    /// A judge that has been asked nothing yet.
    pub(crate) fn new(config: &JudgeConfig, stop: &Stop) -> Result<Self, Error> {
        let sampling = Sampling {
            samples: 1,
            temperature: 0.0,
            top_p: 1.0,
            top_k: None,
            max_tokens: MAX_TOKENS,
            seed: 0,
        };
        Ok(Self {
            client: Client::new(&config.server, stop)?,
            model: config.model.clone(),
            server: without_credentials(&config.server.url),
            at_a_time: config.server.concurrency,
            rivals: Mutex::default(),
            sampling,
        })
    }

    /// What `run.json` says of it.
    pub(crate) fn record(&self, judging: &Judging) -> JudgeRecord {
        let digest = |template: &str| sha256(template.as_bytes());
        JudgeRecord {
            model: self.model.clone(),
            server: self.server.clone(),
            template_digest: match judging.by {
                JudgeKind::Pairwise => Some(digest(template(judging))),
                JudgeKind::Reward => None,
            },
        }
    }

    /// How many threads may ask it.
    pub(crate) fn at_a_time(&self) -> usize {
        self.at_a_time
    }

    /// What its grades carry.
    pub(crate) fn measures(&self, task: &Task) -> Vec<Measure> {
        let measure = |name: &str, title: &str, kind| Measure {
            name: name.to_owned(),
            title: title.to_owned(),
            kind,
            beside: None,
        };
        let mut measures =
            vec![measure("score", "Win rate, a tie being half a win", MeasureKind::Preference)];
        match task {
            Task::Judge(Judging { by: JudgeKind::Reward, .. }) => {
                measures.push(measure("reward", "The reward model's number", MeasureKind::Score));
            }
            _ => measures.push(measure(
                "agree",
                "Both orders name the same winner",
                MeasureKind::Verdict,
            )),
        }
        measures.push(measure("characters", "Characters of the answer", MeasureKind::Score));
        measures.push(measure("longer_by", "Characters more than the rival's", MeasureKind::Score));
        measures
    }

    /// The grade of `answer`, without its thoughts; of the reference arm's own there is no rival, and nothing is won.
    pub(crate) fn grade(
        &self,
        judging: &Judging,
        problem: &Problem,
        answer: &str,
        rival: Option<&str>,
    ) -> Result<Grade, Trouble> {
        let given = match &problem.truth {
            Truth::Rival(Some(text)) => Some(text.as_str()),
            _ => None,
        };
        let rival = given.or(rival).map(without_thoughts);
        let answer = without_thoughts(answer);
        let mut grade = match judging.by {
            JudgeKind::Reward => self.rewards(problem, answer, rival)?,
            JudgeKind::Pairwise => self.pair(judging, problem, answer, rival)?,
        };
        let length = answer.chars().count() as f64;
        grade.measures.insert("characters".to_owned(), length);
        if let Some(rival) = rival {
            let by = length - rival.chars().count() as f64;
            grade.measures.insert("longer_by".to_owned(), by);
        }
        Ok(grade)
    }

    fn rewards(
        &self,
        problem: &Problem,
        answer: &str,
        rival: Option<&str>,
    ) -> Result<Grade, Trouble> {
        let (own, said) = self.reward(problem, answer)?;
        let mut grade = match rival {
            Some(rival) => {
                let (other, of_rival) = self.rival_reward(problem, rival)?;
                let order = own.number.partial_cmp(&other.number);
                let mut grade = outcome(order.map_or(0, |order| order as i8));
                grade.detail = json!({"answer": said, "rival": of_rival});
                grade
            }
            None => {
                let key = sha256_of(&json!([problem.digest, answer]));
                let own = own.clone();
                self.rivals.lock().unwrap_or_else(PoisonError::into_inner).insert(key, own);
                let detail = json!({"answer": said});
                Grade { verdict: "reference".to_owned(), detail, ..Grade::default() }
            }
        };
        grade.measures.insert("reward".to_owned(), own.number);
        Ok(grade)
    }

    /// The number that a reward model gives an answer, in its reply's text (`reward:-1.23`), and what of
    /// that a detail shows.
    fn reward(&self, problem: &Problem, answer: &str) -> Result<(Reward, Value), Trouble> {
        let mut messages = turns(problem);
        messages.push(json!({"role": "assistant", "content": answer}));
        let said = self.ask(Value::Array(messages))?;
        let number = number_in(&said.text).ok_or_else(|| {
            let said = beginning(&said.text);
            Trouble::Request(format!("the reward model's reply has no number: {said}"))
        })?;
        let reply = bounded(&said.text);
        let shown = json!({"reward": number, "reply": reply, "usage": said.usage});
        Ok((Reward { number, reply }, shown))
    }

    /// The same, asked once for each rival, however many arms are held against it; the others' grades
    /// name no cost.
    fn rival_reward(&self, problem: &Problem, rival: &str) -> Result<(Reward, Value), Trouble> {
        let key = sha256_of(&json!([problem.digest, rival]));
        let known = self.rivals.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(reward) = known {
            let shown = json!({"reward": reward.number, "reply": reward.reply});
            return Ok((reward, shown));
        }
        let (reward, shown) = self.reward(problem, rival)?;
        let kept = reward.clone();
        self.rivals.lock().unwrap_or_else(PoisonError::into_inner).insert(key, kept);
        Ok((reward, shown))
    }

    /// Both orders: a win is named in both; where they disagree it is a tie.
    fn pair(
        &self,
        judging: &Judging,
        problem: &Problem,
        answer: &str,
        rival: Option<&str>,
    ) -> Result<Grade, Trouble> {
        let Some(rival) = rival else {
            return Ok(Grade { verdict: "reference".to_owned(), ..Grade::default() });
        };
        let template = template(judging);
        let (first, said) = self.winner(template, problem, answer, rival)?;
        let (other, said_then) = self.winner(template, problem, rival, answer)?;
        let second = -other;
        let mut grade = outcome(if first == second { first } else { 0 });
        if first != second {
            grade.verdict = "tie, the orders disagree".to_owned();
        }
        grade.measures.insert("agree".to_owned(), f64::from(u8::from(first == second)));
        grade.detail =
            json!({"answer first": shown(first, &said), "rival first": shown(second, &said_then)});
        Ok(grade)
    }

    /// 1 for answer A, -1 for B, 0 for a tie; and the reply.
    fn winner(
        &self,
        template: &str,
        problem: &Problem,
        a: &str,
        b: &str,
    ) -> Result<(i8, Answer), Trouble> {
        let question = question(problem);
        let text = filled(template, [("question", &question), ("answer_a", a), ("answer_b", b)]);
        let said = self.ask(json!([{"role": "user", "content": text}]))?;
        match verdict_in(&said.text) {
            Some(order) => Ok((order, said)),
            None => Err(Trouble::Request(format!(
                "the judge's reply has no [[A]], [[B]] or [[C]]: {}",
                beginning(&said.text)
            ))),
        }
    }

    fn ask(&self, messages: Value) -> Result<Answer, Trouble> {
        let question = Question::Chat { messages, template: Map::new(), stop: Vec::new() };
        let draw = Draw { sampling: &self.sampling, seed: 0 };
        self.client.answer(&self.model, &question, draw)
    }
}

/// What a grade's detail shows of a comparison.
fn shown(order: i8, said: &Answer) -> Value {
    json!({"outcome": word(order), "reply": bounded(&said.text), "usage": said.usage})
}

/// What a pairwise judge is asked where the suite does not say.
const TEMPLATE: &str = "\
Two assistants answered the same question. Decide which answer serves the person who asked better: is \
it right, does it do what was asked, is it clear? The order of the answers, their length and their \
style decide nothing by themselves.

Question:
{question}

Answer A:
{answer_a}

Answer B:
{answer_b}

Give your reasons in a few sentences, then the verdict on a line of its own: [[A]] if answer A is \
better, [[B]] if answer B is better, [[C]] if they are equally good.";

fn template(judging: &Judging) -> &str {
    judging.template.as_deref().unwrap_or(TEMPLATE)
}

/// The grade of a comparison: above 0 is won, below 0 lost.
fn outcome(order: i8) -> Grade {
    let (win, score) = match order {
        1.. => (1.0, 1.0),
        0 => (0.0, 0.5),
        _ => (0.0, 0.0),
    };
    Grade {
        measures: [("win".to_owned(), win), ("score".to_owned(), score)].into(),
        verdict: word(order).to_owned(),
        ..Grade::default()
    }
}

fn word(order: i8) -> &'static str {
    match order {
        1.. => "win",
        0 => "tie",
        _ => "loss",
    }
}

fn turns(problem: &Problem) -> Vec<Value> {
    match &problem.question {
        Question::Chat { messages, .. } => messages.as_array().cloned().unwrap_or_default(),
        Question::Text { text, .. } => vec![json!({"role": "user", "content": text})],
    }
}

/// The question as a judge reads it.
fn question(problem: &Problem) -> String {
    let turns = turns(problem);
    let text = |turn: &Value| turn["content"].as_str().unwrap_or_default().to_owned();
    match &turns[..] {
        [only] => text(only),
        turns => {
            let each = turns.iter().map(|turn| {
                format!("{}: {}", turn["role"].as_str().unwrap_or_default(), text(turn))
            });
            each.collect::<Vec<_>>().join("\n\n")
        }
    }
}
