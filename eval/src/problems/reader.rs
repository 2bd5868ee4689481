//! From a record to a problem: filtered, put into groups, asked, and given its truth. Leaves out which
//! records there are.

use std::collections::{BTreeMap, BTreeSet};

use rewards::Grader;
use serde_json::{Map, Value, json};

use super::fields::{group_of, name_of, rename};
use super::pair::{answer, pair};
use super::{Problem, Selection, Truth};
use crate::clock::is_date;
use crate::digest::sha256_of;
use crate::home::Source;
use crate::question::Question;
use crate::{Error, Prompt, Suite, Task, records};

/// Makes problems of records.
pub(super) struct Reader<'s> {
    pub(super) suite: &'s Suite,
    pub(super) prompt: &'s Prompt,
    pub(super) chosen: &'s Selection,
    pub(super) grader: Option<&'s Grader>,
    pub(super) rows: std::ops::Range<usize>,
    /// The names of conditions that no record had so far.
    pub(super) unseen: BTreeSet<String>,
}

impl Reader<'_> {
    /// Adds the source's problems. `row` counts the records of all sources.
    pub(super) fn read(
        &mut self,
        source: &Source,
        row: &mut usize,
        list: &mut Vec<Problem>,
    ) -> Result<(), Error> {
        let mut records = records::open(source)?.enumerate();
        while !self.is_done(*row, list)
            && let Some((place, record)) = records.next()
        {
            let record = record?;
            let at = *row;
            *row += 1;
            if at < self.rows.start {
                continue;
            }
            let problem = self.problem(at, record).map_err(|reason| Error::Problem {
                path: source.name(),
                record: place + 1,
                reason,
            })?;
            list.extend(problem);
        }
        Ok(())
    }

    /// Whether no record from `row` on can be asked for: then none is read.
    pub(super) fn is_done(&self, row: usize, list: &[Problem]) -> bool {
        list.len() >= self.chosen.limit.unwrap_or(usize::MAX) || row >= self.rows.end
    }

    /// `None` where a filter says no.
    fn problem(&mut self, at: usize, record: Value) -> Result<Option<Problem>, String> {
        let Value::Object(mut fields) = record else {
            return Err("expected an object with the problem's fields".to_owned());
        };
        rename(&self.suite.data, &mut fields);
        let groups = self.groups(&fields)?;
        let (date, is_wanted) = (self.date(&fields), self.wanted(&fields, &groups));
        if !self.in_window(date.as_deref(), &fields)? || !is_wanted {
            return Ok(None);
        }
        let id = match &self.suite.data.id {
            Some(field) => name_of(field, &fields)?,
            None => (at + 1).to_string(),
        };
        let question = Question::of(self.prompt, &fields)?;
        let digest = sha256_of(&json!({"id": id, "record": fields}));
        let asked = sha256_of(&question.identity());
        let truth = self.truth(fields, &question)?;
        Ok(Some(Problem { id, groups, date, question, truth, digest, asked }))
    }

    fn truth(&self, fields: Map<String, Value>, question: &Question) -> Result<Truth, String> {
        let text = |field: &str| answer(&fields, field);
        match (&self.suite.task, self.grader) {
            (Task::Preference { chosen, rejected }, _) => {
                pair(&fields, [chosen, rejected], question)
            }
            (Task::Judge(judging), _) => {
                Ok(Truth::Rival(judging.against.as_deref().map(text).transpose()?))
            }
            (Task::Generate | Task::Choices { .. }, Some(grader)) => {
                let reference = grader.reference(&Value::Object(fields));
                reference.map(Truth::Reference).map_err(|failure| failure.to_string())
            }
            (Task::Generate | Task::Choices { .. }, None) => {
                Err("the suite has no grader".to_owned())
            }
        }
    }

    fn groups(&self, fields: &Map<String, Value>) -> Result<BTreeMap<String, String>, String> {
        let mut groups = BTreeMap::new();
        for group in &self.suite.groups {
            if let Some(value) = group_of(group, fields)? {
                groups.insert(group.name.clone(), value);
            }
        }
        Ok(groups)
    }

    /// The day of a record, where the suite says which field has it.
    fn date(&self, fields: &Map<String, Value>) -> Option<String> {
        day(fields.get(self.suite.data.date.as_deref()?)?).map(str::to_owned)
    }

    fn in_window(&self, date: Option<&str>, fields: &Map<String, Value>) -> Result<bool, String> {
        let (start, end) = (&self.chosen.start_date, &self.chosen.end_date);
        if start.is_none() && end.is_none() {
            return Ok(true);
        }
        let field = self.suite.data.date.as_deref();
        let field = field.ok_or("the suite names no `date` in [data]; leave the dates out")?;
        let date = date.ok_or_else(|| {
            let found = fields.get(field).map_or("nothing".to_owned(), Value::to_string);
            format!("the field `{field}` should be a date such as 2024-08-31, found {found}")
        })?;
        Ok(start.as_deref().is_none_or(|start| date >= start)
            && end.as_deref().is_none_or(|end| date <= end))
    }

    /// Whether the record meets every condition; one that lacks what a condition names does not.
    fn wanted(&mut self, fields: &Map<String, Value>, groups: &BTreeMap<String, String>) -> bool {
        let mut meets = true;
        for (name, value) in &self.chosen.wanted {
            if groups.contains_key(name) || fields.contains_key(name) {
                self.unseen.remove(name);
            }
            let found = groups.get(name).cloned().or_else(|| name_of(name, fields).ok());
            meets &= found.as_ref() == Some(value);
        }
        meets
    }
}

/// The day that a text begins with, as ISO 8601 writes it.
fn day(value: &Value) -> Option<&str> {
    let day = value.as_str()?.get(..10)?;
    is_date(day).then_some(day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_told_from_what_is_none() {
        for text in ["2024-02-29", "2024-02-29T07:08:09", "2024-02-29 07:08"] {
            assert_eq!(day(&json!(text)), Some("2024-02-29"), "{text}");
        }
        for bad in [
            json!("2023-02-29"),
            json!("yesterday!"),
            json!("2024-1-1"),
            json!("+2024-8-01"),
            json!(20_240_101),
            json!(null),
        ] {
            assert_eq!(day(&bad), None, "{bad}");
        }
    }
}
