//! Every suite that comes with the program runs from its own data to a report, against a scripted
//! server.

use eval::report::{self, Options};
use eval::{JudgeConfig, ServerConfig, Settings, Task, bundled_suites};
use rewards::Resources;
use sandbox::Strictness;

use crate::scores::{echo, tokens};
use crate::server::{Reply, Request, Server};
use crate::sums::{Sums, run};

/// Answers nothing to the point; scores texts by their length.
fn anything(request: &Request) -> Reply {
    match request.path.as_str() {
        "/tokenize" => tokens(request),
        _ if request.body["echo"] == true => echo(request, |_| -1.0),
        "/v1/completions" => Reply::json(&serde_json::json!({
            "choices": [{"text": "I do not know.", "finish_reason": "stop"}],
        })),
        _ => Reply::says("I do not know."),
    }
}

/// As a pairwise judge finds both equally good; as a reward model gives the number 0.5.
fn judge(request: &Request) -> Reply {
    let text = request.question();
    Reply::says(if text.contains("Answer A:") { "Both will do: [[C]]" } else { "reward:0.5" })
}

#[test]
fn every_bundled_suite_runs_and_has_a_headline() {
    let (server, judge) = (Server::start(anything), Server::start(judge));
    let suites = bundled_suites().unwrap();
    assert!(suites.len() >= 11);
    for suite in suites {
        let sums = Sums::new(0);
        let judged = matches!(suite.task, Task::Judge(_));
        let config = || JudgeConfig { server: ServerConfig::new(&judge.url), model: "j".into() };
        let mut settings = Settings {
            suite: suite.name.clone(),
            judge: judged.then(config),
            resources: Resources { strictness: Strictness::BestEffort, ..Resources::default() },
            ..sums.settings(&server.url)
        };
        settings.selection.limit = Some(2);
        settings.sampling.samples = Some(1);
        let ended = run(&settings).unwrap();
        assert_eq!((ended.graded, ended.failed), (4, 0), "{}", suite.name);
        let results = report::write(&settings.output, Options::default()).unwrap();
        let headline = &results.run.measures[0].name;
        let rate = results.rates.iter().find(|r| r.arm == "sft" && r.cut.measure == *headline);
        let value = rate.unwrap().estimate.value;
        assert!(value.is_some(), "{}: {headline}", suite.name);
        let lacks = |note: &&String| note.contains("in none of its numbers");
        assert_eq!(results.notes.iter().find(lacks), None, "{}", suite.name);
        let bound = "0".parse::<report::Bound>().unwrap().judge(&results).unwrap();
        assert!(bound.passed, "{}: {}", suite.name, bound.sentence);
    }
}

#[test]
fn a_comparison_needs_another_arm() {
    let server = Server::start(anything);
    let mut settings =
        Settings { suite: "ultrafeedback".into(), ..Sums::new(0).settings(&server.url) };
    settings.arms = vec![eval::ArmSpec::parse("initial").unwrap()];
    let said = run(&settings).unwrap_err().to_string();
    assert!(said.contains("`initial` is the only arm; name another one"), "{said}");
}

#[test]
fn measures_that_nothing_gives_are_refused() {
    let sums = Sums::new(1);
    let text = format!(
        "{}\n[[measures]]\nname = \"exat\"\ntitle = \"Right\"\nkind = \"verdict\"\n",
        crate::sums::SUITE
    );
    fs_err::write(sums.path("suite.toml"), text).unwrap();
    let said = run(&sums.settings("http://127.0.0.1:9")).unwrap_err().to_string();
    assert!(said.contains("`measures` names `exat`") && said.contains("there are exact"), "{said}");
}
