//! Downloads against a small hub on the loopback: whole, interrupted, damaged, refused, offline.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::*;

const SHA: &str = "0123456789abcdef0123456789abcdef01234567";

/// What the hub was asked for: the path and the first byte of the range.
type Asked = Arc<Mutex<Vec<(String, Option<u64>)>>>;

/// A hub with one model, `org/tiny`.
struct FakeHub {
    endpoint: String,
    asked: Asked,
    /// How many bytes of a body are sent before the connection is cut; taken at the first use.
    cut: Arc<Mutex<Option<usize>>>,
}

fn weights() -> Vec<u8> {
    (0..300_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn file(name: &str) -> Option<Vec<u8>> {
    match name {
        "config.json" | "tokenizer.json" => Some(b"{}".to_vec()),
        "model.safetensors" | "data/a-1.jsonl" => Some(weights()),
        "data/a-2.jsonl" => Some(b"{}\n".to_vec()),
        "README.md" => Some(b"---\nlicense: mit\n---\n".to_vec()),
        _ => None,
    }
}

fn etag(body: &[u8]) -> String {
    let hex = formats::digest::sha256(body);
    if body.len() > 1000 { hex } else { hex[..40].to_owned() }
}

impl FakeHub {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (asked, cut) = (Asked::default(), Arc::new(Mutex::new(None)));
        let (log, cutter) = (Arc::clone(&asked), Arc::clone(&cut));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                answer(&stream, &log, &cutter);
            }
        });
        Self { endpoint, asked, cut }
    }

    fn config(&self, cache: &Path) -> HubConfig {
        HubConfig {
            endpoint: self.endpoint.clone(),
            cache_dir: cache.to_owned(),
            token: Some("secret".into()),
            offline: false,
        }
    }

    fn ranges_of(&self, name: &str) -> Vec<u64> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|(path, _)| path.ends_with(name)).filter_map(|(_, at)| *at).collect()
    }
}

/// Reads one request and closes the connection after the answer.
fn answer(stream: &TcpStream, log: &Asked, cut: &Mutex<Option<usize>>) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let Some(first) = lines.next() else { return };
    let path = first.split(' ').nth(1).unwrap().to_owned();
    let headers: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let header = |name: &str| {
        let (_, value) = headers
            .iter()
            .filter_map(|h| h.split_once(": "))
            .find(|(n, _)| n.eq_ignore_ascii_case(name))?;
        Some(value.to_owned())
    };
    let range = header("range").map(|range| range.trim_start_matches("bytes=").to_owned());
    let from = range.as_deref().and_then(|r| r.split('-').next()?.parse::<u64>().ok());
    let probe = range.as_deref() == Some("0-0");
    if !probe {
        log.lock().unwrap().push((path.clone(), from));
    }
    if header("authorization").as_deref() != Some("Bearer secret") {
        return reply(stream, "401 Unauthorized", "", b"{}", None);
    }
    if path == "/api/models/org/busy/revision/main" {
        return reply(stream, "503 Service Unavailable", "", b"404", None);
    }
    if path == "/api/models/org/tiny/revision/main" {
        let names =
            ["config.json", "tokenizer.json", "model.safetensors", "README.md", "tf_model.h5"];
        let siblings: Vec<_> = names.map(|n| serde_json::json!({"rfilename": n})).into();
        let body = serde_json::json!({"sha": SHA, "siblings": siblings}).to_string();
        return reply(stream, "200 OK", "", body.as_bytes(), None);
    }
    if path == "/api/datasets/org/set/revision/main" {
        let siblings = ["data/a-1.jsonl", "data/a-2.jsonl", "../out.jsonl"];
        let siblings: Vec<_> = siblings.map(|n| serde_json::json!({"rfilename": n})).into();
        let body = serde_json::json!({"sha": SHA, "siblings": siblings}).to_string();
        return reply(stream, "200 OK", "", body.as_bytes(), None);
    }
    let name = ["/org/tiny/resolve/main/", "/datasets/org/set/resolve/main/"]
        .iter()
        .find_map(|repo| path.strip_prefix(repo))
        .unwrap_or("");
    let Some(body) = file(name) else { return reply(stream, "404 Not Found", "", b"", None) };
    let from = from.unwrap_or(0) as usize;
    let end = if probe { 1 } else { body.len() };
    let extra = format!(
        "etag: \"{}\"\r\nx-repo-commit: {SHA}\r\ncontent-range: bytes {from}-{}/{}\r\n",
        etag(&body),
        end - 1,
        body.len()
    );
    let large = ["model.safetensors", "data/a-1.jsonl"].contains(&name);
    let cut = if !probe && large { cut.lock().unwrap().take() } else { None };
    reply(stream, "206 Partial Content", &extra, &body[from..end], cut);
}

