//! Tasks by log-probabilities, and judges: a scripted model whose probabilities are known by hand.

use std::collections::HashMap;

use eval::{Answers, JudgeConfig, ServerConfig, Settings, Status};
use rewards::Grade;
use serde_json::{Value, json};

use crate::server::{Reply, Request, Server};
use crate::sums::{Sums, run, samples};

/// A folder with another suite and its problems.
fn suite(text: &str, problems: &[Value]) -> Sums {
    let sums = Sums::new(1);
    fs_err::write(sums.path("suite.toml"), text).unwrap();
    let lines: Vec<String> = problems.iter().map(Value::to_string).collect();
    fs_err::write(sums.path("problems.jsonl"), lines.join("\n")).unwrap();
    sums
}

pub(crate) fn grades(settings: &Settings) -> HashMap<(String, String), Grade> {
    let graded = samples(&settings.output).into_iter().map(|sample| match sample.status {
        Status::Graded { grade, .. } => ((sample.arm, sample.problem), grade),
        Status::Ungraded { reason, .. } | Status::Failed { reason } => panic!("{reason}"),
    });
    graded.collect()
}

/// Echoes a text cut at every character, each with the log-probability that `model` gives it.
pub(crate) fn echo(request: &Request, log_prob: impl Fn(char) -> f64) -> Reply {
    let text: Vec<char> = match &request.body["prompt"] {
        Value::String(text) => text.chars().collect(),
        ids => ids
            .as_array()
            .unwrap()
            .iter()
            .map(|id| char::from_u32(id.as_u64().unwrap() as u32).unwrap())
            .collect(),
    };
    assert_eq!((&request.body["echo"], &request.body["max_tokens"]), (&json!(true), &json!(0)));
    let log_probs: Vec<Value> = text
        .iter()
        .enumerate()
        .map(|(at, c)| if at == 0 { Value::Null } else { json!(log_prob(*c)) })
        .collect();
    let offsets: Vec<usize> = (0..text.len()).collect();
    Reply::json(&json!({"choices": [{"text": text.iter().collect::<String>(), "logprobs":
        {"token_logprobs": log_probs, "text_offset": offsets}}]}))
}

const CHOICES: &str = r#"
name = "animals"
title = "Animals"
about = "Which one?"
prompt = "text"
[data]
files = ["problems.jsonl"]
[task]
kind = "choices"
separator = " "
[grader]
kind = "choice"
[prompts.text]
text = "Ünd {q}"
"#;

#[test]
fn the_likeliest_option_is_the_answer() {
    let problems = [
        json!({"q": "?", "choices": ["aa", "bbbb"], "answer": 0}),
        json!({"q": "?", "choices": ["aaa", "b"], "answer": "B"}),
    ];
    // `a` costs 1 and the blank 0.5 for all; `b` costs the base 2 and the adapter 0.1.
    let server = Server::start(|request| {
        let base = request.text("model") == "initial";
        echo(request, |c| match c {
            'a' => -1.0,
            'b' if base => -2.0,
            'b' => -0.1,
            _ => -0.5,
        })
    });
    let sums = suite(CHOICES, &problems);
    let settings = sums.settings(&server.url);
    assert_eq!(run(&settings).unwrap().graded, 4);
    let grades = grades(&settings);
    let right =
        |arm: &str, problem: &str| grades[&(arm.into(), problem.into())].measures["accuracy"];
    assert_eq!([right("initial", "1"), right("initial", "2")], [1.0, 1.0], "-2 > -8, -3 < -2");
    assert_eq!([right("sft", "1"), right("sft", "2")], [0.0, 1.0], "-2 < -0.4");
    assert_eq!(server.requests().len(), 8);
}

const PREFERENCE: &str = r#"
name = "taste"
title = "Taste"
about = "Which answer is better?"
prompt = "chat"
[data]
files = ["problems.jsonl"]
[task]
kind = "preference"
chosen = "chosen"
rejected = "rejected"
[[measures]]
name = "sum"
title = "Prefers the better answer"
kind = "verdict"
[[measures]]
name = "policy_sum"
title = "Prefers it without the reference"
kind = "verdict"
[prompts.chat]
messages_from = "chosen"
[prompts.text]
text = "{prompt}"
"#;

