//! One HTTP request with JSON both ways, and what its end means: an answer, a server that is busy or
//! broken (try again), a request that is at fault, or a run that can go no further.

use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use ureq::{Agent, Body, http::Response};

use super::{LOOK, ServerConfig};
use crate::{Error, Stop, clock};

/// Longest answer that is read. A long completion with log-probabilities is a few megabytes.
const MAX_ANSWER: u64 = 64 << 20;
/// Longest part of a server's message that is passed on, in characters.
const MAX_MESSAGE: usize = 300;

/// How one request ended.
#[derive(Debug, PartialEq)]
pub(crate) enum Attempt<T> {
    /// Answered.
    Done(T),
    /// Not now: the server has too much to do, and may have said for how long.
    Busy(Option<Duration>),
    /// The server or the way to it failed; another try may not.
    Broken(String),
    /// This request is refused, and would be again.
    Refused(String),
    /// There is no such thing on the server: a path, or a model.
    Missing(Missing),
    /// Every request would be refused.
    Hopeless(String),
}

/// What a server says that does not have what it was asked for (404).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    /// Whether it says so of the request's model, not of the path.
    pub(crate) is_model: bool,
    /// What it says.
    pub(crate) reason: String,
}

impl<T> Attempt<T> {
    /// What `next` makes of an answer; every other end stays as it is.
    pub(crate) fn and_then<U>(self, next: impl FnOnce(T) -> Attempt<U>) -> Attempt<U> {
        match self {
            Self::Done(answer) => next(answer),
            Self::Busy(after) => Attempt::Busy(after),
            Self::Broken(reason) => Attempt::Broken(reason),
            Self::Refused(reason) => Attempt::Refused(reason),
            Self::Missing(missing) => Attempt::Missing(missing),
            Self::Hopeless(reason) => Attempt::Hopeless(reason),
        }
    }
}

/// Speaks to one server.
pub(crate) struct Http {
    speaker: Arc<Speaker>,
    stop: Stop,
}

/// What a thread with a request under way needs.
struct Speaker {
    agent: Agent,
    /// The URL before `/v1`.
    root: String,
    key: Option<String>,
    key_from: String,
}

impl Http {
    /// For a server; requests under way are left a while after `stop` was set.
    ///
    /// # Errors
    /// When it is no URL of HTTP.
    pub(crate) fn new(config: &ServerConfig, stop: &Stop) -> Result<Self, Error> {
        let (url, timeout, connections) = (&config.url, config.timeout, config.concurrency);
        let (key, key_from) = (config.key.clone(), config.key_from.clone());
        let root = url.trim_end_matches('/');
        let root = root.strip_suffix("/v1").unwrap_or(root).to_owned();
        let host = host_of(&root).ok_or_else(|| {
            Error::Setting(format!(
                "the server is `{url}`, expected an address such as http://127.0.0.1:8080"
            ))
        })?;
        if key.as_ref().is_some_and(|key| !key.bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err(Error::Setting(format!(
                "the key of {key_from} has a line break, a blank or another character that no key has; \
                 set it without"
            )));
        }
        let mut agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(timeout))
            .timeout_connect(Some(timeout.min(Duration::from_secs(30))))
            .max_idle_connections(connections)
            .max_idle_connections_per_host(connections);
        if is_local(host) {
            agent = agent.proxy(None);
        }
        let speaker = Arc::new(Speaker { agent: agent.build().into(), root, key, key_from });
        Ok(Self { speaker, stop: stop.clone() })
    }

    /// GET.
    pub(crate) fn get(&self, path: &str) -> Attempt<Value> {
        let path = path.to_owned();
        self.in_time(move |speaker| speaker.get(&path))
    }

    /// POST of a JSON body.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Attempt<Value> {
        let (path, body) = (path.to_owned(), body.to_string());
        self.in_time(move |speaker| speaker.post(&path, &body))
    }

    /// A request on a thread of its own, for nothing but its end ends one that is blocked: it is left
    /// to itself when everything shall stop.
    fn in_time(
        &self,
        request: impl FnOnce(&Speaker) -> Attempt<Value> + Send + 'static,
    ) -> Attempt<Value> {
        let (send, receive) = sync_channel(1);
        let speaker = Arc::clone(&self.speaker);
        let asking = move || drop(send.send(request(&speaker)));
        if let Err(error) = std::thread::Builder::new().spawn(asking) {
            return Attempt::Broken(format!("there is no thread for a request ({error})"));
        }
        loop {
            match receive.recv_timeout(LOOK) {
                Ok(attempt) => return attempt,
                Err(RecvTimeoutError::Timeout) if self.stop.is_overdue() => {
                    return Attempt::Broken("the request was left".to_owned());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Attempt::Broken("the request's thread panicked".to_owned());
                }
            }
        }
    }
}

