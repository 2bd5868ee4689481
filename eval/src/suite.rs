//! `suite.toml`: an evaluation said as data. Where the problems come from, how they are asked, what
//! grades the answers, what is measured. Leaves out reading problems (`problems`), filling prompts
//! (`question`) and running anything.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::digest::sha256;
use crate::{Error, Measure, bundled};

/// One suite, as its file says it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// Its name on the command line.
    pub name: String,
    /// What it is called in a report.
    pub title: String,
    /// One or two sentences: what is asked and what counts.
    pub about: String,
    /// Where data and prompts come from, and under which licence.
    #[serde(default)]
    pub source: String,
    /// The problems.
    pub data: Data,
    /// What an arm is asked to do.
    #[serde(default)]
    pub task: Task,
    /// The prompt that is used unless another is asked for: a key of `prompts`.
    pub prompt: String,
    /// Prompts by name.
    pub prompts: BTreeMap<String, Prompt>,
    /// Settings of the grader, in its own words (`kind = "countdown"` ...). None for a task whose
    /// verdict needs no grader.
    #[serde(default)]
    pub grader: Option<rewards::Settings>,
    /// How answers are drawn unless flags say otherwise.
    #[serde(default)]
    pub sampling: SamplingDefaults,
    /// The k of pass@k.
    #[serde(default)]
    pub k: Vec<usize>,
    /// What is measured, headline first; everything the grader measures where nothing is said.
    #[serde(default)]
    pub measures: Vec<Measure>,
    /// What problems are broken down by.
    #[serde(default)]
    pub groups: Vec<Group>,
    /// SHA-256 of the file, in hex.
    #[serde(skip)]
    pub digest: String,
}

/// Where problems come from.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Files beside `suite.toml` (JSONL, parquet, CSV), read where no `--data` is given.
    #[serde(default)]
    pub files: Vec<String>,
    /// The field that names a problem; without it a problem is named by its place in the data,
    /// from 1.
    #[serde(default)]
    pub id: Option<String>,
    /// The field that holds a problem's date (ISO 8601), for `--start-date` and `--end-date`.
    #[serde(default)]
    pub date: Option<String>,
    /// Fields under other names: new name = where it is in the record, with dots between the parts
    /// (`metadata.func_name`). Every column is also there under its own name.
    #[serde(default)]
    pub fields: BTreeMap<String, String>,
    /// Rows of the whole data set by name, for `--split`, from 0: first, and one past the last.
    #[serde(default)]
    pub splits: BTreeMap<String, [usize; 2]>,
}

/// What an arm is asked to do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Task {
    /// Answer; the grader looks at the text.
    #[default]
    Generate,
    /// Give each option of a `choice` grader its log-probability as a continuation of the prompt;
    /// the most probable one is the answer.
    Choices {
        /// What stands between prompt and option.
        #[serde(default)]
        separator: String,
    },
    /// Prefer the better of two answers: by log-probabilities, less the reference arm's.
    Preference {
        /// The field with the better answer: a text, or messages that end with it.
        chosen: String,
        /// The field with the worse one.
        rejected: String,
    },
    /// Answer; a judge or a reward model compares with the reference arm's answer.
    Judge(Judging),
}

impl Task {
    /// How its judge is asked, where it has one.
    pub(crate) fn judging(&self) -> Option<&Judging> {
        match self {
            Self::Judge(judging) => Some(judging),
            Self::Generate | Self::Choices { .. } | Self::Preference { .. } => None,
        }
    }
}

/// How a judge is asked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judging {
    /// `pairwise` (both orders) or `reward` (a scalar for each answer).
    pub by: JudgeKind,
    /// The field with the answers to compare with; without it, the reference arm's.
    #[serde(default)]
    pub against: Option<String>,
    /// What a pairwise judge is asked: `{question}`, `{answer_a}` and `{answer_b}` are filled in.
    #[serde(default)]
    pub template: Option<String>,
}

impl Judging {
    /// Refuses a template by which the judge would not see what it is to compare.
    fn check(&self) -> Result<(), String> {
        let Some(template) = &self.template else { return Ok(()) };
        if self.by == JudgeKind::Reward {
            return Err("a reward model is asked without a `template`; leave it out".to_owned());
        }
        match ["{answer_a}", "{answer_b}"].iter().find(|field| !template.contains(**field)) {
            Some(field) => {
                Err(format!("`template` lacks {field}, so that the judge would not see it"))
            }
            None => Ok(()),
        }
    }
}