/// Renders a conversation as `role:text;`, a token each character.
pub(crate) fn tokens(request: &Request) -> Reply {
    let turns = request.body["messages"].as_array().unwrap();
    let mut text: String = turns
        .iter()
        .map(|turn| {
            format!("{}:{};", turn["role"].as_str().unwrap(), turn["content"].as_str().unwrap())
        })
        .collect();
    if request.body["add_generation_prompt"] == true {
        text.push_str("assistant:");
    }
    Reply::json(&json!({"tokens": text.chars().map(u32::from).collect::<Vec<_>>()}))
}

pub(crate) fn taste() -> Sums {
    let said = |answer: &str| json!([{"role": "user", "content": "hi"}, {"role": "assistant", "content": answer}]);
    let problem = json!({"prompt": "hi", "chosen": said("aaaa"), "rejected": said("b")});
    suite(PREFERENCE, &[problem])
}

/// `a` costs the base 2 and the adapter 1; `b` costs both 3.
fn likes(request: &Request) -> Reply {
    if request.path == "/tokenize" {
        return tokens(request);
    }
    let a = if request.text("model") == "initial" { -2.0 } else { -1.0 };
    echo(request, |c| match c {
        'a' => a,
        'b' => -3.0,
        _ => -100.0,
    })
}

#[test]
fn a_preference_is_the_policy_less_the_reference() {
    for prompt in ["chat", "text"] {
        let (sums, server) = (taste(), Server::start(likes));
        let mut settings = sums.settings(&server.url);
        settings.selection.prompt = Some(prompt.to_owned());
        assert_eq!(run(&settings).unwrap().graded, 2);
        let grades = grades(&settings);
        let of =
            |arm: &str, name: &str| grades[&(arm.into(), "1".into())].measures.get(name).copied();
        // In a conversation the end of the turn (`;`, -100) is part of both answers and falls out.
        assert_eq!(of("initial", "policy_sum"), Some(0.0), "-8 < -3");
        assert_eq!(of("initial", "sum"), None, "the reference is not compared with itself");
        assert_eq!(of("sft", "policy_sum"), Some(0.0), "-4 < -3");
        assert_eq!(
            (of("sft", "sum"), of("sft", "margin")),
            (Some(1.0), Some(4.0)),
            "-4 + 8 > -3 + 3"
        );
    }
}

#[test]
fn a_reference_that_was_scored_before_is_not_scored_again() {
    let (sums, server) = (taste(), Server::start(likes));
    let settings = sums.settings(&server.url);
    run(&settings).unwrap();
    let path = settings.output.join("samples.jsonl");
    let text = fs_err::read_to_string(&path).unwrap();
    let first: Vec<&str> =
        text.lines().filter(|line| line.contains("\"arm\":\"initial\"")).collect();
    fs_err::write(&path, format!("{}\n", first[0])).unwrap();
    let before = server.requests().len();
    assert_eq!(run(&settings).unwrap().graded, 2);
    assert_eq!(
        server.requests().len(),
        before + 5,
        "a rendering of the question, and a rendering and a score of each answer"
    );
    assert_eq!(grades(&settings)[&("sft".into(), "1".into())].measures["margin"], 4.0);
}

#[test]
fn a_server_without_a_tokenizer_cannot_score_a_conversation() {
    let server = Server::start(|request| match request.path.as_str() {
        "/tokenize" => Reply::error(404, "nothing here"),
        _ => likes(request),
    });
    let said = run(&taste().settings(&server.url)).unwrap_err().to_string();
    assert!(said.starts_with("the server has no /tokenize"), "{said}");
}

const JUDGED: &str = r#"
name = "chatty"
title = "Chatty"
about = "Which answer is better?"
prompt = "chat"
[data]
files = ["problems.jsonl"]
[task]
kind = "judge"
by = "BY"
[prompts.chat]
messages = [{ role = "user", content = "{q}" }]
"#;

pub(crate) fn judged(by: &str, judge: &Server) -> (Sums, Server, Settings) {
    let problems = [json!({"q": "one"}), json!({"q": "two"}), json!({"q": "three"})];
    let sums = suite(&JUDGED.replace("BY", by), &problems);
    let server = Server::start(|request| {
        let who = if request.text("model") == "initial" { "plain" } else { "splendid" };
        Reply::says(&format!("{who} {}", request.question()))
    });
    let mut settings = sums.settings(&server.url);
    settings.judge =
        Some(JudgeConfig { server: ServerConfig::new(&judge.url), model: "judge".into() });
    (sums, server, settings)
}

