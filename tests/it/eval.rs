//! `wardrobe eval` as a program: killed and gone on with, its exit status, its own server, its folders.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::engine::world::World;

const SUITE: &str = r#"
name = "sums"
title = "Sums"
about = "Adds two numbers."
prompt = "chat"
k = [1]
[data]
files = ["problems.jsonl"]
[grader]
kind = "exact"
[prompts.chat]
messages = [{ role = "user", content = "{a} + {a} =" }]
"#;

/// A suite of sums, and room for outputs.
struct Suite(tempfile::TempDir);

impl Suite {
    fn new(problems: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs_err::write(folder.path().join("suite.toml"), SUITE).unwrap();
        let lines: Vec<String> =
            (0..problems).map(|n| json!({"a": n, "answer": 2 * n}).to_string()).collect();
        fs_err::write(folder.path().join("problems.jsonl"), lines.join("\n")).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// `wardrobe eval SUITE --output OUT` and more.
    fn eval(&self, output: &str, more: &[&str]) -> Command {
        let mut command = wardrobe(&["eval"]);
        command.arg(self.path("suite.toml")).arg("--output").arg(self.path(output)).args(more);
        command
    }
}

fn wardrobe(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wardrobe"));
    command.args(arguments).stdin(Stdio::null());
    for name in ["WARDROBE_LOG", "RUST_LOG", "SLURM_ARRAY_TASK_ID", "OPENAI_API_KEY"] {
        command.env_remove(name);
    }
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn last_line(output: &Output) -> String {
    text(&output.stderr).lines().last().unwrap_or_default().to_owned()
}

/// A server of two models that doubles, each answer after `delay`; the base is wrong of multiples of 5.
/// Returns its address and a count of answers.
fn server(delay: Duration) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answers = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&answers);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let counted = Arc::clone(&counted);
            std::thread::spawn(move || connection(&stream, delay, &counted));
        }
    });
    (url, answers)
}

fn connection(mut stream: &TcpStream, delay: Duration, answers: &AtomicUsize) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let path = line.split(' ').nth(1)?.to_owned();
        let mut length = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).ok()?;
            let Some((name, value)) = header.trim().split_once(": ") else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let reply = match path.as_str() {
            "/v1/models" => json!({"data": [{"id": "sft", "parent": "initial"},
                {"id": "initial", "parent": null}]}),
            _ => {
                std::thread::sleep(delay);
                answers.fetch_add(1, Ordering::SeqCst);
                double(&serde_json::from_slice(&body).ok()?)
            }
        };
        let reply = reply.to_string();
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{reply}", reply.len()).ok()?;
    }
}

fn double(body: &Value) -> Value {
    let question = body["messages"][0]["content"].as_str().unwrap();
    let a: usize = question.split(' ').next().unwrap().parse().unwrap();
    let wrong = body["model"] == "initial" && a.is_multiple_of(5);
    json!({"choices": [{"message": {"content": (2 * a + usize::from(wrong)).to_string()},
        "finish_reason": "stop"}], "usage": {"prompt_tokens": 5, "completion_tokens": 1}})
}

