//! The program itself: exit status, one-line errors, `serve` up to its signal, `chat` over a pipe.

use crate::engine::world::{World, adapter_folder};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

fn wardrobe(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wardrobe"));
    command.args(arguments).stdin(Stdio::null()).env_remove("WARDROBE_LOG").env_remove("RUST_LOG");
    command
}

fn run(arguments: &[&str]) -> Output {
    wardrobe(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A model folder with a chat template.
fn model() -> (World, String) {
    let world = World::new();
    let template = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}[assistant]";
    fs_err::write(world.folder.path().join("chat_template.jinja"), template).unwrap();
    let path = world.folder.path().to_str().unwrap().to_owned();
    (world, path)
}

#[test]
fn the_status_says_how_it_went() {
    let help = run(&["--help"]);
    assert!(help.status.success());
    for verb in ["serve", "chat", "train", "data", "inspect", "bench", "completions", "Examples"] {
        assert!(text(&help.stdout).contains(verb), "{verb}");
    }
    assert!(text(&run(&["--version"]).stdout).starts_with("wardrobe "));
    assert_eq!(run(&["nonsense"]).status.code(), Some(2));
    assert_eq!(run(&["serve", "--port", "x"]).status.code(), Some(2));
    let failed = run(&["serve", "--port", "0", "--model", "./no/such/folder"]);
    assert_eq!(failed.status.code(), Some(1));
    let stderr = text(&failed.stderr);
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.starts_with("error: there is no model folder ./no/such/folder"), "{stderr}");
    let adapter = adapter_folder("all_linear");
    let adapter = adapter.to_str().unwrap();
    let failed = run(&["serve", "--port", "0", "--model", adapter]);
    let sentence = format!("error: {adapter} is an adapter, not a model; give it as --adapter");
    assert!(text(&failed.stderr).lines().last().unwrap().starts_with(&sentence), "{failed:?}");
}

#[test]
fn the_systems_reason_is_given_once() {
    let empty = tempfile::tempdir().unwrap();
    let (folder, taken) = (empty.path().to_str().unwrap(), empty.path().join("file"));
    fs_err::write(&taken, "").unwrap();
    let (below_a_file, output) = (taken.join("x.jsonl"), empty.path().join("output"));
    for arguments in [
        &["data", "show", "no.jsonl"][..],
        &["serve", "--port", "0", "--model", folder],
        &["train", "sft", "--data", "no.jsonl", "--output", output.to_str().unwrap()],
        &["data", "generate", "countdown", "--n", "1", "--output", below_a_file.to_str().unwrap()],
    ] {
        let failed = run(arguments);
        assert_eq!(failed.status.code(), Some(1), "{failed:?}");
        let stderr = text(&failed.stderr);
        assert_eq!(stderr.matches("(os error").count(), 1, "{stderr}");
    }
}