#[test]
fn a_pair_is_judged_in_both_orders() {
    // Prefers `splendid` about `one`, always the first answer about `two`, neither about `three`.
    let judge = Server::start(|request| {
        let text = request.question();
        let splendid_first = text.find("splendid").unwrap() < text.find("plain").unwrap();
        Reply::says(match () {
            () if text.contains("splendid two") => "Surely [[A]].",
            () if text.contains("splendid three") => "Well, [[A]] or [[B]]? [[C]]",
            () if splendid_first => "[[A]]",
            () => "[[B]]",
        })
    });
    let (_sums, _server, settings) = judged("pairwise", &judge);
    assert_eq!(run(&settings).unwrap().graded, 6);
    let grades = grades(&settings);
    let of = |problem: &str| &grades[&("sft".to_owned(), problem.to_owned())];
    let measured = |problem: &str, name: &str| of(problem).measures[name];
    assert_eq!([measured("1", "win"), measured("2", "win"), measured("3", "win")], [1.0, 0.0, 0.0]);
    assert_eq!(
        [measured("1", "score"), measured("2", "score"), measured("3", "score")],
        [1.0, 0.5, 0.5]
    );
    assert_eq!(
        [measured("1", "agree"), measured("2", "agree"), measured("3", "agree")],
        [1.0, 0.0, 1.0]
    );
    assert_eq!(of("2").verdict, "tie, the orders disagree");
    assert_eq!(measured("1", "longer_by"), 3.0, "splendid one, plain one");
    assert_eq!(judge.requests().len(), 6, "the reference is not judged against itself");
    assert!(!grades[&("initial".to_owned(), "1".to_owned())].measures.contains_key("win"));
}

#[test]
fn rewards_are_compared() {
    let judge = Server::start(|request| {
        let answer = request.question();
        let reward = if answer.contains("splendid") { 1.5 } else { -0.25 };
        Reply::says(&format!("reward:{reward}"))
    });
    let (_sums, _server, settings) = judged("reward", &judge);
    run(&settings).unwrap();
    let grades = grades(&settings);
    let sft = &grades[&("sft".to_owned(), "1".to_owned())];
    assert_eq!(
        (sft.measures["win"], sft.measures["reward"], sft.verdict.as_str()),
        (1.0, 1.5, "win")
    );
    assert_eq!(grades[&("initial".to_owned(), "1".to_owned())].measures["reward"], -0.25);
    assert_eq!(judge.requests().len(), 6, "the reference's reward is not asked for again");
    let turns = judge.requests()[0].body["messages"].as_array().unwrap().clone();
    let roles: Vec<&Value> = turns.iter().map(|turn| &turn["role"]).collect();
    assert_eq!(roles, ["user", "assistant"]);
}

#[test]
fn an_arm_without_the_references_answer_has_no_verdict() {
    let judge = Server::start(|_| Reply::says("[[A]]"));
    let (sums, _server, mut settings) = judged("pairwise", &judge);
    let given = [("1", "initial"), ("1", "sft"), ("2", "sft")].map(|(problem, arm)| {
        json!({"problem_id": problem, "arm": arm, "completion": "an answer"}).to_string()
    });
    let path = sums.path("answers.jsonl");
    fs_err::write(&path, given.join("\n")).unwrap();
    settings.answers = Answers::File(path);
    settings.arms = Vec::new();
    let ended = run(&settings).unwrap();
    assert_eq!((ended.graded, ended.failed), (2, 1), "`sft` has nothing to be held against in 2");
    let failed: Vec<_> = samples(&settings.output)
        .into_iter()
        .filter(|sample| matches!(sample.status, Status::Failed { .. }))
        .map(|sample| (sample.arm, sample.problem))
        .collect();
    assert_eq!(failed, [("sft".to_owned(), "2".to_owned())]);
    assert_eq!(judge.requests().len(), 2, "both orders of problem 1");
}

#[test]
fn a_judge_that_talks_nonsense_is_no_verdict() {
    let judge = Server::start(|_| Reply::says("hm"));
    let (_sums, _server, settings) = judged("pairwise", &judge);
    let ended = run(&settings).unwrap();
    assert_eq!(
        (ended.graded, ended.failed),
        (3, 3),
        "the reference alone has nothing to be judged"
    );
    let without = Settings { judge: None, ..settings };
    assert!(run(&without).unwrap_err().to_string().contains("needs a judge"));
}

