//! The log-probability of given continuations: a completion of no tokens, with `echo` and `logprobs`.
//! Which tokens are the continuation's is known from the server's `/tokenize` for a conversation, and by
//! where tokens begin in the text (`text_offset`) for a text.

use std::sync::atomic::Ordering;

use serde_json::{Map, Value, json};

use super::http::{Attempt, Missing};
use super::{Client, Trouble, manner};
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

const NO_ECHO: &str = "this server has no echo with logprobs, by which given answers are scored";

const UNFIT: &str = "the server's text_offset does not fit its tokens, so that nobody can tell which are \
                     the answer's; choose a prompt that is a conversation";

impl Client {
    /// The log-probability that `model` gives `tokens`' continuation, and the generation that the
    /// server named.
    pub(crate) fn score(
        &self,
        model: &str,
        tokens: &Tokens,
    ) -> Result<(Scored, Option<String>), Trouble> {
        let ask = |most: usize| {
            let body = body(model, tokens, most);
            self.tried(|| {
                self.http.post("/v1/completions", &body).and_then(|reply| scored(&reply, tokens))
            })
        };
        if self.wants_a_token.load(Ordering::Relaxed) {
            return ask(1);
        }
        match ask(0) {
            // Some servers generate at least one token; it is told from the echoed ones.
            Err(Trouble::Request(reason)) if manner::names(&reason, "max_tokens") => {
                self.wants_a_token.store(true, Ordering::Relaxed);
                ask(1)
            }
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
                Trouble::Missing(Missing { is_model: false, .. }) => Trouble::Run(
                    "the server has no /tokenize, without which a conversation cannot be scored by \
                     log-probabilities; choose a prompt that is a text"
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

/// What a reply tells of the continuation, and the generation that it names.
fn scored(reply: &Value, tokens: &Tokens) -> Attempt<(Scored, Option<String>)> {
    if !echoes(reply, tokens) {
        return Attempt::Hopeless(NO_ECHO.to_owned());
    }
    let generation = reply["adapter_generation"].as_str().map(str::to_owned);
    read(reply, tokens).map_or_else(Attempt::Broken, |scored| Attempt::Done((scored, generation)))
}

/// Whether a reply with a choice has the log-probabilities of the text that was sent.
fn echoes(reply: &Value, tokens: &Tokens) -> bool {
    let choice = &reply["choices"][0];
    let length = |name: &str| choice["logprobs"][name].as_array().map_or(0, Vec::len);
    let echoed = match tokens {
        Tokens::Ids(ids, _) => length("token_logprobs") >= ids.len(),
        Tokens::Text(..) => length("token_logprobs") > 0 && length("text_offset") > 0,
    };
    echoed || !choice.is_object()
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
            // The text's tokens are so many, where the server counts them; a generated one may follow.
            let counted = reply["usage"]["prompt_tokens"].as_u64().map(|count| count as usize);
            let counted = counted.filter(|count| (1..=offsets.len()).contains(count));
            let offsets = &offsets[..counted.unwrap_or(offsets.len())];
            let shift = match lists["tokens"].as_array() {
                Some(tokens) => shift((tokens, offsets), text, counted.is_some()).ok_or(UNFIT)?,
                None => 0,
            };
            let end = counted.map_or(text.chars().count() + shift, |_| usize::MAX);
            within(offsets, first + shift, end)
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

/// How many characters all offsets are too large by: those of what the server put before the text, and
/// counts. `None` where tokens do not fit the text, however the offsets are moved.
fn shift((tokens, offsets): (&[Value], &[Value]), text: &str, only: bool) -> Option<usize> {
    let places: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let offset = |at: usize| offsets.get(at).and_then(Value::as_u64).map(|offset| offset as usize);
    let fits = |(at, token): (usize, &Value), shift: usize| {
        let Some(moved) = offset(at).and_then(|offset| offset.checked_sub(shift)) else {
            return true;
        };
        let Some(rest) = places.get(moved).map(|&begins| &text[begins..]) else { return false };
        let token = token.as_str().unwrap_or_default();
        // A part of a character has no text of its own, and what takes no room is not in the text.
        let is_part = token.contains('\u{fffd}') || token.starts_with("bytes:");
        let takes_none = offset(at + 1) == offset(at);
        let is_generated = !only && rest.is_empty();
        is_part || takes_none || is_generated || rest.starts_with(token)
    };
    let all = || tokens.iter().take(offsets.len()).enumerate();
    // Up to two tokens stand before a text; the blank that some tokenizers put there is one character.
    let shifts = [Some(0), Some(1), offset(1), offset(2)];
    shifts.into_iter().flatten().find(|&shift| all().all(|token| fits(token, shift)))
}

/// The tokens whose text begins in `first..end`; the one that reaches over `first` is the
/// continuation's too, and the last part of the character before it is not.
fn within(offsets: &[Value], first: usize, end: usize) -> std::ops::Range<usize> {
    let offset = |place: usize| offsets.get(place).and_then(Value::as_u64).unwrap_or(u64::MAX);
    let (first, end) = (first as u64, end as u64);
    let stop = (0..offsets.len()).find(|&at| offset(at) >= end).unwrap_or(offsets.len());
    let start = (0..stop).find(|&at| offset(at) >= first).unwrap_or(stop);
    let start = (start..stop)
        .find(|&at| at + 1 == stop || offset(at) > first || offset(at + 1) > first)
        .unwrap_or(start);
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

    /// The reply of a server that names its tokens, and what it scores of `abcde` after `ab`.
    fn scores(tokens: &[&str], offsets: Value) -> Result<Scored, String> {
        let log_probs: Vec<Value> = (0..tokens.len())
            .map(|at| if at == 0 { Value::Null } else { json!(-(f64::from(1 << at))) })
            .collect();
        let mut reply = reply(json!(log_probs), offsets);
        reply["choices"][0]["logprobs"]["tokens"] = json!(tokens);
        read(&reply, &Tokens::Text("añcdé".into(), 2))
    }

    #[test]
    fn a_token_before_the_text_is_none_of_it() {
        let of = |log_prob, tokens| Ok(Scored { log_prob, tokens });
        // Not counted by the offsets, as they should be: <s>|añ|cd|é.
        assert_eq!(scores(&["<s>", "añ", "cd", "é"], json!([0, 0, 2, 4])), of(-12.0, 2));
        // Counted by them, as vLLM does.
        assert_eq!(scores(&["<s>", "añ", "cd", "é"], json!([0, 3, 5, 7])), of(-12.0, 2));
        // Without one, and a token that reaches over the border, and one that was generated.
        assert_eq!(scores(&["a", "ñcd", "é", "!"], json!([0, 1, 4, 5])), of(-6.0, 2));
        // The second half of a character begins none: it is no part of what follows.
        let halves = ["a", "\u{fffd}", "bytes:\\xb1", "cdé"];
        assert_eq!(scores(&halves, json!([0, 1, 2, 2])), of(-8.0, 1));
    }

    #[test]
    fn the_last_half_of_the_last_character_is_counted_where_the_server_counts_tokens() {
        let lists = json!({"token_logprobs": [null, -1.0, -2.0, -4.0, -8.0],
            "tokens": ["añ", "cd", "bytes:\\xc3", "bytes:\\xa9", "!"], "text_offset": [0, 2, 4, 5, 5]});
        let reply = json!({"choices": [{"logprobs": lists}], "usage": {"prompt_tokens": 4}});
        let read = read(&reply, &Tokens::Text("añcdé".into(), 2)).unwrap();
        assert_eq!(read, Scored { log_prob: -7.0, tokens: 3 });
    }

    #[test]
    fn offsets_that_fit_no_token_are_refused() {
        // Each half of a character counts as one, before the border and behind it.
        let tokens = ["a", "\u{fffd}", "\u{fffd}", "c", "\u{fffd}", "\u{fffd}", "x"];
        let log_probs = json!([null, -1.0, -1.0, -1.0, -1.0, -1.0, -1.0]);
        let mut reply = reply(log_probs, json!([0, 1, 2, 3, 4, 5, 6]));
        reply["choices"][0]["logprobs"]["tokens"] = json!(tokens);
        reply["usage"]["prompt_tokens"] = json!(7);
        assert_eq!(read(&reply, &Tokens::Text("añcéx".into(), 2)).unwrap_err(), UNFIT);
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