impl Speaker {
    fn get(&self, path: &str) -> Attempt<Value> {
        let mut request = self.agent.get(format!("{}{path}", self.root));
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        self.attempt(request.call())
    }

    fn post(&self, path: &str, body: &str) -> Attempt<Value> {
        let mut request = self.agent.post(format!("{}{path}", self.root));
        request = request.header("content-type", "application/json");
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        self.attempt(request.send(body))
    }

    fn attempt(&self, response: Result<Response<Body>, ureq::Error>) -> Attempt<Value> {
        let mut response = match response {
            Ok(response) => response,
            Err(error) => return self.broken(&error),
        };
        let status = response.status().as_u16();
        let after = response.headers().get("retry-after").and_then(|text| text.to_str().ok());
        let after = after.and_then(|text| clock::retry_after(text, SystemTime::now()));
        let body = response.body_mut().with_config().limit(MAX_ANSWER).read_to_vec();
        match body {
            Ok(body) => self.judge(status, after, &body),
            Err(error) => self.broken(&error),
        }
    }

    fn broken(&self, error: &ureq::Error) -> Attempt<Value> {
        let reason = match error {
            ureq::Error::Io(error) if error.kind() == ErrorKind::ConnectionRefused => {
                "it does not take connections".to_owned()
            }
            ureq::Error::Timeout(_) => "it did not answer in time".to_owned(),
            ureq::Error::BodyExceedsLimit(_) => {
                format!("its answer is longer than {} MiB", MAX_ANSWER >> 20)
            }
            ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
                return Attempt::Hopeless(format!("{} is no address of a server", self.root));
            }
            other => other.to_string(),
        };
        Attempt::Broken(format!("the server at {} failed: {reason}", self.root))
    }

    fn judge(&self, status: u16, after: Option<Duration>, body: &[u8]) -> Attempt<Value> {
        if (200..300).contains(&status) {
            return match serde_json::from_slice(body) {
                Ok(value) => Attempt::Done(value),
                Err(error) => Attempt::Broken(format!(
                    "the server at {} answered with what is no JSON ({error})",
                    self.root
                )),
            };
        }
        let Said { code, is_model, message } = said(body);
        let said = format!("the server at {} says {status}: {message}", self.root);
        match status {
            401 | 403 => {
                Attempt::Hopeless(format!("{said}; give a key that it knows ({})", self.key_from))
            }
            404 => Attempt::Missing(Missing { is_model, reason: said }),
            402 | 405 => Attempt::Hopeless(said),
            429 if code == "insufficient_quota" => Attempt::Hopeless(said),
            429 | 503 if status == 429 || after.is_some() => Attempt::Busy(after),
            408 | 409 | 425 | 500.. => Attempt::Broken(said),
            _ => Attempt::Refused(said),
        }
    }
}

/// What the body of a refusal says.
struct Said {
    /// OpenAI's code of the error; empty without one.
    code: String,
    /// Whether the request's model is at fault, in OpenAI's words or in vLLM's.
    is_model: bool,
    message: String,
}

