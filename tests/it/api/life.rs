//! Clients that leave, queues that fill, servers that stop.

use super::http::receive;
use super::server::{Running, Wanted};
use serde_json::{Value, json};
use std::io::Read;
use std::net::TcpStream;
use std::time::Duration;
use wardrobe::engine::EngineConfig;

/// A request that runs for long enough to be caught running.
fn long(more: &Value) -> Value {
    let mut body = json!({
        "model": "base", "prompt": "x", "max_tokens": 500, "ignore_eos": true, "temperature": 0,
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

#[test]
fn a_client_that_leaves_frees_its_sequences() {
    let server = Running::start(Wanted::default());
    for more in [json!({"stream": true}), json!({"n": 3}), json!({"stream": true, "n": 2})] {
        let count = more["n"].as_u64().unwrap_or(1) as usize;
        let mut stream = server.begin("/v1/completions", &long(&more));
        server.until_running(count);
        if more["stream"] == true {
            stream.read_exact(&mut [0; 64]).unwrap();
        }
        let generated = || server.engine.stats().totals().generation_tokens;
        drop(stream);
        server.until_running(0);
        assert!(generated() < 3 * 500, "it was not merely waited for");
    }
    assert_eq!(server.engine.stats().finished.aborted, 6);
}

#[test]
fn a_full_queue_says_when_to_come_back() {
    let wanted = Wanted::default();
    let engine = EngineConfig { max_num_seqs: 1, max_queue: 1, ..wanted.engine.clone() };
    let server = Running::start(Wanted { engine, ..wanted });
    let first = server.begin("/v1/completions", &long(&json!({})));
    server.until_running(1);
    let streams: Vec<TcpStream> =
        (0..4).map(|_| server.begin("/v1/completions", &long(&json!({})))).collect();
    let answers: Vec<_> = streams.into_iter().map(receive).collect();
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status == 429).collect();
    assert!(!refused.is_empty() && refused.len() < 4, "one waits, the others are refused");
    for answer in refused {
        assert_eq!(answer.error("code"), "rate_limit_exceeded");
        assert!(answer.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    }
    assert_eq!(receive(first).status, 200);
}

#[test]
fn a_signal_lets_what_runs_finish() {
    let mut server = Running::start(Wanted::default());
    let streamed = server.begin("/v1/completions", &long(&json!({"stream": true})));
    let whole = server.begin("/v1/completions", &long(&json!({})));
    server.until_running(2);
    server.signal();
    let chunks = receive(streamed).chunks();
    assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], "length");
    let whole = receive(whole).json();
    assert_eq!(whole["usage"]["completion_tokens"], 500);
    server.join();
    assert!(TcpStream::connect(server.address).is_err(), "nobody listens any more");
}

#[test]
fn after_the_grace_period_the_server_ends_all_the_same() {
    let mut server = Running::start(Wanted { grace: Duration::from_secs(0), ..Wanted::default() });
    let streamed = server.begin("/v1/completions", &long(&json!({"stream": true, "n": 8})));
    server.until_running(8);
    server.signal();
    server.join();
    drop(streamed);
}
