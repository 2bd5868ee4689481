//! What is answered: the shapes that OpenAI's clients and lm-evaluation-harness read.

use super::server::{Running, Wanted};
use serde_json::{Value, json};

fn server() -> Running {
    Running::start(Wanted::default())
}

fn chat(model: &str) -> Value {
    json!({
        "model": model, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 12,
        "temperature": 0, "ignore_eos": true,
    })
}

fn with(mut body: Value, more: &Value) -> Value {
    let more = more.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(more);
    body
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn a_chat_answer_has_the_shape_of_openai() {
    let server = server();
    for (model, generation) in [("base", None), ("lora", Some(16))] {
        let answer = server.post("/v1/chat/completions", &chat(model)).json();
        let expected = [
            "id",
            "object",
            "created",
            "model",
            "system_fingerprint",
            "adapter_generation",
            "choices",
            "usage",
        ];
        assert_eq!(keys(&answer), expected);
        assert_eq!(answer["object"], "chat.completion");
        assert_eq!(answer["model"], model);
        assert_eq!(answer["adapter_generation"].as_str().map(str::len), generation);
        let choice = &answer["choices"][0];
        assert_eq!(choice["message"]["role"], "assistant");
        assert_eq!(
            (&choice["finish_reason"], &choice["logprobs"]),
            (&json!("length"), &Value::Null)
        );
        let prompt = "[user]hi\n[assistant]".len();
        let usage = json!({
            "prompt_tokens": prompt, "completion_tokens": 12, "total_tokens": prompt + 12,
            "prompt_tokens_details": {"cached_tokens": 0},
        });
        assert_eq!(answer["usage"], usage);
    }
}

#[test]
fn a_stream_says_what_the_whole_answer_says() {
    let server = server();
    let body =
        with(chat("lora"), &json!({"n": 2, "seed": 3, "temperature": 1.0, "logprobs": true}));
    let whole = server.post("/v1/chat/completions", &body).json();
    let more = json!({"stream": true, "stream_options": {"include_usage": true}});
    let stream = server.post("/v1/chat/completions", &with(body, &more));
    assert_eq!(stream.header("content-type"), Some("text/event-stream; charset=utf-8"));
    let chunks = stream.chunks();
    let mut texts = [String::new(), String::new()];
    let mut logprobs = [Vec::new(), Vec::new()];
    for chunk in &chunks {
        assert_eq!(chunk["id"], chunks[0]["id"]);
        assert_eq!(chunk["object"], "chat.completion.chunk");
        assert_eq!(chunk["adapter_generation"], whole["adapter_generation"]);
        for choice in chunk["choices"].as_array().unwrap() {
            let index = choice["index"].as_u64().unwrap() as usize;
            texts[index].push_str(choice["delta"]["content"].as_str().unwrap_or(""));
            let content = choice["logprobs"]["content"].as_array().cloned();
            logprobs[index].extend(content.unwrap_or_default());
        }
    }
    for index in 0..2 {
        let choice = &whole["choices"][index];
        assert_eq!(choice["message"]["content"], texts[index]);
        assert_eq!(choice["logprobs"]["content"], json!(logprobs[index]));
    }
    assert_ne!(texts[0], texts[1], "the choices of one seed draw apart");
    for first in &chunks[..2] {
        let delta = json!({"role": "assistant", "content": ""});
        assert_eq!((&first["choices"][0]["delta"], &first["usage"]), (&delta, &Value::Null));
    }
    let last = chunks.last().unwrap();
    assert_eq!((&last["choices"], &last["usage"]["completion_tokens"]), (&json!([]), &json!(24)));
}

#[test]
fn prompts_come_as_text_or_ids_single_or_in_lists() {
    let server = server();
    let text = |prompt: Value| {
        let body = json!({"model": "base", "prompt": prompt, "temperature": 0, "max_tokens": 6});
        let answer = server.post("/v1/completions", &body).json();
        let texts = answer["choices"].as_array().unwrap().iter().map(|c| c["text"].clone());
        texts.collect::<Vec<Value>>()
    };
    let ids: Vec<u8> = b"abc".to_vec();
    let alone = text(json!("abc"));
    assert_eq!(text(json!(ids)), alone);
    let two = [&alone[..], &text(json!("zz"))[..]].concat();
    assert_eq!(text(json!(["abc", "zz"])), two);
    assert_eq!(text(json!([ids, b"zz"])), two);
}

#[test]
fn a_text_is_scored_as_it_was_generated() {
    let server = server();
    let body = json!({
        "model": "dora", "prompt": "score me", "temperature": 0, "max_tokens": 9, "logprobs": 2,
        "ignore_eos": true, "return_token_ids": true,
    });
    let made = server.post("/v1/completions", &body).json();
    let made = &made["choices"][0];
    let mut ids = made["prompt_token_ids"].as_array().unwrap().clone();
    let start = ids.len();
    ids.extend(made["token_ids"].as_array().unwrap().clone());
    let body = json!({
        "model": "dora", "prompt": ids, "max_tokens": 0, "logprobs": 2, "echo": true,
    });
    let whole = server.post("/v1/completions", &body).json();
    let scored = &whole["choices"][0]["logprobs"];
    for name in ["tokens", "token_logprobs", "top_logprobs", "text_offset"] {
        assert_eq!(scored[name].as_array().unwrap().len(), ids.len(), "{name}");
    }
    assert_eq!(scored["token_logprobs"][0], Value::Null);
    let tail = json!(scored["token_logprobs"].as_array().unwrap()[start..]);
    assert_eq!(tail, made["logprobs"]["token_logprobs"], "to the bit");
    let offsets: Vec<usize> = serde_json::from_value(scored["text_offset"].clone()).unwrap();
    assert_eq!(offsets[..start], [0, 1, 2, 3, 4, 5, 6, 7]);

    let stream = server.post("/v1/completions", &with(body, &json!({"stream": true})));
    let chunks = stream.chunks();
    assert_eq!(chunks[0]["choices"][0]["logprobs"], *scored, "the echo comes as one chunk");
    assert_eq!(chunks[1]["choices"][0]["finish_reason"], "length");
}

#[test]
fn a_stop_string_ends_the_text_and_is_named() {
    let server = server();
    let whole = server.post("/v1/chat/completions", &chat("base")).json();
    let text = whole["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
    let stop: String = text.chars().skip(3).take(2).collect();
    let before = &text[..text.find(&stop).unwrap()];
    let stopping = with(chat("base"), &json!({ "stop": [stop] }));
    let answer = server.post("/v1/chat/completions", &stopping).json();
    let choice = &answer["choices"][0];
    assert_eq!(choice["message"]["content"], before);
    assert_eq!((&choice["finish_reason"], &choice["stop_reason"]), (&json!("stop"), &json!(stop)));
}

/// With its log-probabilities, whole and streamed: none of a token that the stop string took away.
#[test]
fn log_probs_end_where_the_text_does() {
    let server = server();
    let asked = with(chat("base"), &json!({"logprobs": true}));
    let whole = server.post("/v1/chat/completions", &asked).json();
    let text = whole["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
    let stop: String = text.chars().skip(4).take(3).collect();
    let before = &text[..text.find(&stop).unwrap()];
    let asked = with(asked, &json!({ "stop": stop }));
    let names = |content: &Value| -> String {
        content.as_array().unwrap().iter().map(|token| token["token"].as_str().unwrap()).collect()
    };
    let answer = server.post("/v1/chat/completions", &asked).json();
    let choice = &answer["choices"][0];
    assert_eq!(choice["message"]["content"], before);
    let kept = choice["logprobs"]["content"].as_array().unwrap().len();
    let all = whole["choices"][0]["logprobs"]["content"].as_array().unwrap();
    assert_eq!(names(&choice["logprobs"]["content"]), names(&json!(all[..kept])));
    assert!(kept > 0 && kept < all.len());
    let stream = server.post("/v1/chat/completions", &with(asked, &json!({"stream": true})));
    let mut streamed = Vec::new();
    for chunk in stream.chunks() {
        let content = chunk["choices"][0]["logprobs"]["content"].as_array().cloned();
        streamed.extend(content.unwrap_or_default());
    }
    assert_eq!(json!(streamed), choice["logprobs"]["content"]);
}

#[test]
fn tokens_and_back() {
    let server = server();
    let tokens =
        server.post("/tokenize", &json!({"prompt": "hé", "return_token_strs": true})).json();
    assert_eq!(tokens["tokens"], json!([0x68, 0xC3, 0xA9]));
    assert_eq!((&tokens["count"], &tokens["token_strs"][0]), (&json!(3), &json!("h")));
    let body = json!({"model": "base", "messages": [{"role": "user", "content": "x"}]});
    let count = "[user]x\n[assistant]".len();
    assert_eq!(server.post("/tokenize", &body).json()["count"], count);
    let text = server.post("/detokenize", &json!({"tokens": [0x68, 0x69]})).json();
    assert_eq!(text, json!({"prompt": "hi"}));
}