fn reply(mut stream: &TcpStream, status: &str, extra: &str, body: &[u8], cut: Option<usize>) {
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{extra}\r\n",
        body.len()
    );
    drop(stream.write_all(head.as_bytes()));
    drop(stream.write_all(&body[..cut.unwrap_or(body.len())]));
}

fn tiny() -> ModelId {
    parse_id("org/tiny").unwrap()
}

#[test]
fn ids_are_told_from_paths() {
    assert_eq!(parse_id("org/name@v1").unwrap().revision, "v1");
    for path in ["./x", "../a/b", "/abs/x", "a/b/c", "name", "org/", "a b/c", ".hidden/x"] {
        assert_eq!(parse_id(path), None, "{path}");
    }
}

#[test]
fn a_model_is_fetched_once_and_then_found_without_the_hub() {
    let (hub, cache) = (FakeHub::start(), tempfile::tempdir().unwrap());
    let mut config = hub.config(cache.path());
    let folder = fetch(&tiny(), &config).unwrap();
    assert_eq!(fs_err::read(folder.join("model.safetensors")).unwrap(), weights());
    assert!(folder.join("README.md").exists(), "the card says the licence");
    assert!(!folder.join("tf_model.h5").exists(), "only what is needed is fetched");

    assert_eq!(fetch(&tiny(), &config).unwrap(), folder);
    assert_eq!(hub.ranges_of("model.safetensors"), [0], "the second time nothing is fetched");

    config.endpoint = "http://127.0.0.1:1".into();
    assert_eq!(fetch(&tiny(), &config).unwrap(), folder, "no network");
    config.offline = true;
    assert_eq!(fetch(&tiny(), &config).unwrap(), folder, "offline on purpose");
}

#[test]
fn an_interrupted_download_goes_on_where_it_stopped() {
    let (hub, cache) = (FakeHub::start(), tempfile::tempdir().unwrap());
    *hub.cut.lock().unwrap() = Some(100_000);
    let folder = fetch(&tiny(), &hub.config(cache.path())).unwrap();
    assert_eq!(fs_err::read(folder.join("model.safetensors")).unwrap(), weights());
    assert_eq!(hub.ranges_of("model.safetensors"), [0, 100_000]);
}

#[test]
fn a_part_from_an_earlier_run_is_used_and_a_damaged_one_is_not() {
    let (hub, cache) = (FakeHub::start(), tempfile::tempdir().unwrap());
    let blobs = cache.path().join("models--org--tiny/blobs");
    fs_err::create_dir_all(&blobs).unwrap();
    let part = blobs.join(etag(&weights())).with_extension("part");

    let mut damaged = weights()[..50_000].to_vec();
    damaged[7] ^= 1;
    fs_err::write(&part, damaged).unwrap();
    let folder = fetch(&tiny(), &hub.config(cache.path())).unwrap();
    assert_eq!(fs_err::read(folder.join("model.safetensors")).unwrap(), weights());
    assert_eq!(hub.ranges_of("model.safetensors"), [50_000, 0], "the damage shows, all is fetched");

    fs_err::remove_dir_all(cache.path().join("models--org--tiny/snapshots")).unwrap();
    fs_err::remove_file(part.with_extension("")).unwrap();
    fs_err::write(&part, weights()).unwrap();
    let folder = fetch(&tiny(), &hub.config(cache.path())).unwrap();
    assert_eq!(fs_err::read(folder.join("model.safetensors")).unwrap(), weights());
}

