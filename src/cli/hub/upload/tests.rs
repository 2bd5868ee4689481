//! Pushes to a small hub on the loopback: one piece, parts, again, broken, refused.

#[path = "../../../../tests/it/fake_hub.rs"]
mod fake_hub;

use std::collections::BTreeSet;

use fake_hub::{FakeHub, State};

use super::*;

impl FakeHub {
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