/// `results.json` without what no two runs share: time, and where it was asked.
fn results(folder: &Path) -> String {
    let text = fs_err::read_to_string(folder.join("results.json")).unwrap();
    let mut value: Value = serde_json::from_str(&text).unwrap();
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

fn lines(path: &Path) -> usize {
    fs_err::read_to_string(path).map_or(0, |text| text.matches('\n').count())
}

#[test]
fn a_killed_run_goes_on_and_ends_as_one_that_was_not() {
    let suite = Suite::new(60);
    let (url, _) = server(Duration::ZERO);
    let whole = suite.eval("whole", &["--url", &url]).output().unwrap();
    assert!(whole.status.success(), "{whole:?}");

    let (url, answers) = server(Duration::from_millis(20));
    let more = ["--url", &url, "--concurrency", "4"];
    let samples = suite.path("out").join("samples.jsonl");
    for kill_at in [15, 50] {
        let mut child = suite.eval("out", &more).stderr(Stdio::null()).spawn().unwrap();
        let began = Instant::now();
        while lines(&samples) < kill_at {
            assert!(began.elapsed() < Duration::from_secs(60), "{} lines", lines(&samples));
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!suite.path("out").join("results.json").exists());
    }
    let there = lines(&samples);
    let before = answers.load(Ordering::SeqCst);
    let ended = suite.eval("out", &more).output().unwrap();
    assert!(ended.status.success(), "{ended:?}");
    assert!(
        text(&ended.stderr)
            .contains(&format!("120 samples of initial, sft, {there} there already"))
    );
    // What was under way at the kill may be counted late by the server.
    let asked = answers.load(Ordering::SeqCst) - before;
    assert!((120 - there..=124 - there).contains(&asked), "{asked} asked, {there} were there");
    assert_eq!(results(&suite.path("out")), results(&suite.path("whole")));
}

#[test]
fn an_interrupt_ends_cleanly_and_says_how_to_go_on() {
    let suite = Suite::new(200);
    let (url, _) = server(Duration::from_millis(20));
    let command = || suite.eval("out", &["--url", &url, "--concurrency", "2"]);
    let child = command().stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let samples = suite.path("out").join("samples.jsonl");
    let began = Instant::now();
    while lines(&samples) < 5 && began.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(5));
    }
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "as a shell tells of SIGINT");
    let said = last_line(&output);
    assert!(said.starts_with("error: interrupted: "), "{said}");
    assert!(said.contains(" of 400 samples are in ") && said.ends_with("to go on"), "{said}");
    let kept = fs_err::read_to_string(&samples).unwrap();
    assert!(
        kept.ends_with('\n')
            && kept.lines().all(|line| serde_json::from_str::<Value>(line).is_ok())
    );
}

