//! A suite of sums for tests, a model of which one can say beforehand what it answers, and runs of them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use eval::{
    Answers, Ended, Error, Event, Sample, SamplingFlags, Selection, ServerConfig, Settings, Stop,
    evaluate,
};
use rewards::Resources;
use serde_json::{Value, json};

use crate::server::{Reply, Request};

pub(crate) const SUITE: &str = r#"
name = "sums"
title = "Sums"
about = "Adds two numbers."
prompt = "chat"
k = [1, 2]
[data]
files = ["problems.jsonl"]
id = "name"
date = "day"
[sampling]
samples = 2
temperature = 0.5
max_tokens = 32
[grader]
kind = "exact"
[[groups]]
name = "size"
field = "size"
[prompts.chat]
messages = [{ role = "user", content = "{a} + {b} =" }]
[prompts.text]
text = "Q: {a} + {b} =\nA:"
stop = ["\n"]
"#;

/// A folder with the suite and `count` problems, and room for outputs.
pub(crate) struct Sums {
    folder: tempfile::TempDir,
}

impl Sums {
    pub(crate) fn new(count: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs_err::write(folder.path().join("suite.toml"), SUITE).unwrap();
        let lines: Vec<String> = (0..count).map(|n| problem(n).to_string()).collect();
        fs_err::write(folder.path().join("problems.jsonl"), lines.join("\n")).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Settings that ask the server at `url` and write to `out`.
    pub(crate) fn settings(&self, url: &str) -> Settings {
        let usual = ServerConfig::new(url);
        let server = ServerConfig { concurrency: 4, timeout: Duration::from_secs(20), ..usual };
        Settings {
            suite: self.path("suite.toml").display().to_string(),
            selection: Selection::default(),
            answers: Answers::Server(server),
            arms: Vec::new(),
            reference: None,
            sampling: SamplingFlags::default(),
            k: Vec::new(),
            shard: None,
            bounds: Vec::new(),
            output: self.path("out"),
            force: false,
            resources: Resources::default(),
            judge: None,
            graders: 2,
        }
    }
}

fn problem(n: usize) -> Value {
    let size = if n.is_multiple_of(2) { "small" } else { "large" };
    let day = format!("2024-{:02}-01", 1 + n % 12);
    json!({"name": format!("p{n}"), "a": n, "b": 2 * n, "answer": 3 * n, "size": size, "day": day})
}

/// Adds; the base is wrong at every third seed.
pub(crate) fn adds(request: &Request) -> Reply {
    let numbers: Vec<u64> = request
        .question()
        .split(|c: char| !c.is_ascii_digit())
        .flat_map(str::parse::<u64>)
        .collect();
    let seed = request.body["seed"].as_u64().unwrap();
    let wrong = request.text("model") == "initial" && seed.is_multiple_of(3);
    Reply::says(&(numbers[0] + numbers[1] + u64::from(wrong)).to_string())
}

pub(crate) fn run(settings: &Settings) -> Result<Ended, Error> {
    evaluate(settings, &|_: Event<'_>| {}, &Stop::default())
}

/// The samples of a folder, in the file's order.
pub(crate) fn samples(dir: &Path) -> Vec<Sample> {
    let text = fs_err::read_to_string(dir.join("samples.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What a folder's results are, without what no two runs share: time, and where it was asked.
pub(crate) fn results(dir: &Path) -> String {
    let results = eval::report::results(dir, eval::report::Options::default()).unwrap();
    let mut value = serde_json::to_value(results).unwrap();
    forget(&mut value);
    serde_json::to_string_pretty(&value).unwrap()
}

fn forget(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|name, _| !["seconds", "started", "server"].contains(&name.as_str()));
            map.values_mut().for_each(forget);
        }
        Value::Array(list) => list.iter_mut().for_each(forget),
        _ => {}
    }
}