#[test]
fn a_setting_at_fault_is_wrong_usage() {
    let given = ["train", "sft", "--data", "none.jsonl", "--output", "none"];
    for (more, sentence) in [
        (&["--lr-scheduler", "foo"], "error: `lr_scheduler`: unknown variant `foo`"),
        (&["--learning-rate", "-1"], "error: learning_rate is -1, expected a number above 0"),
        (&["--warmup-steps", "-0.5"], "error: warmup_steps is -0.5, expected 0 or more"),
    ] {
        let failed = run(&[&given[..], more].concat());
        assert_eq!(failed.status.code(), Some(2), "{failed:?}");
        assert!(text(&failed.stderr).starts_with(sentence), "{failed:?}");
    }
    let missing = run(&["train", "pretrain", "--data", "none.jsonl"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(text(&missing.stderr).starts_with("error: --output is missing"), "{missing:?}");
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let mut child = wardrobe(&["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(text(&output.stderr), "");
    assert!(text(&run(&["completions", "zsh"]).stdout).contains("#compdef wardrobe"));
}

/// Starts `serve` and waits for the line that says where.
fn serve(arguments: &[&str]) -> (Child, String) {
    let mut child = wardrobe(arguments).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let address = lines
        .by_ref()
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("listening on http://").map(str::to_owned));
    let Some(address) = address else { panic!("{:?}", child.wait()) };
    std::thread::spawn(move || lines.for_each(drop));
    (child, address)
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn post(address: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\
         content-type: application/json\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn serve_reads_its_file_and_ends_well_at_a_signal() {
    let (world, model) = model();
    let lora = adapter_folder("all_linear");
    let config = world.folder.path().join("serve.toml");
    let lines = format!(
        "port = 0\nserved_model_name = \"from-file\"\nadapter = [\"lora={}\"]\n\
         kv_cache_memory = \"8MiB\"\nenable_prefix_caching = false\n",
        lora.display()
    );
    fs_err::write(&config, lines).unwrap();
    let config = config.to_str().unwrap();
    let empty = tempfile::tempdir().unwrap();
    let dir = empty.path().to_str().unwrap();
    let arguments = ["serve", "--config", config, "--model", &model, "--adapter-dir", dir];
    let (mut child, address) = serve(&arguments);
    let models = get(&address, "/v1/models");
    assert!(
        models.contains("\"id\":\"from-file\"") && models.contains("\"id\":\"lora\""),
        "{models}"
    );
    assert!(get(&address, "/metrics").contains("enable_prefix_caching=\"False\""));
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_taken_port_and_a_bad_adapter_are_sentences() {
    let (_world, model) = model();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let failed = run(&["serve", "--model", &model, "--port", &port]);
    let stderr = text(&failed.stderr);
    assert!(stderr.starts_with("error: cannot listen on 127.0.0.1:"), "{stderr}");
    let failed = run(&["serve", "--model", &model, "--port", "0", "--adapter", "a=/nowhere"]);
    assert_eq!(failed.status.code(), Some(1));
    let stderr = text(&failed.stderr);
    assert!(
        stderr.lines().last().unwrap().starts_with("error: cannot load --adapter a: "),
        "{stderr}"
    );
}

fn chat(model: &str, adapters: &Path, lines: &str) -> Output {
    let dir = adapters.to_str().unwrap();
    let arguments =
        ["chat", "--model", model, "--adapter-dir", dir, "--temperature", "0", "--max-tokens", "8"];
    let mut child = wardrobe(&arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn a_cache_that_the_machine_cannot_hold_is_refused() {
    let failed = run(&["serve", "--port", "0", "--kv-cache-memory", "999999GiB"]);
    assert_eq!(failed.status.code(), Some(2));
    let sentence = "error: --kv-cache-memory is 1073740750258176 bytes, but this machine has";
    assert!(text(&failed.stderr).starts_with(sentence), "{failed:?}");
}

/// The command is refused with status 2 by a sentence that holds these words.
fn misused(arguments: &[&str], words: &str) {
    let failed = run(arguments);
    let stderr = text(&failed.stderr);
    assert_eq!(failed.status.code(), Some(2), "{arguments:?}: {stderr}");
    assert!(stderr.contains(words), "{arguments:?}: {stderr}");
    assert!(!stderr.contains("listening on"), "{arguments:?}: {stderr}");
}

#[test]
fn wrong_usage_names_the_flag_and_ends_with_2() {
    let (world, model) = model();
    for (flag, value) in [
        ("--max-num-seqs", "0"),
        ("--max-num-batched-tokens", "63"),
        ("--max-queue", "0"),
        ("--max-model-len", "0"),
        ("--max-model-len", "99999999"),
        ("--kv-cache-memory", "1"),
        ("--kv-cache-memory", "0"),
        ("--served-model-name", ""),
        ("--max-body-size", "0"),
        ("--max-adapters", "0"),
        ("--max-adapter-memory", "0"),
        ("--adapter-dir", "nope"),
    ] {
        misused(&["serve", "--port", "0", "--model", &model, flag, value], flag);
    }
    misused(&["chat", "--temperature", "-1"], "--temperature");
    misused(&["chat", "--temperature", "3"], "expected a number from 0 to 2");
    misused(&["chat", "--max-tokens", "0"], "--max-tokens");
    let config = world.folder.path().join("serve.toml");
    fs_err::write(&config, "prt = 1").unwrap();
    misused(&["serve", "--config", config.to_str().unwrap()], "unknown key `prt`");
}

#[test]
fn a_level_that_is_none_is_refused_before_anything_starts() {
    for arguments in [&["serve", "--port", "0"][..], &["chat"], &["inspect", "."]] {
        let failed = wardrobe(arguments).env("WARDROBE_SIMD", "foo").output().unwrap();
        let stderr = text(&failed.stderr);
        assert_eq!(failed.status.code(), Some(2), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(stderr.starts_with("error: WARDROBE_SIMD is `foo`, which is no level"), "{stderr}");
    }
}

#[test]
fn the_help_of_chat_speaks_of_no_server() {
    let chat = text(&run(&["chat", "--help"]).stdout);
    assert!(!chat.contains("HTTP") && !chat.contains("429"), "{chat}");
}

/// Ends a request at each of the tokens that one of the model's three files calls an end.
#[test]
fn an_answer_ends_at_what_any_file_calls_an_end() {
    let (world, model) = model();
    let at = |name: &str| world.folder.path().join(name);
    let config = fs_err::read_to_string(at("config.json")).unwrap();
    let mut config: serde_json::Value = serde_json::from_str(&config).unwrap();
    config["eos_token_id"] = serde_json::json!([5, 6]);
    fs_err::write(at("config.json"), config.to_string()).unwrap();
    fs_err::write(at("generation_config.json"), r#"{"eos_token_id": [7, 8, 9999]}"#).unwrap();
    // The byte tokenizer's token 9.
    fs_err::write(at("tokenizer_config.json"), r#"{"eos_token": "ĉ"}"#).unwrap();
    let dir = world.folder.path().to_str().unwrap();
    let arguments = ["serve", "--model", &model, "--adapter-dir", dir, "--port", "0"];
    let (mut child, address) = serve(&arguments);
    for (id, reason) in
        [(5, "stop"), (6, "stop"), (7, "stop"), (8, "stop"), (9, "stop"), (10, "length")]
    {
        let body = format!(
            r#"{{"model": "base", "prompt": "x", "max_tokens": 3, "logit_bias": {{"{id}": 100}}}}"#
        );
        let answer = post(&address, "/v1/completions", &body.replace("base", &name_of(&model)));
        assert!(answer.contains(&format!("\"finish_reason\":\"{reason}\"")), "{id}: {answer}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn layers_that_would_be_left_out_are_refused() {
    let (world, model) = model();
    let path = world.folder.path().join("config.json");
    let mut config: serde_json::Value =
        serde_json::from_slice(&fs_err::read(&path).unwrap()).unwrap();
    let layers = config["num_hidden_layers"].as_u64().unwrap();
    config["num_hidden_layers"] = (layers - 1).into();
    config.as_object_mut().unwrap().remove("layer_types");
    fs_err::write(&path, config.to_string()).unwrap();
    let said = format!("config.json says {} layers, the weights hold {layers}", layers - 1);
    for arguments in [&["serve", "--port", "0", "--model", &model][..], &["inspect", &model]] {
        let failed = run(arguments);
        assert_eq!(failed.status.code(), Some(1), "{failed:?}");
        assert!(text(&failed.stderr).contains(&said), "{failed:?}");
    }
}

fn name_of(model: &str) -> String {
    Path::new(model).file_name().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn a_chat_answers_a_pipe() {
    let (world, model) = model();
    let adapters = adapter_folder("all_linear").parent().unwrap().to_owned();
    let base = chat(&model, &adapters, "hi\n");
    assert!(base.status.success(), "{base:?}");
    let warned = text(&base.stderr);
    let other_base =
        |line: &str| line.contains("it names the base tiny/qwen3_untied_gqa2, loaded is");
    assert!(warned.lines().any(|line| line.contains("WARN") && other_base(line)), "{warned}");
    let switched = chat(
        &model,
        &adapters,
        "/adapter all_linear\nhi\n/adapter nobody\n/nonsense\n/quit\nnot read\n",
    );
    assert!(switched.status.success(), "{switched:?}");
    assert!(!base.stdout.is_empty() && base.stdout != switched.stdout, "{base:?} {switched:?}");
    let stderr = text(&switched.stderr);
    for note in
        ["wears all_linear (generation ", "there is no adapter nobody", "no command /nonsense"]
    {
        assert!(stderr.contains(note), "{note}: {stderr}");
    }
    let long = format!("{}\nhi\n", "word ".repeat(400));
    let refused = chat(&model, &adapters, &long);
    assert_eq!((refused.status.code(), &refused.stdout), (Some(1), &base.stdout), "{refused:?}");
    assert!(text(&refused.stderr).contains("error: 1 of the messages could not be answered"));
    let twice = chat(&model, &adapters, "hi\n/reset\nhi\n");
    assert_eq!(
        text(&twice.stdout),
        text(&base.stdout).repeat(2),
        "a new conversation is as the first"
    );
    drop(world);
}