/// Reads an error in OpenAI's envelope, or what else the body says.
fn said(body: &[u8]) -> Said {
    let json: Value = serde_json::from_slice(body).unwrap_or_default();
    let error = &json["error"];
    let texts = [&error["message"], error, &json["message"], &json["detail"]];
    let text = texts.iter().find_map(|text| text.as_str().map(str::to_owned));
    let text = text.or_else(|| validation(&json["detail"]));
    let mut text = text.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned());
    if let Some(field) = error["param"].as_str().filter(|field| !text.contains(field)) {
        text = format!("{field}: {text}");
    }
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let short: String = text.chars().take(MAX_MESSAGE).collect();
    let of_vllm = [&error["type"], &json["type"]].iter().any(|kind| **kind == "NotFoundError");
    Said {
        code: error["code"].as_str().unwrap_or_default().to_owned(),
        is_model: error["code"] == "model_not_found" || error["param"] == "model" || of_vllm,
        message: if short.is_empty() { "no reason given".to_owned() } else { short },
    }
}

/// The complaints of a server that checks requests by pydantic: `body.seed: Extra inputs are not ...`.
fn validation(detail: &Value) -> Option<String> {
    let complaint = |one: &Value| {
        let way = one["loc"].as_array()?.iter();
        let way = way.map(|part| part.as_str().map_or_else(|| part.to_string(), str::to_owned));
        Some(format!("{}: {}", way.collect::<Vec<_>>().join("."), one["msg"].as_str()?))
    };
    let all: Vec<String> = detail.as_array()?.iter().filter_map(complaint).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// Whether a host is this machine.
fn is_local(host: &str) -> bool {
    let is_loopback = |ip: Ipv4Addr| ip.is_loopback() || ip.is_unspecified();
    let names = ["localhost", "[::1]", "[::]"];
    host.parse().is_ok_and(is_loopback) || names.iter().any(|name| host.eq_ignore_ascii_case(name))
}

/// Whether a URL of HTTP is of a server on this machine.
pub fn is_on_this_machine(url: &str) -> bool {
    host_of(url).is_some_and(is_local)
}

/// The host of a URL of HTTP, without port and credentials.
fn host_of(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"))?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    let host = match host.rfind(']') {
        Some(end) => &host[..=end],
        None => host.split(':').next()?,
    };
    (!host.is_empty()).then_some(host)
}

/// Whether two URLs of HTTP are of one scheme, host and port.
pub fn same_origin(one: &str, other: &str) -> bool {
    let place = |url: &str| {
        let url = without_credentials(url);
        let (scheme, rest) = url.split_once("://")?;
        let authority = rest.split(['/', '?', '#']).next()?;
        Some((scheme.to_ascii_lowercase(), authority.to_ascii_lowercase()))
    };
    place(one).is_some_and(|one| Some(one) == place(other))
}