#[test]
fn a_judge_is_told_and_another_one_is_another_run() {
    let judge = Server::start(|_| Reply::says("<think>Hm.</think> [[C]]"));
    let (_sums, _server, settings) = judged("pairwise", &judge);
    run(&settings).unwrap();
    let results = eval::report::write(&settings.output, Default::default()).unwrap();
    let lengths = &results.length_controlled;
    assert_eq!((lengths.len(), lengths[0].arm.as_str()), (1, "sft"), "the reference has no rival");
    assert_eq!((lengths[0].found.comparisons, lengths[0].found.raw), (3, 0.5));
    assert!((lengths[0].found.rate - 0.5).abs() < 1e-9, "{lengths:?}");
    assert!(results.terminal().contains("Win rate with the length taken out"));
    let record = results.run.judge.unwrap();
    assert_eq!((record.model.as_str(), &record.server), ("judge", &judge.url));
    assert_eq!(record.template_digest.unwrap().len(), 64);
    let report = fs_err::read_to_string(settings.output.join("report.md")).unwrap();
    assert!(report.contains("Answers were judged by judge at"), "{report}");
    // The same judge may have moved.
    let moved = Server::start(|_| Reply::says("[[C]]"));
    let config = |server: &Server, model: &str| {
        Some(JudgeConfig { server: ServerConfig::new(&server.url), model: model.into() })
    };
    assert_eq!(
        run(&Settings { judge: config(&moved, "judge"), ..settings.clone() }).unwrap().graded,
        6
    );
    let other = Settings { judge: config(&judge, "other"), ..settings };
    let said = run(&other).unwrap_err().to_string();
    assert!(said.contains("judge.model was \"judge\", now \"other\""), "{said}");
}

#[test]
fn a_judge_sees_no_thoughts() {
    let judge = Server::start(|request| {
        assert!(!request.question().contains("secret"), "{}", request.question());
        Reply::says("[[C]]")
    });
    let sums = suite(&JUDGED.replace("BY", "pairwise"), &[json!({"q": "one"})]);
    let server = Server::start(|request| {
        let thought = if request.text("model") == "sft" { "<think>secret</think>" } else { "" };
        Reply::says(&format!("{thought}yes"))
    });
    let mut settings = sums.settings(&server.url);
    settings.judge =
        Some(JudgeConfig { server: ServerConfig::new(&judge.url), model: "judge".into() });
    run(&settings).unwrap();
    let grades = grades(&settings);
    let measures = &grades[&("sft".to_owned(), "1".to_owned())].measures;
    assert_eq!((measures["characters"], measures["longer_by"]), (3.0, 0.0));
}

#[test]
fn a_judge_that_never_has_a_verdict_ends_the_run() {
    let judge = Server::start(|_| Reply::says("hm"));
    let (sums, _server, mut settings) = judged("pairwise", &judge);
    settings.judge.as_mut().unwrap().server.concurrency = 4;
    let lines: Vec<String> = (0..60).map(|n| json!({"q": format!("q{n}")}).to_string()).collect();
    fs_err::write(sums.path("problems.jsonl"), lines.join("\n")).unwrap();
    let said = run(&settings).unwrap_err().to_string();
    assert!(said.contains("gradings failed, the run ends here"), "{said}");
    assert!(said.contains("the judge's reply has no [[A]]"), "{said}");
}

#[test]
fn a_server_without_echo_is_asked_once() {
    for body in [json!({"text": "x"}), json!({"logprobs": {"token_logprobs": [-1.0]}})] {
        let server = Server::start(move |request| match request.path.as_str() {
            "/v1/completions" => Reply::json(&json!({"choices": [body]})),
            _ => likes(request),
        });
        let said = run(&taste().settings(&server.url)).unwrap_err().to_string();
        assert!(said.starts_with("this server has no echo with logprobs"), "{said}");
        let scored = server.requests().iter().filter(|r| r.path == "/v1/completions").count();
        assert_eq!(scored, 1);
    }
}

#[test]
fn a_server_that_wants_a_token_is_told_so_once() {
    let server = Server::start(|request| match request.path.as_str() {
        "/v1/completions" if request.body["max_tokens"] == 0 => {
            Reply::error(400, "max_tokens must be at least 1")
        }
        "/v1/completions" => {
            let mut request = request.clone();
            request.body["max_tokens"] = json!(0);
            likes(&request)
        }
        _ => likes(request),
    });
    let sums = taste();
    assert_eq!(run(&sums.settings(&server.url)).unwrap().graded, 2);
    let asked = server.requests();
    let refused = asked.iter().filter(|r| r.body["max_tokens"] == 0).count();
    assert_eq!(refused, 1);
}