/// Kinds of judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JudgeKind {
    /// Two answers side by side, in both orders.
    Pairwise,
    /// One answer at a time gets a number (`reward:-1.23`).
    Reward,
}

/// How a problem is put to an arm: a conversation, or the text that a completion goes on from.
/// `{field}` stands for a problem's field, `{{` and `}}` for braces.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prompt {
    /// A conversation, for `/v1/chat/completions`.
    #[serde(default)]
    pub messages: Option<Vec<Message>>,
    /// The field that holds a conversation, for `/v1/chat/completions`; a last assistant turn is cut
    /// off.
    #[serde(default)]
    pub messages_from: Option<String>,
    /// A text to go on from, for `/v1/completions`.
    #[serde(default)]
    pub text: Option<String>,
    /// Pieces that depend on whether a field is there, usable as `{name}`.
    #[serde(default)]
    pub parts: BTreeMap<String, Part>,
    /// Texts that end an answer.
    #[serde(default)]
    pub stop: Vec<String>,
    /// Fields for the server's chat template (`chat_template_kwargs`).
    #[serde(default)]
    pub template: serde_json::Map<String, serde_json::Value>,
}

/// One turn.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// Its text, with fields in braces.
    pub content: String,
}

/// A piece of a prompt that depends on a field.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// The field (a list) whose items are the piece, one a line; instead of all below.
    #[serde(default)]
    pub lines_of: Option<String>,
    /// The field that is looked at: there, and neither empty nor null?
    #[serde(rename = "if", default)]
    pub field: Option<String>,
    /// The piece where it is.
    #[serde(default)]
    pub then: String,
    /// The piece where it is not.
    #[serde(rename = "else", default)]
    pub otherwise: String,
}

/// How answers are drawn where no flag says otherwise.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SamplingDefaults {
    /// Answers for each problem and arm.
    pub samples: usize,
    /// 0 is greedy.
    pub temperature: f64,
    /// Nucleus share.
    pub top_p: f64,
    /// Sent where given.
    pub top_k: Option<usize>,
    /// Most tokens of one answer.
    pub max_tokens: usize,
    /// What each request's seed is derived from.
    pub seed: u64,
}

impl Default for SamplingDefaults {
    fn default() -> Self {
        Self { samples: 1, temperature: 0.0, top_p: 1.0, top_k: None, max_tokens: 1024, seed: 0 }
    }
}

/// Something problems are broken down by.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Its name in reports and for `--where`.
    pub name: String,
    /// The field whose value is the group.
    #[serde(default)]
    pub field: Option<String>,
    /// The field (a list or text) whose length is the group.
    #[serde(default)]
    pub length_of: Option<String>,
    /// Problems by name.
    #[serde(default)]
    pub listed: Option<Listed>,
}

/// A group that some problems are put into one by one.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// The fields with a problem's names; the first that `values` has decides.
    pub by: Vec<String>,
    /// The group of each name.
    pub values: BTreeMap<String, String>,
    /// The group of all other problems.
    pub otherwise: String,
}