/// A URL without its credentials.
pub(crate) fn without_credentials(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            let start = rest[..end].rfind('@').map_or(0, |at| at + 1);
            format!("{scheme}://{}", &rest[start..])
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(status: u16, body: &str) -> Attempt<Value> {
        let http = Http::new(&ServerConfig::new("http://x/v1/"), &Stop::default()).unwrap();
        http.speaker.judge(status, None, body.as_bytes())
    }

    #[test]
    fn a_status_decides_whether_another_try_may_help() {
        assert_eq!(judge(200, "{\"a\": 1}"), Attempt::Done(serde_json::json!({"a": 1})));
        assert!(matches!(judge(200, "{\"a\": "), Attempt::Broken(_)));
        assert_eq!(judge(429, ""), Attempt::Busy(None));
        let quota = r#"{"error": {"code": "insufficient_quota", "message": "pay"}}"#;
        assert!(matches!(judge(429, quota), Attempt::Hopeless(_)));
        for status in [408, 500, 502, 503, 504, 529] {
            assert!(matches!(judge(status, "x"), Attempt::Broken(_)), "{status}");
        }
        for status in [400, 413, 422] {
            assert!(matches!(judge(status, "x"), Attempt::Refused(_)), "{status}");
        }
        for status in [401, 402, 403, 405] {
            assert!(matches!(judge(status, "x"), Attempt::Hopeless(_)), "{status}");
        }
    }

    #[test]
    fn a_model_that_is_not_there_is_told_from_a_path_that_is_not() {
        let is_model = |body: &str| match judge(404, body) {
            Attempt::Missing(missing) => missing.is_model,
            other => panic!("{other:?}"),
        };
        // OpenAI and ourselves, vLLM now and before.
        for body in [
            r#"{"error": {"message": "no model x", "code": "model_not_found", "param": "model"}}"#,
            r#"{"error": {"message": "no x", "type": "NotFoundError", "param": "model", "code": 404}}"#,
            r#"{"object": "error", "message": "no x", "type": "NotFoundError", "code": 404}"#,
        ] {
            assert!(is_model(body), "{body}");
        }
        // FastAPI's own, OpenAI's, llama.cpp's, Ollama's.
        for body in [
            r#"{"detail": "Not Found"}"#,
            r#"{"error": {"message": "Unknown request URL: POST /tokenize", "code": "unknown_url"}}"#,
            r#"{"error": {"message": "File Not Found", "type": "not_found_error", "code": 404}}"#,
            "404 page not found",
        ] {
            assert!(!is_model(body), "{body}");
        }
    }

    #[test]
    fn a_message_is_found_wherever_servers_put_it() {
        let of = |body: &str| said(body.as_bytes()).message;
        assert_eq!(of(r#"{"error": {"message": "a  b\nc"}}"#), "a b c");
        assert_eq!(of(r#"{"error": "plain"}"#), "plain");
        assert_eq!(of(r#"{"detail": "fast"}"#), "fast");
        assert_eq!(of(r#"{"error": {"message": "bad", "param": "seed"}}"#), "seed: bad");
        assert_eq!(of(r#"{"error": {"message": "bad seed", "param": "seed"}}"#), "bad seed");
        let pydantic = r#"{"detail": [{"loc": ["body", "seed"], "msg": "no"},
            {"loc": ["body", "stop", 0], "msg": "long", "input": "x"}]}"#;
        assert_eq!(of(pydantic), "body.seed: no; body.stop.0: long");
        assert_eq!(of(r#"{"detail": []}"#), r#"{"detail": []}"#);
        assert_eq!(of("<html>"), "<html>");
        assert_eq!(of(""), "no reason given");
        assert_eq!(of(&"x".repeat(10_000)).len(), MAX_MESSAGE);
    }

    #[test]
    fn a_key_that_no_header_holds_is_named_and_not_shown() {
        for bad in ["sk-secret\n", "sk secret", "sk-sécret"] {
            let mut config = ServerConfig::new("http://x");
            config.key = Some(bad.to_owned());
            let said = Http::new(&config, &Stop::default()).err().unwrap().to_string();
            assert!(said.starts_with("the key of its settings has a line break"), "{said}");
            assert!(!said.contains("secret"), "{said}");
        }
    }

    #[test]
    fn addresses_are_read_and_credentials_left_out() {
        assert_eq!(host_of("http://u:p@h:1/x"), Some("h"));
        assert_eq!(host_of("https://[::1]:8080"), Some("[::1]"));
        assert_eq!(host_of("localhost:8080"), None);
        assert_eq!(host_of("http://:80"), None);
        assert_eq!(without_credentials("https://u:p@h:1/x@y"), "https://h:1/x@y");
        assert_eq!(without_credentials("http://h"), "http://h");
        assert!(same_origin("http://u:p@H:1/v1", "http://h:1"));
        for other in ["http://h:2", "https://h:1", "http://h.x:1", "h:1"] {
            assert!(!same_origin("http://h:1", other), "{other}");
        }
    }
}
