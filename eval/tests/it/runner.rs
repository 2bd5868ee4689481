//! The run: who is asked what, what is kept, how it goes on, what it refuses.

use std::io::Write;

use eval::{Answers, ArmSpec, Event, Status, Stop, evaluate};
use serde_json::json;

use crate::server::{Reply, Server};
use crate::sums::{Sums, adds, results, run, samples};

#[test]
fn arms_take_turns_with_the_same_prompts_and_seeds() {
    let (sums, server) = (Sums::new(3), Server::start(adds));
    let mut settings = sums.settings(&server.url);
    settings.answers = match settings.answers {
        Answers::Server(config) => Answers::Server(eval::ServerConfig { concurrency: 1, ..config }),
        file => file,
    };
    let ended = run(&settings).unwrap();
    assert_eq!((ended.graded, ended.failed, ended.total), (12, 0, 12));
    let requests = server.requests();
    let mut seeds = std::collections::HashSet::new();
    for turn in requests.chunks(2) {
        assert_eq!([turn[0].text("model"), turn[1].text("model")], ["initial", "sft"]);
        for field in ["messages", "seed", "temperature", "top_p", "max_tokens"] {
            assert_eq!(turn[0].body[field], turn[1].body[field], "{field}");
        }
        assert!(turn[0].body.get("top_k").is_none() && turn[0].body.get("stop").is_none());
        assert!(seeds.insert(turn[0].body["seed"].as_u64().unwrap()), "seeds are not used twice");
    }
    let run = eval::report::results(&sums.path("out"), Default::default()).unwrap().run;
    assert_eq!((run.reference.as_str(), run.groups[0].as_str()), ("initial", "size"));
    assert_eq!(run.arms[1].generation.as_deref(), Some("g1"));
    assert_eq!(run.measures[0].name, "exact", "the grader says what it measures");
    for sample in samples(&sums.path("out")) {
        let Status::Graded { completion, finish, usage, grade } = sample.status else { panic!() };
        assert_eq!(
            (finish.as_str(), usage.prompt_tokens, usage.completion_tokens),
            ("stop", Some(7), Some(3))
        );
        let right = sample.arm == "sft" || sample.seed % 3 != 0;
        assert_eq!(grade.measures["exact"], f64::from(u8::from(right)), "{completion}");
    }
}

#[test]
fn the_prompt_and_the_problems_are_the_users_choice() {
    let (sums, server) = (Sums::new(20), Server::start(adds));
    let mut settings = sums.settings(&server.url);
    settings.arms = vec![ArmSpec::parse("mine=sft").unwrap()];
    settings.selection.prompt = Some("text".to_owned());
    settings.selection.wanted = vec![("size".to_owned(), "small".to_owned())];
    settings.selection.start_date = Some("2024-03-01".to_owned());
    settings.selection.end_date = Some("2024-07-01".to_owned());
    settings.selection.limit = Some(4);
    settings.sampling.samples = Some(1);
    settings.sampling.top_k = Some(5);
    run(&settings).unwrap();
    let ids: Vec<String> = samples(&sums.path("out")).into_iter().map(|s| s.problem).collect();
    let mut ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["p14", "p2", "p4", "p6"], "small, from March to July");
    let request = &server.requests()[0];
    assert_eq!((request.path.as_str(), &request.body["stop"]), ("/v1/completions", &json!(["\n"])));
    assert_eq!(request.body["top_k"], 5);
    settings.selection.prompt = Some("nope".to_owned());
    let said = run(&settings).unwrap_err().to_string();
    assert_eq!(said, "suite sums has no prompt `nope`; it has chat, text");
    settings.selection.prompt = None;
    settings.selection.wanted = vec![("sise".to_owned(), "small".to_owned())];
    assert!(run(&settings).unwrap_err().to_string().contains("neither a group nor a field"));
}

#[test]
fn a_run_that_was_stopped_goes_on_where_it_was() {
    let sums = Sums::new(12);
    let whole = Server::start(adds);
    let mut settings = sums.settings(&whole.url);
    settings.output = sums.path("whole");
    run(&settings).unwrap();

    let server = Server::start(adds);
    let mut settings = sums.settings(&server.url);
    for stop_after in [5, 9, usize::MAX] {
        let (stop, seen) = (Stop::default(), std::sync::atomic::AtomicUsize::new(0));
        let watch = |event: Event<'_>| {
            let seen = || seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1;
            if matches!(event, Event::Sample { .. }) && seen() == stop_after {
                stop.ask();
            }
        };
        let ended = evaluate(&settings, &watch, &stop).unwrap();
        assert_eq!(ended.interrupted, stop_after < usize::MAX);
        // What a kill in the middle of a write leaves.
        let path = sums.path("out").join("samples.jsonl");
        let mut file = fs_err::OpenOptions::new().append(true).open(path).unwrap();
        file.write_all(br#"{"key":"00112233"#).unwrap();
    }
    assert_eq!(run(&settings).unwrap().graded, 48);
    assert_eq!(server.requests().len(), 48, "nothing was asked twice");
    assert_eq!(samples(&sums.path("out")).len(), 48, "the torn line was cut off");
    assert_eq!(results(&sums.path("out")), results(&sums.path("whole")));
    settings.force = true;
    assert_eq!(run(&settings).unwrap().graded, 48);
    assert_eq!(server.requests().len(), 96, "--force begins anew");
}

