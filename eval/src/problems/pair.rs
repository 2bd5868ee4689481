//! Given answers in a record: a text, or a conversation that ends with one. Checked to be the assistant's,
//! and, of two answers, to be answers to the same question, which is the one that is asked.

use serde_json::{Map, Value};

use super::Truth;
use crate::question::Question;

/// An answer with the turns before it, where it was given with them.
#[derive(Debug)]
struct Given<'v> {
    context: Option<&'v [Value]>,
    text: &'v str,
}

/// The answer in a field.
pub(super) fn answer(fields: &Map<String, Value>, field: &str) -> Result<String, String> {
    given(fields, field).map(|given| given.text.to_owned())
}

/// The better and the worse answer to `question`.
pub(super) fn pair(
    fields: &Map<String, Value>,
    [chosen, rejected]: [&str; 2],
    question: &Question,
) -> Result<Truth, String> {
    let (better, worse) = (given(fields, chosen)?, given(fields, rejected)?);
    if let (Some(one), Some(other)) = (better.context, worse.context) {
        let alike = one.len() == other.len()
            && one.iter().zip(other).all(|(one, other)| turn(one) == turn(other));
        if !alike {
            return Err(format!(
                "`{chosen}` and `{rejected}` answer different conversations: the turns before the last \
                 should be the same"
            ));
        }
    }
    for (field, context) in [(chosen, better.context), (rejected, worse.context)] {
        let Some(context) = context.filter(|context| !context.is_empty()) else { continue };
        if !is_asked(context, question) {
            return Err(format!(
                "the prompt does not ask what `{field}` answers: the {} turns before its last one should \
                 be in the prompt, one for one (`messages_from = \"{field}\"` asks just them)",
                context.len()
            ));
        }
    }
    Ok(Truth::Pair(better.text.to_owned(), worse.text.to_owned()))
}

fn given<'v>(fields: &'v Map<String, Value>, field: &str) -> Result<Given<'v>, String> {
    let wrong = || format!("the field `{field}` should be a text, or messages that end with one");
    match fields.get(field) {
        None => Err(format!("the field `{field}` is missing")),
        Some(Value::String(text)) => Ok(Given { context: None, text }),
        Some(Value::Array(turns)) => {
            let (last, context) = turns.split_last().ok_or_else(wrong)?;
            let (role, text) = turn(last).ok_or_else(wrong)?;
            if role != "assistant" {
                return Err(format!(
                    "the last turn of `{field}` is of the role `{role}`, expected `assistant`"
                ));
            }
            if context.iter().any(|one| turn(one).is_none()) {
                return Err(format!(
                    "the field `{field}` holds what is no message with role and content"
                ));
            }
            Ok(Given { context: Some(context), text })
        }
        Some(_) => Err(wrong()),
    }
}

/// A message's role and content.
fn turn(message: &Value) -> Option<(&str, &str)> {
    Some((message["role"].as_str()?, message["content"].as_str()?))
}

/// Whether a question holds every turn of a conversation and, where it is messages, no other but for
/// instructions before.
fn is_asked(context: &[Value], question: &Question) -> bool {
    let turns = context.iter().filter_map(turn);
    match question {
        Question::Text { text, .. } => {
            let mut rest = text.as_str();
            turns.into_iter().all(|(_, content)| match rest.find(content) {
                Some(at) => {
                    rest = &rest[at + content.len()..];
                    true
                }
                None => false,
            })
        }
        Question::Chat { messages, .. } => {
            let asked = messages.as_array().map(Vec::as_slice).unwrap_or_default();
            let asked: Vec<(&str, &str)> = asked.iter().filter_map(turn).collect();
            let own = asked.len().saturating_sub(context.len());
            let (before, asked) = asked.split_at(own);
            asked.len() == context.len()
                && before.iter().all(|(role, _)| *role == "system")
                && turns.zip(asked).all(|((role, content), (as_role, said))| {
                    role == *as_role && said.contains(content)
                })
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Prompt;

    fn of(record: Value, prompt: &str) -> Result<Truth, String> {
        let prompt: Prompt = toml::from_str(prompt).unwrap();
        let fields = record.as_object().unwrap();
        pair(fields, ["chosen", "rejected"], &Question::of(&prompt, fields).unwrap())
    }

    fn said(turns: &[&str]) -> Value {
        let roles = ["user", "assistant"].iter().cycle();
        roles.zip(turns).map(|(role, said)| json!({"role": role, "content": said})).collect()
    }

    const WRITTEN: &str = "messages = [{ role = \"user\", content = \"{prompt}\" }]";
    const GIVEN: &str = "messages_from = \"chosen\"";
    const INSTRUCTED: &str = "messages = [{ role = \"system\", content = \"Be brief.\" }, { role = \"user\", content = \"Q: {prompt}\" }]";
    const TEXT: &str = "text = \"Question: {prompt}\\nAnswer:\"";

    #[test]
    fn answers_to_what_is_asked_are_a_pair() {
        let record =
            json!({"prompt": "hi", "chosen": said(&["hi", "a"]), "rejected": said(&["hi", "b"])});
        for prompt in [WRITTEN, GIVEN, INSTRUCTED, TEXT] {
            let truth = of(record.clone(), prompt).unwrap();
            let Truth::Pair(better, worse) = truth else { panic!() };
            assert_eq!((&*better, &*worse), ("a", "b"));
        }
        let texts = json!({"prompt": "hi", "chosen": "a", "rejected": "a"});
        assert!(of(texts, WRITTEN).is_ok(), "equal answers are a tie, not a mistake");
        let long =
            [&["hi", "ho", "and?", "a"], &["hi", "ho", "and?", "b"]].map(|turns| said(turns));
        let record = json!({"prompt": "hi", "chosen": long[0], "rejected": long[1]});
        assert!(of(record, GIVEN).is_ok(), "the whole conversation is asked");
    }

    #[test]
    fn what_is_no_pair_is_refused() {
        let good = said(&["hi", "a"]);
        let long = said(&["hi", "ho", "and?", "b"]);
        for (prompt, chosen, rejected, reason) in [
            ("hi", good.clone(), said(&["hi"]), "last turn of `rejected` is of the role `user`"),
            ("hi", good.clone(), said(&["ho", "b"]), "answer different conversations"),
            ("hi", good.clone(), long.clone(), "answer different conversations"),
            ("ho", good.clone(), good.clone(), "the prompt does not ask what `chosen` answers"),
            ("hi", long.clone(), long.clone(), "the 3 turns before its last one"),
            ("hi", good.clone(), json!([]), "`rejected` should be a text"),
            ("hi", good.clone(), json!([3]), "`rejected` should be a text"),
            ("hi", json!([7, {"role": "assistant", "content": "a"}]), good.clone(), "no message"),
            ("hi", good.clone(), Value::Null, "`rejected` should be a text"),
        ] {
            let record = json!({"prompt": prompt, "chosen": chosen, "rejected": rejected});
            let said = of(record.clone(), WRITTEN).unwrap_err();
            assert!(said.contains(reason), "{record}: {said}");
        }
        let record = json!({"prompt": "hi", "chosen": long, "rejected": long});
        let said = of(record, TEXT).unwrap_err();
        assert!(said.contains("the prompt does not ask"), "{said}");
    }
}
