//! What is refused: the status, the envelope, the headers.

use super::http::{receive, send};
use super::server::{Running, Wanted};
use serde_json::{Value, json};

/// A request, the field that is wrong with it, and the error's code.
type Case = (Value, &'static str, Option<&'static str>);

/// The answer to each case is a 400 with this field and code.
fn refused(server: &Running, path: &str, cases: Vec<Case>) {
    for (body, param, code) in cases {
        let answer = server.post(path, &body);
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
        let param = (!param.is_empty()).then_some(param);
        assert_eq!(
            (answer.error("param"), answer.error("code")),
            (json!(param), json!(code)),
            "{body}"
        );
        assert_eq!(answer.error("type"), "invalid_request_error");
        assert!(answer.error("message").as_str().is_some_and(|message| !message.is_empty()));
    }
}

#[test]
fn a_mistake_in_a_chat_names_its_field() {
    let server = Running::start(Wanted::default());
    let hi = json!([{"role": "user", "content": "hi"}]);
    let with = |name: &str, value: Value| json!({"model": "base", "messages": hi, name: value});
    let cases = vec![
        (json!({"messages": hi}), "model", None),
        (json!({"model": "base"}), "messages", None),
        (with("n", json!("2")), "n", Some("invalid_type")),
        (with("top_p", json!(7)), "top_p", None),
        (with("tool_choice", json!("required")), "tool_choice", Some("unsupported_parameter")),
        (
            with("response_format", json!({"type": "json_object"})),
            "response_format",
            Some("unsupported_parameter"),
        ),
        (with("nonsense", json!(1)), "nonsense", Some("unknown_parameter")),
    ];
    refused(&server, "/v1/chat/completions", cases);
    refused(
        &server,
        "/v1/chat/completions",
        vec![
            (with("tools", json!([1])), "tools[0]", None),
            (with("messages", json!([{"role": "user"}])), "messages[0].content", None),
        ],
    );
    let unknown = server.post("/v1/chat/completions", &json!({"model": "who", "messages": hi}));
    assert_eq!((unknown.status, unknown.error("code")), (404, json!("model_not_found")));
}

#[test]
fn a_mistake_in_a_completion_names_its_field() {
    let server = Running::start(Wanted::default());
    let with = |name: &str, value: Value| {
        let mut body = json!({"model": "base", "prompt": "x"});
        body[name] = value;
        body
    };
    let cases = vec![
        (with("prompt", json!("x".repeat(600))), "", Some("context_length_exceeded")),
        (with("max_tokens", json!(5000)), "", Some("context_length_exceeded")),
        (with("prompt", json!([9999])), "prompt", None),
        (with("prompt", json!("")), "prompt", None),
        (with("prompt", json!(vec!["x"; 200])), "prompt", None),
        (with("seed", json!(9_223_372_036_854_775_808_u64)), "seed", None),
        (with("temperature", json!(1e300)), "temperature", None),
        (with("best_of", json!(2)), "best_of", Some("unsupported_parameter")),
        (with("logprobs", json!(100)), "logprobs", None),
    ];
    refused(&server, "/v1/completions", cases);
}

/// So long a text is refused for its bytes: cutting up 8 MB takes a minute, and the answers here may
/// take no more than the sockets' patience.
#[test]
fn a_text_that_can_never_fit_is_refused_unread() {
    let server = Running::start(Wanted { max_body_bytes: 16 << 20, ..Wanted::default() });
    let long = "a ".repeat(4 << 20);
    let said = "a text of 8388608 bytes has at least";
    let conversation = json!([{"role": "user", "content": long}]);
    for (path, body, words) in [
        ("/v1/completions", json!({"model": "base", "prompt": long}), said),
        ("/tokenize", json!({"prompt": long}), said),
        ("/v1/chat/completions", json!({"model": "base", "messages": conversation}), "a text of"),
    ] {
        let answer = server.post(path, &body);
        assert_eq!((answer.status, answer.error("code")), (400, json!("context_length_exceeded")));
        let message = answer.error("message");
        assert!(message.as_str().unwrap().contains(words), "{path}: {message}");
    }
    let many = json!({"model": "base", "prompt": vec!["x"; 200]});
    assert_eq!(server.post("/v1/completions", &many).error("param"), "prompt");
}

#[test]
fn what_is_missing_is_named_as_it_is() {
    let server = Running::start(Wanted::default());
    let message = |path: &str, body: Value| {
        let answer = server.post(path, &body);
        assert_eq!(answer.status, 400, "{answer:?}");
        answer.error("message").as_str().unwrap().to_owned()
    };
    let neither = message("/tokenize", json!({}));
    assert_eq!(neither, "one of the fields `prompt` and `messages` is required");
    let both = json!({"prompt": "x", "messages": [{"role": "user", "content": "x"}]});
    assert!(message("/tokenize", both).contains("send one of the two"));
    let empty = message("/v1/load_lora_adapter", json!({"lora_name": "a", "lora_path": ""}));
    assert_eq!(empty, "`lora_path` must be a non-empty string, found \"\"");
}

#[test]
fn paths_methods_and_bodies() {
    let server = Running::start(Wanted { max_body_bytes: 1000, ..Wanted::default() });
    assert_eq!(server.get("/nowhere").status, 404);
    assert_eq!(server.get("/v1/completions").status, 405);
    let json = "content-type: application/json\r\nx-request-id: mine\r\n";
    let post = |body: &str, more: &str| {
        receive(send(server.address, "POST", "/v1/completions", body, more))
    };
    let broken = post("{", json);
    assert_eq!((broken.status, broken.header("x-request-id")), (400, Some("mine")));
    assert_eq!(post("{}", "content-type: text/plain\r\n").status, 415);
    assert_eq!(post(&format!("\"{}\"", "x".repeat(1000)), json).status, 413);
    assert!(server.get("/version").header("x-request-id").unwrap().starts_with("req_"));
    for answer in [server.get("/nowhere"), broken] {
        assert!(answer.error("message").is_string(), "{answer:?}");
    }
}

#[test]
fn a_key_guards_everything_but_health() {
    let server = Running::start(Wanted { api_key: Some("secret".into()), ..Wanted::default() });
    assert_eq!(server.get("/health").status, 200);
    for path in ["/v1/models", "/metrics", "/version", "/v1/lora_adapters"] {
        let answer = server.get(path);
        assert_eq!(
            (answer.status, answer.error("code")),
            (401, json!("invalid_api_key")),
            "{path}"
        );
        assert!(answer.header("x-request-id").is_some());
        let with_key = send(server.address, "GET", path, "", "authorization: Bearer secret\r\n");
        assert_eq!(receive(with_key).status, 200, "{path}");
    }
}
