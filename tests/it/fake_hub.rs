//! A small hub on the loopback that takes pushes to its one repository, `org/tiny`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use formats::digest::sha256;
use serde_json::{Value, json};

/// What the hub has seen and holds.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) repos: BTreeSet<String>,
    /// Whole files by SHA-256.
    pub(crate) stored: BTreeMap<String, Vec<u8>>,
    /// Parts on their way, by address.
    pub(crate) parts: BTreeMap<String, Vec<u8>>,
    pub(crate) commits: Vec<Vec<Value>>,
    /// Addresses that got bytes, in order.
    pub(crate) puts: Vec<String>,
    /// How many more uploads are answered 503.
    pub(crate) failing: usize,
    /// Send large files in parts of this size.
    pub(crate) part: Option<usize>,
    /// Where the hub wants the answer to a finished upload; its own address if empty.
    pub(crate) verify_at: String,
}

pub(crate) struct FakeHub {
    pub(crate) endpoint: String,
    pub(crate) state: Arc<Mutex<State>>,
}

struct Request {
    path: String,
    token: Option<String>,
    body: Vec<u8>,
}

impl FakeHub {
    pub(crate) fn start(state: State) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(state));
        let (shared, own) = (Arc::clone(&state), endpoint.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let Some(request) = read(&stream) else { continue };
                let (status, extra, body) = answer(&mut shared.lock().unwrap(), &own, request);
                let head = format!(
                    "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n{extra}\r\n",
                    body.len()
                );
                let mut stream = stream;
                drop(stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()));
            }
        });
        Self { endpoint, state }
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let (mut length, mut token) = (0, None);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        match name.to_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            "authorization" => token = Some(value.to_owned()),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { path, token, body })
}

fn answer(state: &mut State, endpoint: &str, request: Request) -> (u16, String, String) {
    let plain = |status: u16, body: Value| (status, String::new(), body.to_string());
    if let Some(address) = request.path.strip_prefix("/storage/") {
        assert_eq!(request.token, None, "the token stays with the hub");
        state.puts.push(address.to_owned());
        if state.failing > 0 {
            state.failing -= 1;
            return (503, String::new(), String::new());
        }
        let etag = format!("etag: \"{}\"\r\n", &sha256(&request.body)[..8]);
        if address.contains('-') {
            state.parts.insert(address.to_owned(), request.body);
        } else {
            state.stored.insert(sha256(&request.body), request.body);
        }
        return (200, etag, String::new());
    }
    if request.token.as_deref() != Some("Bearer secret") {
        return plain(401, json!({"error": "Invalid token"}));
    }
    if request.path.starts_with("/complete/") || request.path == "/verify" {
        return finish(state, &request);
    }
    match request.path.as_str() {
        "/api/repos/create" => {
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            let repo = format!("{}/{}", body["organization"], body["name"]).replace('"', "");
            let status = if state.repos.insert(repo) { 200 } else { 409 };
            plain(status, json!({"url": endpoint}))
        }
        "/api/models/org/tiny/preupload/main" => {
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            let mode = |file: &Value| {
                let large = file["path"].as_str().unwrap().ends_with(".gguf");
                let mode = if large { "lfs" } else { "regular" };
                json!({"path": file["path"], "uploadMode": mode, "shouldIgnore": false})
            };
            let files: Vec<_> = body["files"].as_array().unwrap().iter().map(mode).collect();
            plain(200, json!({"files": files}))
        }
        "/org/tiny.git/info/lfs/objects/batch" => plain(200, batch(state, endpoint, &request)),
        "/api/models/org/tiny/commit/main" => {
            let text = String::from_utf8(request.body).unwrap();
            let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
            state.commits.push(lines.collect());
            plain(200, json!({"commitUrl": format!("{endpoint}/org/tiny/commit/1")}))
        }
        _ => plain(404, json!({"error": "Repository not found"})),
    }
}

fn batch(state: &State, endpoint: &str, request: &Request) -> Value {
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let object = |object: &Value| {
        let (oid, size) = (object["oid"].as_str().unwrap(), object["size"].as_u64().unwrap());
        if state.stored.contains_key(oid) {
            return json!({"oid": oid, "size": size});
        }
        let verify = if state.verify_at.is_empty() { endpoint } else { &state.verify_at };
        let verify = json!({"href": format!("{verify}/verify")});
        let Some(part) = state.part else {
            let upload = json!({"href": format!("{endpoint}/storage/{oid}")});
            return json!({"oid": oid, "actions": {"upload": upload, "verify": verify}});
        };
        let count = (size as usize).div_ceil(part);
        let mut header = json!({"chunk_size": part.to_string()});
        for at in 1..=count {
            header[format!("{at:05}")] = json!(format!("{endpoint}/storage/{oid}-{at}"));
        }
        let upload = json!({"href": format!("{endpoint}/complete/{oid}"), "header": header});
        json!({"oid": oid, "actions": {"upload": upload, "verify": verify}})
    };
    let objects: Vec<_> = body["objects"].as_array().unwrap().iter().map(object).collect();
    json!({"transfer": "basic", "objects": objects})
}

/// Puts parts together, or confirms a file; bytes that are not those of the digest are refused.
fn finish(state: &mut State, request: &Request) -> (u16, String, String) {
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let oid = body["oid"].as_str().unwrap();
    if let Some(parts) = body["parts"].as_array() {
        let whole: Vec<u8> = parts
            .iter()
            .flat_map(|part| state.parts[&format!("{oid}-{}", part["partNumber"])].clone())
            .collect();
        state.stored.insert(sha256(&whole), whole);
    }
    let status = if state.stored.contains_key(oid) { 200 } else { 422 };
    (status, String::new(), String::new())
}