/// What a run says that goes on in the folder of `settings` under changed ones.
fn refusal(settings: &eval::Settings, change: &dyn Fn(&mut eval::Settings)) -> String {
    let mut changed = settings.clone();
    change(&mut changed);
    run(&changed).unwrap_err().to_string()
}

#[test]
fn a_folder_of_another_run_is_refused_by_what_differs() {
    let (sums, server) = (Sums::new(2), Server::start(adds));
    let settings = sums.settings(&server.url);
    run(&settings).unwrap();
    let before = server.requests().len();
    let refused = |change: &dyn Fn(&mut eval::Settings)| refusal(&settings, change);
    let said = refused(&|s| s.sampling.temperature = Some(0.9));
    assert!(
        said.contains("sampling.temperature was 0.5, now 0.9; choose another folder"),
        "{said}"
    );
    assert!(refused(&|s| s.selection.prompt = Some("text".into())).contains("prompt was \"chat\""));
    assert!(
        refused(&|s| s.shard = eval::Shard::parse("1/2").ok()).contains("shard was 1/1, now 1/2")
    );
    assert!(refused(&|s| s.arms = vec![ArmSpec::parse("sft").unwrap()]).contains("arms was "));
    assert_eq!(server.requests().len(), before, "and nobody is asked");
    assert_eq!(run(&settings).unwrap().graded, 8, "the same again is not");
}

#[test]
fn a_run_grows_by_samples_and_problems_and_asks_what_is_missing_alone() {
    let (sums, server) = (Sums::new(6), Server::start(adds));
    let mut settings = sums.settings(&server.url);
    settings.selection.limit = Some(2);
    settings.sampling.samples = Some(1);
    assert_eq!(run(&settings).unwrap().graded, 4);
    let began = record(&settings)["started"].clone();
    settings.sampling.samples = Some(3);
    settings.k = vec![1, 3];
    assert_eq!(run(&settings).unwrap().graded, 12);
    settings.selection.limit = None;
    assert_eq!(run(&settings).unwrap().graded, 36);
    assert_eq!(server.requests().len(), 36, "nothing was asked twice");
    assert_eq!(record(&settings)["started"], began);
    assert_eq!(record(&settings)["k"], json!([1, 3]));
    let problems = |settings: &eval::Settings| {
        fs_err::read_to_string(settings.output.join("problems.jsonl")).unwrap()
    };
    let whole = eval::Settings { output: sums.path("whole"), ..settings.clone() };
    run(&whole).unwrap();
    assert_eq!(results(&settings.output), results(&whole.output), "as if asked at once");
    assert_eq!(problems(&settings), problems(&whole));
    // More problems than those of one kind, between those that are there.
    let mut some = eval::Settings { output: sums.path("some"), ..settings.clone() };
    some.selection.wanted = vec![("size".to_owned(), "small".to_owned())];
    assert_eq!(run(&some).unwrap().graded, 18);
    some.selection.wanted.clear();
    assert_eq!(run(&some).unwrap().graded, 36);
    assert_eq!(results(&some.output), results(&whole.output));
}

#[test]
fn a_run_that_was_stopped_while_it_grew_goes_on() {
    let (sums, server) = (Sums::new(4), Server::start(adds));
    let mut settings = sums.settings(&server.url);
    settings.selection.limit = Some(2);
    run(&settings).unwrap();
    let record = fs_err::read(settings.output.join("run.json")).unwrap();
    settings.selection.limit = None;
    let stop = Stop::default();
    let watch = |event: Event<'_>| {
        if matches!(event, Event::Started { .. }) {
            stop.ask();
        }
    };
    assert!(evaluate(&settings, &watch, &stop).unwrap().interrupted);
    // What a kill leaves between the two files of a record that grows.
    fs_err::write(settings.output.join("run.json"), record).unwrap();
    let mut smaller = settings.clone();
    smaller.selection.limit = Some(2);
    run(&smaller).unwrap();
    let problems = fs_err::read_to_string(settings.output.join("problems.jsonl")).unwrap();
    assert_eq!(problems.lines().count(), 2, "the run that did not grow has its own problems alone");
    assert_eq!(run(&settings).unwrap().graded, 16);
    assert_eq!(server.requests().len(), 16);
}

