//! Pushes to a small hub on the loopback: one piece, parts, again, broken, refused.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::*;

/// What the hub has seen and holds.
#[derive(Default)]
struct State {
    repos: BTreeSet<String>,
    /// Whole files by SHA-256.
    stored: BTreeMap<String, Vec<u8>>,
    /// Parts on their way, by address.
    parts: BTreeMap<String, Vec<u8>>,
    commits: Vec<Vec<Value>>,
    /// Addresses that got bytes, in order.
    puts: Vec<String>,
    /// How many more uploads are answered 503.
    failing: usize,
    /// Send large files in parts of this size.
    part: Option<usize>,
    /// Where the hub wants the answer to a finished upload; its own address if empty.
    verify_at: String,
}

struct FakeHub {
    endpoint: String,
    state: Arc<Mutex<State>>,
}

struct Request {
    path: String,
    token: Option<String>,
    body: Vec<u8>,
}

impl FakeHub {
    fn start(state: State) -> Self {
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

    fn config(&self, token: &str) -> HubConfig {
        HubConfig {
            endpoint: self.endpoint.clone(),
            cache_dir: PathBuf::from("/nonexistent"),
            token: Some(token.to_owned()),
            offline: false,
        }
    }

    fn push(&self, files: &[PushFile]) -> Result<Pushed> {
        push(&self.config("secret"), "org/tiny", false, "Add it", files)
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
                let large = file["size"].as_u64().unwrap() > 100;
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

fn weights() -> Vec<u8> {
    (0..100_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// A large file on disk and a small text.
fn files(dir: &Path) -> Vec<PushFile> {
    let path = dir.join("demo.gguf");
    fs_err::write(&path, weights()).unwrap();
    let gguf = PushFile::open("demo.gguf".into(), &path).unwrap();
    vec![gguf, PushFile::text("README.md", "Größe\n".into())]
}

#[test]
fn a_push_is_one_commit_of_small_and_large_files() {
    let (hub, dir) = (FakeHub::start(State::default()), tempfile::tempdir().unwrap());
    let files = files(dir.path());
    let pushed = hub.push(&files).unwrap();
    let url = format!("{}/org/tiny/commit/1", hub.endpoint);
    assert_eq!(pushed, Pushed { url, sent: 100_000, there: 0 });
    let state = hub.state.lock().unwrap();
    assert_eq!(state.repos, BTreeSet::from(["org/tiny".to_owned()]));
    assert_eq!(state.stored[&sha256(weights())], weights());
    let lines = &state.commits[0];
    assert_eq!(
        lines[0],
        json!({"key": "header", "value": {"summary": "Add it", "description": ""}})
    );
    let large =
        json!({"path": "demo.gguf", "algo": "sha256", "oid": sha256(weights()), "size": 100_000});
    assert_eq!(lines[1], json!({"key": "lfsFile", "value": large}));
    let small = json!({"content": "R3LDtsOfZQo=", "path": "README.md", "encoding": "base64"});
    assert_eq!(lines[2], json!({"key": "file", "value": small}));
    assert_eq!(lines.len(), 3);
}

#[test]
fn what_the_hub_has_is_not_sent_again() {
    let (hub, dir) = (FakeHub::start(State::default()), tempfile::tempdir().unwrap());
    let files = files(dir.path());
    hub.push(&files).unwrap();
    let again = hub.push(&files).unwrap();
    assert_eq!((again.sent, again.there), (0, 100_000));
    let state = hub.state.lock().unwrap();
    assert_eq!((state.puts.len(), state.commits.len()), (1, 2));
}

#[test]
fn large_files_go_in_parts_and_each_part_is_tried_again() {
    let state = State { part: Some(30_000), failing: 2, ..State::default() };
    let (hub, dir) = (FakeHub::start(state), tempfile::tempdir().unwrap());
    hub.push(&files(dir.path())).unwrap();
    let state = hub.state.lock().unwrap();
    assert_eq!(state.stored[&sha256(weights())], weights());
    let parts: Vec<&str> = state.puts.iter().filter_map(|put| put.rsplit('-').next()).collect();
    assert_eq!(parts, ["1", "1", "1", "2", "3", "4"]);
}

#[test]
fn a_hub_that_stays_broken_gets_no_commit() {
    let state = State { failing: 100, ..State::default() };
    let (hub, dir) = (FakeHub::start(state), tempfile::tempdir().unwrap());
    let error = format!("{:#}", hub.push(&files(dir.path())).unwrap_err());
    assert!(error.contains("cannot send demo.gguf") && error.contains("503"), "{error}");
    assert!(hub.state.lock().unwrap().commits.is_empty());
}

#[test]
fn refusals_say_what_to_do() {
    let (hub, dir) = (FakeHub::start(State::default()), tempfile::tempdir().unwrap());
    let files = files(dir.path());
    let says = |config: &HubConfig| {
        format!("{:#}", push(config, "org/tiny", false, "x", &files).unwrap_err())
    };
    let wrong = says(&hub.config("wrong"));
    assert!(wrong.contains("Invalid token") && wrong.contains("set HF_TOKEN"), "{wrong}");
    let none = says(&HubConfig { token: None, ..hub.config("") });
    assert!(none.contains("set HF_TOKEN to a token that may write"), "{none}");
    let offline = says(&HubConfig { offline: true, ..hub.config("secret") });
    assert!(offline.contains("HF_HUB_OFFLINE"), "{offline}");
    let other = push(&hub.config("secret"), "org/other", false, "x", &files).unwrap_err();
    assert!(format!("{other:#}").contains("Repository not found"), "{other:#}");
}

#[test]
fn the_token_goes_to_no_other_host() {
    let state = State { verify_at: "http://127.0.0.1:9".into(), ..State::default() };
    let (hub, dir) = (FakeHub::start(state), tempfile::tempdir().unwrap());
    let error = format!("{:#}", hub.push(&files(dir.path())).unwrap_err());
    assert!(error.contains("http://127.0.0.1:9/verify; refused"), "{error}");
    assert!(hub.state.lock().unwrap().commits.is_empty());
}
