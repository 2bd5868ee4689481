//! The log-probability of given continuations: a completion of no tokens, with `echo` and `logprobs`.
//! Which tokens are the continuation's is known from the server's `/tokenize` for a conversation, and by
//! where tokens begin in the text (`text_offset`) for a text.

use serde_json::{Map, Value, json};

use super::http::Attempt;
use super::{Client, Trouble};
use crate::question::Question;

/// What a continuation scored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scored {
    /// The sum of its tokens' log-probabilities (natural logarithm).
    pub(crate) log_prob: f64,
    /// Its tokens.
    pub(crate) tokens: usize,
}

/// A text to be scored, and what of it is the continuation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tokens {
    /// Token ids; the continuation begins at that one.
    Ids(Vec<u32>, usize),
    /// A text; the continuation begins at that character.
    Text(String, usize),
}

impl Client {
    /// The log-probability that `model` gives `tokens`' continuation, and the generation that the
    /// server named.
    pub(crate) fn score(
        &self,
        model: &str,
        tokens: &Tokens,
    ) -> Result<(Scored, Option<String>), Trouble> {
        let ask = |most: usize| {
            self.tried(|| match self.http.post("/v1/completions", &body(model, tokens, most)) {
                Attempt::Done(reply) => {
                    let scored = read(&reply, tokens);
                    let generation = reply["adapter_generation"].as_str().map(str::to_owned);
                    scored
                        .map_or_else(Attempt::Broken, |scored| Attempt::Done((scored, generation)))
                }
                Attempt::Busy(after) => Attempt::Busy(after),
                Attempt::Broken(reason) => Attempt::Broken(reason),
                Attempt::Refused(reason) => Attempt::Refused(reason),
                Attempt::Hopeless(reason) => Attempt::Hopeless(reason),
            })
        };
        match ask(0) {
            // Some servers generate at least one token; it is told from the echoed ones.
            Err(Trouble::Request(reason)) if reason.contains("max_tokens") => ask(1),
            other => other,
        }
    }

    /// The token ids of a conversation that is to be answered, once for all its answers; `None` for a
    /// text, which is scored by itself.
    pub(crate) fn opening(
        &self,
        model: &str,
        question: &Question,
    ) -> Result<Option<Vec<u32>>, Trouble> {
        match question {
            Question::Text { .. } => Ok(None),
            Question::Chat { messages, template, .. } => {
                let turns = messages.as_array().map_or(&[][..], Vec::as_slice);
                self.tokenize(model, turns, template, true).map(Some)
            }
        }
    }

    /// `answer` as what follows `question`, whose `opening` is known. A conversation goes through the
    /// server's tokenizer, for its text is the server's secret.
    pub(crate) fn continuation(
        &self,
        model: &str,
        (question, opening): (&Question, Option<&[u32]>),
        answer: &str,
    ) -> Result<Tokens, Trouble> {
        match question {
            Question::Text { text, .. } => {
                Ok(Tokens::Text(format!("{text}{answer}"), text.chars().count()))
            }
            Question::Chat { messages, template, .. } => {
                let before = opening.unwrap_or_default();
                let mut whole = messages.as_array().cloned().unwrap_or_default();
                whole.push(json!({"role": "assistant", "content": answer}));
                let all = self.tokenize(model, &whole, template, false)?;
                // A template may write the turn's beginning otherwise once it is answered.
                let same = before.iter().zip(&all).take_while(|(one, other)| one == other).count();
                if same == all.len() {
                    return Err(Trouble::Request("the answer has no tokens".to_owned()));
                }
                Ok(Tokens::Ids(all, same))
            }
        }
    }

    /// A conversation's token ids.
    fn tokenize(
        &self,
        model: &str,
        messages: &[Value],
        template: &Map<String, Value>,
        generation_prompt: bool,
    ) -> Result<Vec<u32>, Trouble> {
        let mut body = json!({
            "model": model,
            "messages": messages,
            "add_generation_prompt": generation_prompt,
        });
        if !template.is_empty() {
            body["chat_template_kwargs"] = Value::Object(template.clone());
        }
        let reply = self.tried(|| self.http.post("/tokenize", &body)).map_err(|trouble| {
            match trouble {
                Trouble::Run(reason) if reason.contains(" says 404") => Trouble::Run(
                    "the server has no /tokenize, without which a conversation cannot be scored by \
                     log-probabilities; choose a prompt that is a text (--prompt)"
                        .to_owned(),
                ),
                other => other,
            }
        })?;
        let ids = reply["tokens"].as_array().and_then(|list| {
            list.iter().map(|id| u32::try_from(id.as_u64()?).ok()).collect::<Option<Vec<u32>>>()
        });
        ids.ok_or_else(|| Trouble::Request("the server's /tokenize gave no tokens".to_owned()))
    }
}