#[test]
fn refusals_say_what_to_do() {
    let (hub, cache) = (FakeHub::start(), tempfile::tempdir().unwrap());
    let mut config = hub.config(cache.path());
    let says = |model: &str, config: &HubConfig| {
        format!("{:#}", fetch(&parse_id(model).unwrap(), config).unwrap_err())
    };
    assert!(says("org/none", &config).contains("has no such model"));
    let busy = says("org/busy", &config);
    assert!(busy.contains("answered 503; try again later") && !busy.contains("network"), "{busy}");
    config.token = Some("wrong".into());
    assert!(says("org/tiny", &config).contains("set HF_TOKEN"));
    config.offline = true;
    assert!(says("org/tiny", &config).contains("HF_HUB_OFFLINE is set"));
    config.offline = false;
    config.endpoint = "http://127.0.0.1:1".into();
    let silent = says("org/tiny", &config);
    assert!(silent.contains("did not answer") && silent.contains("check the network"), "{silent}");
    assert_eq!(silent.to_lowercase().matches("connection refused").count(), 1, "{silent}");
}

#[test]
fn a_cache_that_cannot_be_written_is_named_at_once() {
    let (hub, cache) = (FakeHub::start(), tempfile::tempdir().unwrap());
    let model = cache.path().join("models--org--tiny");
    fs_err::create_dir(&model).unwrap();
    fs_err::write(model.join("blobs"), "in the way").unwrap();
    let said = format!("{:#}", fetch(&tiny(), &hub.config(cache.path())).unwrap_err());
    let place = format!("of org/tiny: cannot write to the cache {}: ", cache.path().display());
    assert!(said.contains(&place) && said.contains("File exists"), "{said}");
}

#[test]
fn files_of_a_data_set_are_fetched_by_pattern_and_go_on() {
    let (hub, cache) = (FakeHub::start(), tempfile::tempdir().unwrap());
    let config = hub.config(cache.path());
    *hub.cut.lock().unwrap() = Some(100_000);
    let set = parse_id("org/set").unwrap();
    let patterns = ["data/a-*.jsonl".to_owned()];
    let files = fetch_files(&set, &patterns, &config).unwrap();
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["data/a-1.jsonl", "data/a-2.jsonl"]);
    assert_eq!(fs_err::read(&files[0].1).unwrap(), weights());
    assert_eq!(hub.ranges_of("a-1.jsonl"), [0, 100_000], "it went on");
    assert_eq!(fetch_files(&set, &patterns, &config).unwrap(), files);
    assert_eq!(hub.ranges_of("a-1.jsonl").len(), 2, "the second time nothing is fetched");
}

#[test]
fn a_data_set_that_is_not_there_is_called_one() {
    let (hub, cache) = (FakeHub::start(), tempfile::tempdir().unwrap());
    let mut config = hub.config(cache.path());
    let says = |config: &HubConfig, pattern: &str| {
        let set = parse_id(if pattern.is_empty() { "org/none" } else { "org/set" }).unwrap();
        format!("{:#}", fetch_files(&set, &[pattern.to_owned()], config).unwrap_err())
    };
    assert!(says(&config, "").contains("has no such data set"), "{}", says(&config, ""));
    assert!(says(&config, "*.csv").contains("org/set has no file *.csv; it has: data/a-1.jsonl"));
    assert!(says(&config, "../*").contains("has no file"), "no way out of the folder");
    config.offline = true;
    assert!(says(&config, "*").contains("HF_HUB_OFFLINE is set"));
}
