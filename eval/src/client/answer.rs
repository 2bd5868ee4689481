//! One answer of a model: the request's body, and what is read of the reply, nothing of it trusted to
//! be there.

use std::time::Instant;

use serde_json::{Map, Value, json};

use super::http::Attempt;
use super::{Client, Manner, Trouble};
use crate::question::Question;
use crate::{Sampling, Usage};

/// How one answer is drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draw<'s> {
    /// The run's settings.
    pub(crate) sampling: &'s Sampling,
    /// This request's seed.
    pub(crate) seed: u64,
}

/// What a model answered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    /// The text.
    pub(crate) text: String,
    /// Why it ended.
    pub(crate) finish: String,
    /// What it cost.
    pub(crate) usage: Usage,
    /// The adapter's generation, where the server says.
    pub(crate) generation: Option<String>,
}

impl Client {
    /// Asks `model` one question.
    pub(crate) fn answer(
        &self,
        model: &str,
        question: &Question,
        draw: Draw<'_>,
    ) -> Result<Answer, Trouble> {
        self.tried(|| {
            let began = Instant::now();
            self.asked(model, question, draw).and_then(|reply| {
                let answer = read(&reply, question, began.elapsed().as_secs_f64());
                answer.map_or_else(Attempt::Broken, Attempt::Done)
            })
        })
    }

    /// Asks as the server is known to want it; where it refuses a field by name, once more without it.
    fn asked(&self, model: &str, question: &Question, draw: Draw<'_>) -> Attempt<Value> {
        let known = self.manner();
        let mut manner = known;
        loop {
            let body = body(model, question, draw, manner);
            let attempt = self.http.post(path(question), &body);
            match &attempt {
                Attempt::Refused(reason) => match manner.after(reason, &body) {
                    Some(next) => manner = next,
                    None => return attempt,
                },
                Attempt::Done(_) if manner != known => {
                    self.learn(manner);
                    return attempt;
                }
                _ => return attempt,
            }
        }
    }
}

fn path(question: &Question) -> &'static str {
    match question {
        Question::Chat { .. } => "/v1/chat/completions",
        Question::Text { .. } => "/v1/completions",
    }
}

fn body(model: &str, question: &Question, draw: Draw<'_>, manner: Manner) -> Value {
    let mut body = Map::new();
    body.insert("model".into(), model.into());
    let stop = match question {
        Question::Chat { messages, template, stop } => {
            body.insert("messages".into(), messages.clone());
            if !template.is_empty() {
                body.insert("chat_template_kwargs".into(), Value::Object(template.clone()));
            }
            stop
        }
        Question::Text { text, stop } => {
            body.insert("prompt".into(), text.as_str().into());
            stop
        }
    };
    let chat = matches!(question, Question::Chat { .. });
    let most = if chat && manner.newer_name { "max_completion_tokens" } else { "max_tokens" };
    body.insert(most.into(), draw.sampling.max_tokens.into());
    body.insert("temperature".into(), draw.sampling.temperature.into());
    let top_k = draw.sampling.top_k.map_or(Value::Null, Value::from);
    let optional =
        [("top_p", draw.sampling.top_p.into()), ("seed", draw.seed.into()), ("top_k", top_k)];
    for (name, value) in optional {
        if manner.sends(name) && !value.is_null() {
            body.insert(name.into(), value);
        }
    }
    if !stop.is_empty() {
        body.insert("stop".into(), json!(stop));
    }
    Value::Object(body)
}

/// The first choice of a reply; what is missing, in a sentence.
fn read(reply: &Value, question: &Question, seconds: f64) -> Result<Answer, String> {
    let choice = &reply["choices"][0];
    let (text, place) = match question {
        Question::Chat { .. } => (said(&choice["message"]), "choices[0].message.content"),
        Question::Text { .. } => (choice["text"].as_str().map(str::to_owned), "choices[0].text"),
    };
    let text = text.ok_or_else(|| format!("the server's answer has no {place}"))?;
    let tokens = |name: &str| reply["usage"][name].as_u64().and_then(|n| u32::try_from(n).ok());
    let refused = choice["message"]["refusal"].as_str().is_some_and(|text| !text.is_empty());
    let finish = if refused { Some("refusal") } else { choice["finish_reason"].as_str() };
    Ok(Answer {
        text,
        finish: finish.unwrap_or("unknown").to_owned(),
        usage: Usage {
            prompt_tokens: tokens("prompt_tokens"),
            completion_tokens: tokens("completion_tokens"),
            seconds: Some(seconds),
        },
        generation: reply["adapter_generation"].as_str().map(str::to_owned),
    })
}

