//! Asking a judge over HTTP: another model compares two answers, in both orders, or a reward model
//! gives each a number. Leaves out what a suite is and who is compared with whom (`run`).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use rewards::{Grade, MeasureKind};
use serde_json::{Map, Value, json};

use crate::client::{Client, Draw, Interrupt, ServerConfig, Trouble, without_credentials};
use crate::digest::{sha256, sha256_of};
use crate::problems::{Problem, Truth};
use crate::question::Question;
use crate::{Error, JudgeKind, JudgeRecord, Judging, Measure, Sampling, Task};

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

/// A judge that can be asked from many threads.
pub(crate) struct Judge {
    client: Client,
    model: String,
    /// Its URL, without credentials.
    server: String,
    at_a_time: usize,
    /// What rivals were given, by question and answer: each of the arms is held against the same one.
    rivals: Mutex<HashMap<String, f64>>,
    sampling: Sampling,
}

impl Judge {
    /// A judge that has been asked nothing yet.
    pub(crate) fn new(config: &JudgeConfig, stop: &Interrupt) -> Result<Self, Error> {
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
        let own = self.reward(problem, answer)?;
        let mut grade = match rival {
            Some(rival) => {
                let other = self.rival_reward(problem, rival)?;
                let mut grade = outcome(own.partial_cmp(&other).map_or(0, |order| order as i8));
                grade.detail = json!({"reward": own, "rival": other});
                grade
            }
            None => {
                let key = sha256_of(&json!([problem.digest, answer]));
                self.rivals.lock().unwrap_or_else(PoisonError::into_inner).insert(key, own);
                Grade { verdict: "reference".to_owned(), ..Grade::default() }
            }
        };
        grade.measures.insert("reward".to_owned(), own);
        Ok(grade)
    }

    /// The number that a reward model gives an answer, in its reply's text (`reward:-1.23`).
    fn reward(&self, problem: &Problem, answer: &str) -> Result<f64, Trouble> {
        let mut messages = turns(problem);
        messages.push(json!({"role": "assistant", "content": answer}));
        let said = self.ask(Value::Array(messages))?;
        number_in(&said).ok_or_else(|| {
            Trouble::Request(format!(
                "the reward model's reply has no number: {}",
                beginning(&said)
            ))
        })
    }

    /// The same, asked once for each rival, however many arms are held against it.
    fn rival_reward(&self, problem: &Problem, rival: &str) -> Result<f64, Trouble> {
        let key = sha256_of(&json!([problem.digest, rival]));
        let known = self.rivals.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied();
        if let Some(reward) = known {
            return Ok(reward);
        }
        let reward = self.reward(problem, rival)?;
        self.rivals.lock().unwrap_or_else(PoisonError::into_inner).insert(key, reward);
        Ok(reward)
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
        let first = self.winner(template, problem, answer, rival)?;
        let second = -self.winner(template, problem, rival, answer)?;
        let mut grade = outcome(if first == second { first } else { 0 });
        if first != second {
            grade.verdict = "tie, the orders disagree".to_owned();
        }
        grade.measures.insert("agree".to_owned(), f64::from(u8::from(first == second)));
        grade.detail = json!({"answer first": word(first), "rival first": word(second)});
        Ok(grade)
    }

    /// 1 for answer A, -1 for B, 0 for a tie.
    fn winner(&self, template: &str, problem: &Problem, a: &str, b: &str) -> Result<i8, Trouble> {
        let question = shown(problem);
        let text = filled(template, [("question", &question), ("answer_a", a), ("answer_b", b)]);
        let said = self.ask(json!([{"role": "user", "content": text}]))?;
        verdict_in(&said).ok_or_else(|| {
            let said = beginning(&said);
            Trouble::Request(format!("the judge's reply has no [[A]], [[B]] or [[C]]: {said}"))
        })
    }

    fn ask(&self, messages: Value) -> Result<String, Trouble> {
        let question = Question::Chat { messages, template: Map::new(), stop: Vec::new() };
        let draw = Draw { sampling: &self.sampling, seed: 0 };
        self.client.answer(&self.model, &question, draw).map(|answer| answer.text)
    }
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

/// The last verdict of a judge's reply.
fn verdict_in(said: &str) -> Option<i8> {
    let marks = [("[[A]]", 1), ("[[B]]", -1), ("[[C]]", 0)];
    let found = marks.iter().filter_map(|(mark, order)| said.rfind(mark).map(|at| (at, *order)));
    found.max().map(|(_, order)| order)
}

/// The number of a reply: what the last `reward:` is followed by, or a number alone.
fn number_in(said: &str) -> Option<f64> {
    let text = match said.rsplit_once("reward:") {
        Some((_, after)) => after.split_whitespace().next()?.trim_end_matches([',', ';', ')', ']']),
        None => said.trim(),
    };
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

/// What an answer says once its thoughts are over; nothing where they never are.
fn without_thoughts(answer: &str) -> &str {
    match answer.rsplit_once("</think>") {
        Some((_, after)) => after.trim_start(),
        None if answer.trim_start().starts_with("<think>") => "",
        None => answer,
    }
}

/// Every name in braces in one pass, so that an answer with braces stays as it is.
fn filled(template: &str, values: [(&str, &str); 3]) -> String {
    let (mut text, mut rest) = (String::new(), template);
    while let Some(at) = rest.find('{') {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let named = values.iter().find_map(|(name, value)| {
            let after = rest.strip_prefix('{')?.strip_prefix(name)?.strip_prefix('}')?;
            Some((*value, after))
        });
        let (piece, after) = named.unwrap_or(("{", &rest[1..]));
        text.push_str(piece);
        rest = after;
    }
    text + rest
}

fn turns(problem: &Problem) -> Vec<Value> {
    match &problem.question {
        Question::Chat { messages, .. } => messages.as_array().cloned().unwrap_or_default(),
        Question::Text { text, .. } => vec![json!({"role": "user", "content": text})],
    }
}

/// The question as a judge reads it.
fn shown(problem: &Problem) -> String {
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

fn beginning(text: &str) -> String {
    let short: String = text.chars().take(80).collect();
    short.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_and_numbers_are_read_from_replies() {
        assert_eq!(verdict_in("not [[A]] but [[B]]"), Some(-1));
        assert_eq!(verdict_in("[[C]]"), Some(0));
        assert_eq!(verdict_in("A is better"), None);
        assert_eq!(number_in("reward:-1.23"), Some(-1.23));
        assert_eq!(number_in("It is 9 of 10, so reward: 7, I think."), Some(7.0));
        assert_eq!(number_in("4.5\n"), Some(4.5));
        for none in ["", "reward:", "NaN", "good", "inf", "I give it 7 of 10", "reward: about 7"] {
            assert_eq!(number_in(none), None, "{none}");
        }
    }

    #[test]
    fn thoughts_are_no_part_of_an_answer() {
        for (answer, said) in [
            ("<think>\n2 + 2\n</think>\nIt is 4.", "It is 4."),
            ("2 + 2</think> 4", "4"),
            ("<think>for ever", ""),
            ("It is 4.", "It is 4."),
        ] {
            assert_eq!(without_thoughts(answer), said, "{answer}");
        }
    }

    #[test]
    fn what_an_answer_writes_is_not_filled_in() {
        let text = filled(
            "{question}|{answer_a}|{answer_b}|{x}",
            [("question", "{answer_a}"), ("answer_a", "{question}"), ("answer_b", "b")],
        );
        assert_eq!(text, "{answer_a}|{question}|b|{x}");
    }
}