impl Suite {
    /// Reads the text of a `suite.toml`.
    ///
    /// # Errors
    /// When it is not TOML, misses something, or names what is not there.
    pub fn parse(text: &str, from: &str) -> Result<Self, Error> {
        let wrong = |reason: String| Error::Suite { path: from.to_owned(), reason };
        let mut suite: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(0, |span| text[..span.start].matches('\n').count() + 1);
            wrong(format!("line {line}: {}", error.message()))
        })?;
        suite.digest = sha256(text.as_bytes());
        suite.check().map_err(wrong)?;
        Ok(suite)
    }

    fn check(&self) -> Result<(), String> {
        if !self.prompts.contains_key(&self.prompt) {
            return Err(format!("`prompt` names `{}`, which `prompts` lacks", self.prompt));
        }
        for (name, prompt) in &self.prompts {
            let forms =
                [prompt.messages.is_some(), prompt.messages_from.is_some(), prompt.text.is_some()];
            if forms.iter().filter(|&&given| given).count() != 1 {
                return Err(format!(
                    "prompt `{name}` needs exactly one of `messages`, `messages_from` and `text`"
                ));
            }
            check_parts(name, prompt)?;
        }
        for group in &self.groups {
            let ways = [group.field.is_some(), group.length_of.is_some(), group.listed.is_some()];
            if ways.iter().filter(|&&given| given).count() != 1 {
                return Err(format!(
                    "group `{}` needs exactly one of `field`, `length_of` and `listed`",
                    group.name
                ));
            }
        }
        for measure in &self.measures {
            let rival = measure.beside.as_ref();
            let is_other = |rival: &String| {
                *rival != measure.name && self.measures.iter().any(|m| m.name == *rival)
            };
            if let Some(rival) = rival.filter(|rival| !is_other(rival)) {
                return Err(format!(
                    "measure `{}` is set beside `{rival}`, which is no other of the `measures`",
                    measure.name
                ));
            }
        }
        if self.task == Task::Generate && self.grader.is_none() {
            return Err("a task that generates needs a `[grader]`".to_owned());
        }
        self.grader.as_ref().map_or(Ok(()), check_tolerances)?;
        self.task.judging().map_or(Ok(()), Judging::check)
    }

    /// The prompt of that name, or the default one.
    ///
    /// # Errors
    /// When there is none of that name; the sentence lists those there are.
    pub fn prompt_named(&self, name: Option<&str>) -> Result<(&str, &Prompt), Error> {
        let name = name.unwrap_or(&self.prompt);
        self.prompts.get_key_value(name).map(|(name, prompt)| (name.as_str(), prompt)).ok_or_else(
            || Error::UnknownPrompt {
                suite: self.name.clone(),
                found: name.to_owned(),
                known: self.prompts.keys().cloned().collect::<Vec<_>>().join(", "),
            },
        )
    }
}

/// Refuses a tolerance by which nothing would be right, the right answer neither.
fn check_tolerances(grader: &rewards::Settings) -> Result<(), String> {
    let rewards::Settings::Numeric(numeric) = grader else { return Ok(()) };
    let both =
        [("tolerance", numeric.tolerance), ("relative_tolerance", numeric.relative_tolerance)];
    match both.iter().find(|(_, value)| !(value.is_finite() && *value >= 0.0)) {
        Some((name, value)) => Err(format!("`{name}` is {value}, expected a number from 0 on")),
        None => Ok(()),
    }
}

/// Whether every part says one thing.
fn check_parts(name: &str, prompt: &Prompt) -> Result<(), String> {
    for (part, told) in &prompt.parts {
        let is_choice = told.field.is_some();
        let has_pieces = !told.then.is_empty() || !told.otherwise.is_empty();
        if told.lines_of.is_some() == is_choice || (has_pieces && !is_choice) {
            return Err(format!(
                "part `{part}` of prompt `{name}` needs either `lines_of`, or `if` with `then` and `else`"
            ));
        }
    }
    Ok(())
}

/// Every suite that comes with the program.
///
/// # Errors
/// When one of them is broken, which a test rules out.
pub fn bundled_suites() -> Result<Vec<Suite>, Error> {
    bundled::SUITES.iter().map(|suite| Suite::parse(suite.toml, suite.name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_answer_is_right_within_less_than_nothing() {
        let said = |tolerance: &str| {
            let text = format!(
                "name = 's'\ntitle = 'S'\nabout = ''\nprompt = 'p'\n[data]\n[prompts.p]\ntext = 'x'\n\
                 [grader]\nkind = 'numeric'\n{tolerance}"
            );
            Suite::parse(&text, "s").map_or_else(|error| error.to_string(), |_| "good".to_owned())
        };
        assert_eq!(said("tolerance = 0.5\nrelative_tolerance = 0"), "good");
        assert!(said("tolerance = -1").contains("`tolerance` is -1, expected"));
        assert!(said("relative_tolerance = nan").contains("`relative_tolerance` is NaN"));
    }

    #[test]
    fn a_judge_must_see_both_answers() {
        let said = |by: &str, template: &str| {
            let text = format!(
                "name = 's'\ntitle = 'S'\nabout = ''\nprompt = 'p'\n[data]\n[prompts.p]\ntext = 'x'\n\
                 [task]\nkind = 'judge'\nby = '{by}'\ntemplate = '{template}'"
            );
            Suite::parse(&text, "s").map_or_else(|error| error.to_string(), |_| "good".to_owned())
        };
        assert_eq!(said("pairwise", "{question} {answer_a} {answer_b}"), "good");
        assert!(said("pairwise", "{answer_a}").contains("`template` lacks {answer_b}"));
        assert!(said("pairwise", "Which is better?").contains("`template` lacks {answer_a}"));
        assert!(said("reward", "{answer_a} {answer_b}").contains("leave it out"));
    }
}