/// What an assistant's message says. A server may hand the thinking out apart from the rest; the two
/// are one answer.
fn said(message: &Value) -> Option<String> {
    let thought =
        ["reasoning_content", "reasoning"].iter().find_map(|name| message[*name].as_str());
    let content = match &message["content"] {
        Value::String(text) => Some(text.clone()),
        // Where nothing but thoughts, or a refusal, came, there is a message without content.
        Value::Null if message.is_object() && message.get("content").is_some() => {
            Some(message["refusal"].as_str().unwrap_or_default().to_owned())
        }
        _ => None,
    }?;
    match thought.filter(|thought| !thought.is_empty()) {
        Some(thought) => Some(format!("<think>\n{thought}\n</think>\n{content}")),
        None => Some(content),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chat() -> Question {
        Question::Chat { messages: json!([]), template: Map::new(), stop: Vec::new() }
    }

    #[test]
    fn only_what_was_set_is_sent() {
        let sampling = Sampling {
            samples: 1,
            temperature: 0.5,
            top_p: 1.0,
            top_k: None,
            max_tokens: 9,
            seed: 0,
        };
        let draw = Draw { sampling: &sampling, seed: 7 };
        let asked = json!({"messages": [], "max_tokens": 9});
        let newer = Manner::default().after("use max_completion_tokens", &asked).unwrap();
        let text = Question::Text { text: "x".into(), stop: vec!["###".into()] };
        let expected = json!({"model": "m", "prompt": "x", "max_tokens": 9, "temperature": 0.5,
            "top_p": 1.0, "seed": 7, "stop": ["###"]});
        assert_eq!(body("m", &text, draw, newer), expected);
        let expected = json!({"model": "m", "messages": [], "max_completion_tokens": 9,
            "temperature": 0.5, "top_p": 1.0, "seed": 7});
        assert_eq!(body("m", &chat(), draw, newer), expected);
        let less = Manner::without(&["seed".to_owned(), "top_k".to_owned()]);
        let expected = json!({"model": "m", "messages": [], "max_tokens": 9, "temperature": 0.5,
            "top_p": 1.0});
        assert_eq!(body("m", &chat(), draw, less), expected);
    }

    #[test]
    fn thoughts_are_part_of_an_answer() {
        let reply = |message: Value| json!({"choices": [{"message": message}]});
        let text = |message| read(&reply(message), &chat(), 0.0).map(|answer| answer.text);
        assert_eq!(text(json!({"content": "4"})).unwrap(), "4");
        let both = json!({"content": "4", "reasoning_content": "2+2"});
        assert_eq!(text(both).unwrap(), "<think>\n2+2\n</think>\n4");
        assert_eq!(text(json!({"content": null, "refusal": "no"})).unwrap(), "no");
    }

    #[test]
    fn what_a_server_does_not_say_is_not_known() {
        let reply = json!({"choices": [{"message": {"content": null, "refusal": "I will not."},
            "finish_reason": "stop"}]});
        let refused = read(&reply, &chat(), 0.5).unwrap();
        assert_eq!((&*refused.text, &*refused.finish), ("I will not.", "refusal"));
        let unknown = Usage { prompt_tokens: None, completion_tokens: None, seconds: Some(0.5) };
        assert_eq!(refused.usage, unknown);
        let reply = json!({"choices": [{"message": {"content": "4", "refusal": null}}]});
        assert_eq!(read(&reply, &chat(), 0.0).unwrap().finish, "unknown");
    }

    #[test]
    fn a_reply_without_an_answer_is_named() {
        for reply in [
            json!(null),
            json!([]),
            json!({"choices": []}),
            json!({"choices": [3]}),
            json!({"choices": [{"message": {"content": 3}}]}),
            json!({"choices": [{"message": {}}]}),
        ] {
            let said = read(&reply, &chat(), 0.0).unwrap_err();
            assert_eq!(said, "the server's answer has no choices[0].message.content", "{reply}");
        }
    }
}
