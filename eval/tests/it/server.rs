//! A small OpenAI-like server on loopback, whose answers a test decides: it knows the requests, and can
//! refuse, break off and drag on as real ones do.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) body: Value,
    pub(crate) key: Option<String>,
    /// Which of all requests to this path, from 0.
    pub(crate) number: usize,
    /// Requests under way as it came, itself included.
    pub(crate) under_way: usize,
}

impl Request {
    pub(crate) fn text(&self, name: &str) -> &str {
        self.body[name].as_str().unwrap_or_default()
    }

    /// The last message, or the prompt.
    pub(crate) fn question(&self) -> &str {
        let messages = self.body["messages"].as_array();
        let last = messages.and_then(|turns| turns.last()).map(|turn| &turn["content"]);
        last.unwrap_or(&self.body["prompt"]).as_str().unwrap_or_default()
    }
}

/// What is sent back.
pub(crate) enum Reply {
    /// A status, further headers, and a body.
    Whole(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// The connection is dropped.
    Drop,
    /// The beginning of a body, and then the connection is dropped.
    Torn(Vec<u8>),
}

impl Reply {
    pub(crate) fn json(value: &Value) -> Self {
        Self::Whole(200, Vec::new(), value.to_string().into_bytes())
    }

    pub(crate) fn error(status: u16, message: &str) -> Self {
        let body = json!({"error": {"message": message, "code": null}});
        Self::Whole(status, Vec::new(), body.to_string().into_bytes())
    }

    /// A chat's answer.
    pub(crate) fn says(text: &str) -> Self {
        Self::json(&json!({
            "choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 7, "completion_tokens": 3},
        }))
    }
}

type Script = Box<dyn Fn(&Request) -> Reply + Send + Sync>;

struct Shared {
    script: Script,
    cards: Value,
    requests: Mutex<Vec<Request>>,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
    ended: AtomicBool,
}

/// Ends when it is dropped.
pub(crate) struct Server {
    pub(crate) url: String,
    shared: Arc<Shared>,
}

impl Server {
    /// Serves a base `initial` and an adapter `sft` of generation `g1` by a script.
    pub(crate) fn start(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let cards = json!({"data": [
            {"id": "initial", "parent": null, "adapter_generation": null},
            {"id": "sft", "parent": "initial", "adapter_generation": "g1"},
        ]});
        Self::with_cards(cards, script)
    }

    pub(crate) fn with_cards(
        cards: Value,
        script: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            script: Box::new(script),
            cards,
            requests: Mutex::new(Vec::new()),
            under_way: AtomicUsize::new(0),
            most_under_way: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
        });
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if serving.ended.load(Ordering::SeqCst) {
                    return;
                }
                let serving = Arc::clone(&serving);
                std::thread::spawn(move || stream.map(|stream| serving.connection(&stream)));
            }
        });
        Self { url, shared }
    }

    /// Every request but those for the list of models.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    pub(crate) fn most_under_way(&self) -> usize {
        self.shared.most_under_way.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // Wakes the listener, which then sees that it has ended.
        let _ = TcpStream::connect(self.url.trim_start_matches("http://"));
    }
}

impl Shared {
    /// Requests of one connection, until its client goes.
    fn connection(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        while let Some((path, key, body)) = read(&mut reader) {
            let now = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_under_way.fetch_max(now, Ordering::SeqCst);
            let reply = self.reply(path, key, &body, now);
            self.under_way.fetch_sub(1, Ordering::SeqCst);
            if write(stream, reply).is_none() {
                return;
            }
        }
    }

    fn reply(&self, path: String, key: Option<String>, body: &[u8], under_way: usize) -> Reply {
        if path == "/v1/models" {
            return Reply::json(&self.cards);
        }
        let body = serde_json::from_slice(body).unwrap_or_default();
        let mut requests = self.requests.lock().unwrap();
        let number = requests.iter().filter(|request| request.path == path).count();
        let request = Request { path, body, key, number, under_way };
        requests.push(request.clone());
        drop(requests);
        (self.script)(&request)
    }
}

/// Path, key and body of the next request.
fn read(reader: &mut BufReader<&TcpStream>) -> Option<(String, Option<String>, Vec<u8>)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let (mut length, mut key) = (0, None);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            "authorization" => key = Some(value.to_owned()),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((path, key, body))
}

/// `None` where the connection ends.
fn write(mut stream: &TcpStream, reply: Reply) -> Option<()> {
    match reply {
        Reply::Whole(status, headers, body) => {
            let mut head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len());
            for (name, value) in headers {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
            stream.write_all(format!("{head}\r\n").as_bytes()).ok()?;
            stream.write_all(&body).ok()
        }
        Reply::Drop => None,
        Reply::Torn(body) => {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len() + 100);
            stream.write_all(head.as_bytes()).ok()?;
            stream.write_all(&body).ok()?;
            None
        }
    }
}