#[test]
fn a_folder_does_not_shrink_and_its_problems_do_not_change() {
    let (sums, server) = (Sums::new(4), Server::start(adds));
    let settings = sums.settings(&server.url);
    run(&settings).unwrap();
    let before = server.requests().len();
    let refused = |change: &dyn Fn(&mut eval::Settings)| refusal(&settings, change);
    let said = refused(&|s| s.sampling.samples = Some(1));
    assert!(said.contains("it has 2 samples of each problem, and 1 are asked for"), "{said}");
    assert!(said.contains("a folder grows and does not shrink; choose another folder"), "{said}");
    let said = refused(&|s| s.selection.limit = Some(3));
    assert!(said.contains("it has 1 problems that this run leaves out, such as `p3`"), "{said}");
    let said = refused(&|s| {
        let text = fs_err::read_to_string(sums.path("problems.jsonl")).unwrap();
        let path = sums.path("changed.jsonl");
        fs_err::write(&path, text.replacen("\"answer\":3,", "\"answer\":4,", 1)).unwrap();
        s.selection.data = vec![path];
    });
    assert!(said.contains("problem `p1` was another one"), "{said}");
    assert_eq!(server.requests().len(), before, "and nobody is asked");
}

#[test]
fn a_share_of_more_problems_is_another_share() {
    let (sums, server) = (Sums::new(4), Server::start(adds));
    let of = |share: &str, limit, output: &str| {
        let mut settings = sums.settings(&server.url);
        settings.output = sums.path(output);
        settings.shard = eval::Shard::parse(share).ok();
        settings.selection.limit = limit;
        run(&settings).map(|ended| ended.graded).map_err(|error| error.to_string())
    };
    assert_eq!((of("1/2", Some(2), "first"), of("2/2", Some(2), "second")), (Ok(4), Ok(4)));
    assert_eq!(of("1/2", None, "first"), Ok(8), "the first share of more holds that of fewer");
    assert!(of("2/2", None, "second").unwrap_err().contains("merge the shares"));
}

#[test]
fn bounds_that_the_run_cannot_be_held_to_are_refused_before_anyone_is_asked() {
    let (sums, server) = (Sums::new(2), Server::start(adds));
    let mut settings = sums.settings(&server.url);
    for (bound, says) in [
        ("nosucharm:exact>=0.5", "the arms are initial, sft, and a difference is ARM-initial"),
        ("sft:typo>=0.5", "the measures are exact"),
        ("exact@3>=0.5", "pass@k is there for k = 1, 2"),
        ("50", "0.5, not 50"),
    ] {
        settings.bounds = vec![bound.parse().unwrap()];
        let error = run(&settings).unwrap_err();
        assert!(matches!(&error, eval::Error::Setting(said) if said.contains(says)), "{error}");
    }
    assert!(server.requests().is_empty() && !settings.output.exists());
    settings.bounds = vec!["sft-initial:exact@2>=-1".parse().unwrap()];
    assert_eq!(run(&settings).unwrap().graded, 8);
}

/// The folder's `run.json`.
fn record(settings: &eval::Settings) -> serde_json::Value {
    let text = fs_err::read_to_string(settings.output.join("run.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn two_runs_do_not_write_to_one_folder() {
    let sums = Sums::new(1);
    let folder = sums.path("out");
    fs_err::create_dir(&folder).unwrap();
    let file = fs_err::File::create(folder.join("samples.jsonl")).unwrap();
    file.file().lock().unwrap();
    let server = Server::start(adds);
    let said = run(&sums.settings(&server.url)).unwrap_err().to_string();
    assert!(said.contains("another run writes here"), "{said}");
}

#[test]
fn an_adapter_that_changes_under_way_ends_the_run() {
    let (sums, server) = (
        Sums::new(20),
        Server::start(|request| {
            let generation = if request.number < 10 { "g1" } else { "g2" };
            Reply::json(&json!({
                "choices": [{"message": {"content": "1"}, "finish_reason": "stop"}],
                "adapter_generation": (request.text("model") == "sft").then_some(generation),
            }))
        }),
    );
    let said = run(&sums.settings(&server.url)).unwrap_err().to_string();
    assert!(said.starts_with("adapter sft was changed on the server"), "{said}");
    assert!(said.contains("generation g1, now g2"), "{said}");
    let kept = samples(&sums.path("out"));
    assert!(!kept.is_empty() && kept.len() < 20, "{}", kept.len());
}

#[test]
fn another_base_behind_the_same_names_is_another_run() {
    let serve = |base: &str| {
        let cards = json!({"data": [
            {"id": "initial", "parent": null, "base_generation": base},
            {"id": "sft", "parent": "initial", "adapter_generation": "g1", "base_generation": base},
        ]});
        Server::with_cards(cards, adds)
    };
    let (sums, first, second) = (Sums::new(1), serve("b1"), serve("b2"));
    let mut settings = sums.settings(&first.url);
    for arm in ["initial", "sft"] {
        settings.arms = vec![ArmSpec::parse(arm).unwrap()];
        settings.output = sums.path(arm);
        settings.answers = sums.settings(&first.url).answers;
        run(&settings).unwrap();
        settings.answers = sums.settings(&second.url).answers;
        let said = run(&settings).unwrap_err().to_string();
        assert!(said.contains("arms.0.base_generation was \"b1\", now \"b2\""), "{said}");
    }
    assert_eq!(second.requests().len(), 0);
}