fn body(model: &str, tokens: &Tokens, most: usize) -> Value {
    let prompt = match tokens {
        Tokens::Ids(ids, _) => json!(ids),
        Tokens::Text(text, _) => json!(text),
    };
    json!({
        "model": model,
        "prompt": prompt,
        "echo": true,
        "logprobs": 1,
        "max_tokens": most,
        "temperature": 0.0,
    })
}

/// Sums what belongs to the continuation; what is missing, in a sentence.
fn read(reply: &Value, tokens: &Tokens) -> Result<Scored, String> {
    let lists = &reply["choices"][0]["logprobs"];
    let missing = |name: &str| format!("the server's answer has no choices[0].logprobs.{name}");
    let log_probs = lists["token_logprobs"].as_array().ok_or_else(|| missing("token_logprobs"))?;
    let range = match tokens {
        Tokens::Ids(ids, first) => *first..ids.len(),
        Tokens::Text(text, first) => {
            let offsets = lists["text_offset"].as_array().ok_or_else(|| missing("text_offset"))?;
            within(offsets, *first, text.chars().count())
        }
    };
    let at_the_beginning = range.start == 0;
    let of_continuation =
        log_probs.get(range).filter(|list| !list.is_empty()).ok_or_else(|| {
            "the server's log-probabilities do not reach the continuation: does it support echo?"
                .to_owned()
        })?;
    // The very first token of a text is predicted by nothing, and is the only one without a number.
    let unpredicted = usize::from(at_the_beginning && of_continuation[0].is_null());
    let numbers = of_continuation[unpredicted..].iter().map(Value::as_f64);
    let summed: Vec<f64> = numbers
        .collect::<Option<_>>()
        .ok_or_else(|| "the server's answer has a token without a log-probability".to_owned())?;
    Ok(Scored { log_prob: summed.iter().sum(), tokens: summed.len() })
}

/// The tokens whose text begins in `first..end`; the one that reaches over `first` is the
/// continuation's too.
fn within(offsets: &[Value], first: usize, end: usize) -> std::ops::Range<usize> {
    let offset = |place: usize| offsets.get(place).and_then(Value::as_u64).unwrap_or(u64::MAX);
    let (first, end) = (first as u64, end as u64);
    let stop = (0..offsets.len()).find(|&at| offset(at) >= end).unwrap_or(offsets.len());
    let start = (0..stop).find(|&at| offset(at) >= first).unwrap_or(stop);
    let straddles = start > 0 && (start == stop || offset(start) > first);
    start - usize::from(straddles)..stop
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(log_probs: Value, offsets: Value) -> Value {
        json!({"choices": [{"logprobs": {"token_logprobs": log_probs, "text_offset": offsets}}]})
    }

    #[test]
    fn a_continuation_is_found_by_where_its_tokens_begin() {
        // "ab" + "cde" as a|b|cd|e, then a generated token.
        let tokens = Tokens::Text("abcde".into(), 2);
        let answer = reply(json!([null, -1.0, -2.0, -4.0, -8.0]), json!([0, 1, 2, 4, 5]));
        assert_eq!(read(&answer, &tokens).unwrap(), Scored { log_prob: -6.0, tokens: 2 });
        // a|bc|de: the token over the border counts.
        let answer = reply(json!([null, -1.0, -2.0]), json!([0, 1, 3]));
        assert_eq!(read(&answer, &tokens).unwrap(), Scored { log_prob: -3.0, tokens: 2 });
        // One token for all: nothing predicts it.
        let answer = reply(json!([null]), json!([0]));
        assert_eq!(read(&answer, &tokens).unwrap(), Scored { log_prob: 0.0, tokens: 0 });
    }

    #[test]
    fn ids_are_counted() {
        let tokens = Tokens::Ids(vec![5, 6, 7, 8], 2);
        let answer = reply(json!([null, -1.0, -2.0, -4.0, -8.0]), json!([0, 1, 2, 3, 4]));
        assert_eq!(read(&answer, &tokens).unwrap(), Scored { log_prob: -6.0, tokens: 2 });
    }

    #[test]
    fn replies_that_lack_something_are_refused() {
        let tokens = Tokens::Ids(vec![5, 6, 7], 1);
        for bad in [
            json!({}),
            json!(3),
            reply(json!([null, -1.0]), json!([])),
            reply(json!("x"), json!(null)),
            reply(json!([-1.0, "x", -1.0]), json!([0, 1, 2])),
            reply(json!([null, -1.0, null]), json!([0, 1, 2])),
            reply(json!([null, null, -1.0]), json!([0, 1, 2])),
        ] {
            assert!(read(&bad, &tokens).is_err(), "{bad}");
        }
        let text = Tokens::Text("abc".into(), 1);
        assert!(read(&reply(json!([null, -1.0]), json!(null)), &text).is_err());
    }
}