#[test]
fn the_exit_status_is_for_ci() {
    let suite = Suite::new(20);
    let (url, _) = server(Duration::ZERO);
    let run =
        |more: &[&str]| suite.eval("out", &[&["--url", &url], more].concat()).output().unwrap();
    let good = run(&["--fail-under", "0.75", "--fail-under", "sft:exact>=1"]);
    assert!(good.status.success(), "{good:?}");
    assert!(
        text(&good.stdout).contains("initial") && text(&good.stdout).contains("80.0"),
        "{good:?}"
    );
    let bad = run(&["--fail-under", "0.9"]);
    assert_eq!(bad.status.code(), Some(1));
    assert!(last_line(&bad).contains("initial breaks 0.9: it is 0.8"), "{bad:?}");
    let json = run(&["--json"]);
    let value: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(value["run"]["reference"], "initial", "the base, though the server names it last");
    let report = wardrobe(&["eval", "report"]).arg(suite.path("out")).output().unwrap();
    assert!(report.status.success(), "{report:?}");
    for (more, code, says) in [
        (&["--samples", "x"][..], 2, "invalid value 'x'"),
        (&["--fail-under", "good"], 2, "is no bound"),
        (&["--fail-under", "nosucharm:exact>=0.5"], 2, "the arms are initial, sft"),
        (&["--allow-incomplete"], 2, "--fail-under <BOUND>"),
        (&["--shard", "0/4"], 2, "expected a share i/N"),
        (&["--samples", "2", "--k", "5"], 2, "expected from 1 to the number of samples"),
        (&["--arm", "nope"], 1, "the server has no model `nope`; it serves sft, initial"),
        (&["--temperature", "1"], 1, "sampling.temperature was 0.0, now 1.0"),
        (&["--reference", "sft", "--arm", "base"], 2, "the arms are base"),
        (&["--api-key-env", "NO_SUCH"], 2, "--api-key-env names NO_SUCH, which is not set"),
        (&["--start-date", "2024-13-01"], 2, "expected a date as 2024-08-01"),
        (&["--where", "nothing=9"], 2, "neither a group nor a field"),
        (&["--limit", "0"], 2, "the limit is 0 problems"),
    ] {
        let output = run(more);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert!(text(&output.stderr).contains(says), "{output:?}");
    }
    for arguments in [
        &["eval"][..],
        &["eval", "nope", "--url", "http://x"],
        &["eval", "countdown"],
        &["data", "fetch", "nosuch"],
        &["data", "fetch", "livecodebench:v9"],
    ] {
        let output = wardrobe(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert_eq!(text(&output.stderr).lines().count(), 1, "{output:?}");
    }
}

#[test]
fn bounds_are_for_whole_evaluations() {
    let suite = Suite::new(4);
    let answers = suite.path("answers.jsonl");
    fs_err::write(&answers, json!({"problem_id": 1, "completion": "0"}).to_string()).unwrap();
    let given = ["--completions", answers.to_str().unwrap()];
    let evaluate =
        |more: &[&str]| suite.eval("out", &[&given[..], more].concat()).output().unwrap();
    let report = |more: &[&str]| {
        let mut command = wardrobe(&["eval", "report"]);
        command.arg(suite.path("out")).args(more).output().unwrap()
    };
    assert!(evaluate(&[]).status.success(), "without a bound what there is will do");
    let bound = ["--fail-under", "exact>=0.9"];
    for output in [evaluate(&bound), report(&bound)] {
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(last_line(&output).contains("3 of 4 samples have no grade"), "{output:?}");
    }
    let bound = ["--fail-under", "exact>=0.9", "--allow-incomplete"];
    for output in [evaluate(&bound), report(&bound)] {
        assert!(output.status.success(), "{output:?}");
    }
    let output = report(&["--fail-under", "exakt>=0.9"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(last_line(&output).contains("the measures are exact"), "{output:?}");
}

#[test]
fn shares_by_flag_and_by_job_array_merge() {
    let suite = Suite::new(9);
    let (url, answers) = server(Duration::ZERO);
    let one = suite.eval("1", &["--url", &url, "--shard", "1/2"]).output().unwrap();
    let mut array = suite.eval("2", &["--url", &url]);
    array.env("SLURM_ARRAY_TASK_ID", "8").env("SLURM_ARRAY_TASK_MIN", "7");
    let two = array.env("SLURM_ARRAY_TASK_COUNT", "2").output().unwrap();
    assert!(one.status.success() && two.status.success(), "{one:?} {two:?}");
    assert_eq!(answers.load(Ordering::SeqCst), 18);
    let merge = || {
        let mut command = wardrobe(&["eval", "merge"]);
        command.arg(suite.path("1")).arg(suite.path("2")).arg("--output").arg(suite.path("all"));
        command.output().unwrap()
    };
    let merged = merge();
    assert!(merged.status.success(), "{merged:?}");
    assert!(
        text(&merged.stderr).contains("2 folders: 9 problems, 18 samples, 0 without a grade"),
        "{merged:?}"
    );
    let whole = ["--url", &url, "--shard", "1/1"];
    suite.eval("whole", &whole).output().unwrap();
    assert_eq!(results(&suite.path("all")), results(&suite.path("whole")));
    let compared = wardrobe(&["eval", "compare"])
        .arg(suite.path("whole"))
        .arg(suite.path("all"))
        .output()
        .unwrap();
    assert!(compared.status.success(), "{compared:?}");
    assert_eq!(merge().status.code(), Some(1), "it is there already");
    let again = suite.eval("whole", &["--url", &url]).output().unwrap();
    assert!(again.status.success(), "1/1 is all that there is: {again:?}");
}

#[test]
fn a_merge_says_which_shares_it_lacks() {
    let suite = Suite::new(6);
    let (url, _) = server(Duration::ZERO);
    for share in ["1/4", "3/4"] {
        let output = &share[..1];
        let done = suite.eval(output, &["--url", &url, "--shard", share]).output().unwrap();
        assert!(done.status.success(), "{done:?}");
    }
    let mut merge = wardrobe(&["eval", "merge"]);
    merge.arg(suite.path("1")).arg(suite.path("3")).arg("--output").arg(suite.path("all"));
    let merged = merge.output().unwrap();
    assert!(merged.status.success(), "{merged:?}");
    assert!(last_line(&merged).ends_with("not the whole yet: 2/4, 4/4 missing"), "{merged:?}");
}

#[test]
fn a_job_array_of_unknown_size_is_refused() {
    let suite = Suite::new(2);
    for (count, says) in [(None, "does not say"), (Some("many"), "is `many`, expected a number")] {
        let mut array = suite.eval("out", &["--url", "http://127.0.0.1:1"]);
        array.env("SLURM_ARRAY_TASK_ID", "3").env_remove("SLURM_ARRAY_TASK_COUNT");
        array.envs(count.map(|count| ("SLURM_ARRAY_TASK_COUNT", count)));
        let output = array.output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(last_line(&output).contains(says), "{output:?}");
    }
}

#[test]
fn its_own_server_serves_the_base_and_its_adapters() {
    let world = World::new();
    let template = "{% for m in messages %}{{ m.content }}{% endfor %}";
    fs_err::write(world.folder.path().join("chat_template.jinja"), template).unwrap();
    let suite = Suite::new(3);
    let model = world.folder.path().to_str().unwrap();
    let adapter = crate::engine::world::adapter_folder("all_linear");
    let adapter = format!("mine={}", adapter.display());
    let empty = tempfile::tempdir().unwrap();
    let flags = [
        "--serve",
        "--model",
        model,
        "--served-model-name",
        "tiny",
        "--adapter",
        &adapter,
        "--adapter-dir",
        empty.path().to_str().unwrap(),
        "--kv-cache-memory",
        "1MiB",
        "--max-tokens",
        "4",
    ];
    let output = suite.eval("out", &flags).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let run: Value =
        serde_json::from_slice(&fs_err::read(suite.path("out").join("run.json")).unwrap()).unwrap();
    let base = &run["arms"][0]["base_generation"];
    assert_eq!(run["arms"][0], json!({"label": "tiny", "model": "tiny", "base_generation": base}));
    assert_eq!(base.as_str().map(str::len), Some(16));
    assert_eq!(
        (&run["arms"][1]["label"], &run["arms"][1]["base_generation"]),
        (&json!("mine"), base)
    );
    assert!(run["arms"][1]["generation"].is_string());
    let again = suite.eval("out", &flags).output().unwrap();
    assert!(again.status.success(), "another port is not another run: {again:?}");
    assert!(text(&again.stderr).contains("6 there already"), "{again:?}");
    let other = template.replace("content", "content | upper");
    fs_err::write(world.folder.path().join("chat_template.jinja"), other).unwrap();
    let swapped = suite.eval("out", &flags).output().unwrap();
    assert!(last_line(&swapped).contains("base_generation was"), "{swapped:?}");
}

#[test]
fn suites_are_listed_and_the_recipe_is_read() {
    let listed = wardrobe(&["eval", "list"]).output().unwrap();
    assert!(text(&listed.stdout).contains("countdown: "), "{listed:?}");
    let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes/eval.toml");
    let uncommented = fs_err::read_to_string(&recipe).unwrap().replace("\n# url =", "\nurl =");
    let suite = Suite::new(4);
    let (url, _) = server(Duration::ZERO);
    let copy = suite.path("recipe.toml");
    fs_err::write(&copy, uncommented.replace("http://127.0.0.1:8080", &url)).unwrap();
    let output = suite.eval("out", &["--config", copy.to_str().unwrap()]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    // Every line is a flag, those that are left out too.
    let all: String = fs_err::read_to_string(&recipe)
        .unwrap()
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.contains(" = ") => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    fs_err::write(&copy, all.replace("http://127.0.0.1:8080", "http://127.0.0.1:1")).unwrap();
    let output = suite
        .eval("other", &["--config", copy.to_str().unwrap(), "--tries", "1", "--prompt", "chat"])
        .current_dir(suite.0.path())
        .env("OPENAI_API_KEY", "sk-any")
        .output()
        .unwrap();
    assert!(text(&output.stderr).contains("the suite names no `date`"), "{output:?}");
}
