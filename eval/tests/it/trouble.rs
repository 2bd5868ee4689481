//! Servers that are busy, broken, slow or hostile: what is tried again, what is not, and what a run
//! makes of it.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use eval::{Answers, Event, ServerConfig, Settings, Status, Stop, evaluate};
use serde_json::json;

use crate::scores::taste;
use crate::server::{Reply, Request, Server};
use crate::sums::{Sums, adds, run, samples};

/// Answers a question only after having answered it in every other way first.
fn stubborn(trouble: fn(usize) -> Option<Reply>) -> impl Fn(&Request) -> Reply {
    let tries: Mutex<HashMap<String, usize>> = Mutex::default();
    move |request| {
        let key = format!("{}{}", request.text("model"), request.body["seed"]);
        let mut tries = tries.lock().unwrap();
        let before = tries.entry(key).or_default();
        *before += 1;
        trouble(*before - 1).unwrap_or_else(|| adds(request))
    }
}

fn with(settings: Settings, change: impl Fn(ServerConfig) -> ServerConfig) -> Settings {
    let answers = match settings.answers {
        Answers::Server(config) => Answers::Server(change(config)),
        file => file,
    };
    Settings { answers, ..settings }
}

#[test]
fn what_passes_is_tried_again() {
    for trouble in [
        (|n| (n == 0).then(|| Reply::error(500, "oops"))) as fn(usize) -> Option<Reply>,
        |n| (n == 0).then_some(Reply::Drop),
        |n| (n == 0).then(|| Reply::Torn(b"{\"choices\": [".to_vec())),
        |n| (n == 0).then(|| Reply::Whole(200, Vec::new(), b"{\"choices\": [{\"mess".to_vec())),
        |n| (n == 0).then(|| Reply::Whole(200, Vec::new(), b"\"\xff\xfe\"".to_vec())),
        |n| (n == 0).then(|| Reply::json(&json!({"choices": []}))),
        |n| (n == 0).then(|| Reply::error(503, "loading")),
        |n| (n == 0).then(|| Reply::Whole(429, vec![("retry-after", "0".into())], Vec::new())),
    ] {
        let (sums, server) = (Sums::new(1), Server::start(stubborn(trouble)));
        let ended = run(&sums.settings(&server.url)).unwrap();
        assert_eq!((ended.graded, ended.failed), (4, 0));
        assert_eq!(server.requests().len(), 8);
    }
}

#[test]
fn retry_after_is_honoured() {
    let began = Instant::now();
    let (sums, server) = (
        Sums::new(1),
        Server::start(move |request| {
            if began.elapsed() < Duration::from_secs(2) {
                return Reply::Whole(429, vec![("Retry-After", "2".into())], Vec::new());
            }
            adds(request)
        }),
    );
    let ended = run(&sums.settings(&server.url)).unwrap();
    assert_eq!((ended.graded, ended.failed), (4, 0));
    assert!(server.requests().len() <= 8, "each asked once, told, and asked again");
}

#[test]
fn a_server_gets_as_many_requests_as_it_takes() {
    let (sums, server) = (
        Sums::new(40),
        Server::start(|request| {
            std::thread::sleep(Duration::from_millis(5));
            if request.under_way > 3 {
                return Reply::Whole(429, vec![("retry-after", "0".into())], Vec::new());
            }
            adds(request)
        }),
    );
    let settings =
        with(sums.settings(&server.url), |config| ServerConfig { concurrency: 64, ..config });
    let ended = run(&settings).unwrap();
    assert_eq!((ended.graded, ended.failed, ended.total), (160, 0, 160));
    assert!(server.most_under_way() <= 16, "{} at a time", server.most_under_way());
    let refused = server.requests().len() - 160;
    assert!(refused < 160, "{refused} refusals of 160");
}

#[test]
fn a_request_at_fault_fails_alone_and_is_asked_again() {
    let (sums, server) = (
        Sums::new(4),
        Server::start(|request| {
            if request.question().starts_with("2 ") {
                return Reply::error(400, "the prompt is longer than the context");
            }
            adds(request)
        }),
    );
    let settings = sums.settings(&server.url);
    let ended = run(&settings).unwrap();
    assert_eq!((ended.graded, ended.failed), (12, 4));
    assert_eq!(server.requests().len(), 16, "a refusal is not tried again");
    let reasons: Vec<String> = samples(&settings.output)
        .into_iter()
        .filter_map(|sample| match sample.status {
            Status::Failed { reason } => Some(reason),
            Status::Graded { .. } | Status::Ungraded { .. } => None,
        })
        .collect();
    assert!(reasons[0].ends_with("says 400: the prompt is longer than the context"), "{reasons:?}");
    let results = eval::report::results(&settings.output, Default::default()).unwrap();
    assert_eq!((results.arms[1].graded, results.arms[1].failed), (6, 2), "and is in no rate");
    drop(server);

    // The next run asks for what is missing alone.
    let server = Server::start(adds);
    let settings = Settings { answers: sums.settings(&server.url).answers, ..settings };
    let ended = run(&settings).unwrap();
    assert_eq!((ended.graded, ended.failed), (16, 0));
    assert_eq!(server.requests().len(), 4);
    let results = eval::report::results(&settings.output, Default::default()).unwrap();
    assert_eq!(
        (results.arms[1].graded, results.arms[1].failed),
        (8, 0),
        "an answer beats a failure"
    );
}

#[test]
fn what_no_request_can_mend_ends_the_run_at_once() {
    for (status, message, says) in [
        (401, "bad key", "says 401: bad key; give a key that it knows (its settings)"),
        (404, "no such model", "says 404: no such model"),
    ] {
        let (sums, server) = (Sums::new(50), Server::start(move |_| Reply::error(status, message)));
        let said = run(&sums.settings(&server.url)).unwrap_err().to_string();
        assert!(said.contains(says), "{said}");
        assert!(server.requests().len() <= 8, "{}", server.requests().len());
    }
}

#[test]
fn a_model_that_is_gone_is_no_missing_tokenizer() {
    let server = Server::start(|request| match request.path.as_str() {
        "/tokenize" => {
            let error =
                json!({"error": {"message": "no model", "type": "NotFoundError", "code": 404}});
            Reply::Whole(404, Vec::new(), error.to_string().into_bytes())
        }
        _ => adds(request),
    });
    let said = run(&taste().settings(&server.url)).unwrap_err().to_string();
    assert!(said.ends_with("says 404: no model"), "{said}");
}

#[test]
fn a_server_that_refuses_everything_or_is_gone_ends_the_run() {
    let (sums, server) = (Sums::new(50), Server::start(|_| Reply::error(400, "no top_k here")));
    let said = run(&sums.settings(&server.url)).unwrap_err().to_string();
    assert!(said.contains("no top_k here; run again with the same arguments"), "{said}");
    assert!(server.requests().len() < 40);

    let server = Server::start(|request| match request.number {
        0..20 => adds(request),
        _ => Reply::Drop,
    });
    let settings = with(sums.settings(&server.url), |config| ServerConfig { tries: 1, ..config });
    let settings = Settings { output: sums.path("gone"), ..settings };
    assert!(run(&settings).unwrap_err().to_string().contains("the run ends here"));
    let kept = samples(&settings.output);
    let graded = kept.iter().filter(|sample| matches!(sample.status, Status::Graded { .. }));
    assert_eq!(graded.count(), 20);
}

#[test]
fn no_server_at_all_is_one_sentence() {
    let sums = Sums::new(1);
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = with(sums.settings(&format!("http://{closed}/v1")), |config| ServerConfig {
        tries: 1,
        ..config
    });
    let said = run(&settings).unwrap_err().to_string();
    assert_eq!(
        said,
        format!(
            "the server at http://{closed} failed: it does not take connections (tried 1 times)"
        )
    );
    for bad in ["127.0.0.1:8080", "ftp://x", "http://"] {
        assert!(run(&sums.settings(bad)).unwrap_err().to_string().contains("expected an address"));
    }
}

#[test]
fn answers_that_take_too_long_fail() {
    let (sums, server) = (
        Sums::new(1),
        Server::start(|request| {
            std::thread::sleep(Duration::from_millis(800));
            adds(request)
        }),
    );
    let settings = with(sums.settings(&server.url), |config| ServerConfig {
        timeout: Duration::from_millis(200),
        tries: 1,
        ..config
    });
    let ended = run(&settings).unwrap();
    assert_eq!((ended.graded, ended.failed), (0, 4));
    let sample = &samples(&settings.output)[0];
    let Status::Failed { reason } = &sample.status else { panic!() };
    assert!(reason.contains("did not answer in time"), "{reason}");
}

#[test]
fn the_key_is_sent_and_written_nowhere() {
    let (sums, server) = (Sums::new(1), Server::start(adds));
    let settings = with(sums.settings(&server.url), |config| ServerConfig {
        key: Some("sk-secret".to_owned()),
        url: config.url.replace("http://", "http://user:hidden@"),
        ..config
    });
    run(&settings).unwrap();
    assert_eq!(server.requests()[0].key.as_deref(), Some("Bearer sk-secret"));
    for entry in fs_err::read_dir(&settings.output).unwrap() {
        let text = fs_err::read_to_string(entry.unwrap().path()).unwrap();
        assert!(!text.contains("sk-secret") && !text.contains("hidden"), "{text}");
    }
}

#[test]
fn what_a_model_writes_is_kept_as_it_is() {
    let hostile = "\u{0}\u{1b}[31m</script>\r\n\u{2028}\u{fffd}😀{}\"\\";
    let (sums, server) = (Sums::new(1), Server::start(move |_| Reply::says(hostile)));
    let settings = sums.settings(&server.url);
    run(&settings).unwrap();
    let samples = samples(&settings.output);
    assert_eq!(samples.len(), 4);
    for sample in samples {
        let Status::Graded { completion, .. } = sample.status else { panic!() };
        assert_eq!(completion, hostile);
    }
}

#[test]
fn a_folder_is_not_gone_on_with_under_other_graders() {
    let (sums, server) = (Sums::new(1), Server::start(adds));
    let settings = sums.settings(&server.url);
    run(&settings).unwrap();
    let path = settings.output.join("run.json");
    let record = fs_err::read(&path).unwrap();
    for (name, value, sentence) in [
        ("version", serde_json::json!("0.0.1"), "it was begun by version 0.0.1 of this program"),
        (
            "protections",
            serde_json::json!({"seccomp": true}),
            "programs were graded under other protections",
        ),
    ] {
        let mut changed: serde_json::Value = serde_json::from_slice(&record).unwrap();
        changed[name] = value;
        fs_err::write(&path, changed.to_string()).unwrap();
        let said = run(&settings).unwrap_err().to_string();
        assert!(said.contains(sentence), "{said}");
    }
    fs_err::write(&path, &record).unwrap();
    run(&settings).unwrap();
}

#[test]
fn a_stopped_run_does_not_wait_for_a_server_that_drags_on() {
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let held = Mutex::new(held);
    let server = Server::start(move |request| {
        // Until the test lets go of `hold`.
        let _ = held.lock().unwrap().recv();
        adds(request)
    });
    let sums = Sums::new(2);
    let settings = with(sums.settings(&server.url), |config| ServerConfig {
        timeout: Duration::from_secs(600),
        ..config
    });
    let stop = Stop::default();
    let ended = std::thread::scope(|scope| {
        let running = scope.spawn(|| evaluate(&settings, &|_: Event<'_>| {}, &stop));
        while server.requests().is_empty() {
            std::thread::sleep(Duration::from_millis(10));
        }
        stop.ask();
        running.join().unwrap().unwrap()
    });
    assert_eq!((ended.graded, ended.failed, ended.interrupted), (0, 0, true));
    assert_eq!(samples(&settings.output).len(), 0, "what was left is no failure");
    drop(hold);
}

/// Refuses `seed` as OpenAI would, and then `top_p` as a server that checks by pydantic.
fn choosy(request: &Request) -> Reply {
    if request.body.get("seed").is_some() {
        let error = json!({"error": {"message": "Unrecognized request argument", "param": "seed"}});
        return Reply::Whole(400, Vec::new(), error.to_string().into_bytes());
    }
    if request.body.get("top_p").is_some() {
        let error = json!({"detail": [{"loc": ["body", "top_p"], "msg": "Extra inputs"}]});
        return Reply::Whole(422, Vec::new(), error.to_string().into_bytes());
    }
    Reply::says("3")
}

#[test]
fn fields_that_a_server_refuses_by_name_are_not_sent() {
    let (sums, server) = (Sums::new(6), Server::start(choosy));
    let mut settings = with(sums.settings(&server.url), |c| ServerConfig { concurrency: 1, ..c });
    settings.sampling.top_p = Some(1.0);
    settings.selection.limit = Some(3);
    let ended = run(&settings).unwrap();
    assert_eq!((ended.graded, ended.failed), (12, 0));
    assert_eq!(server.requests().len(), 14, "two refusals teach it");
    let results = eval::report::write(&settings.output, Default::default()).unwrap();
    assert_eq!(results.run.not_sent, ["seed", "top_p"]);
    assert!(results.notes[0].starts_with("Not sent: seed, top_p."), "{:?}", results.notes);
    let report = fs_err::read_to_string(settings.output.join("report.md")).unwrap();
    assert!(report.contains("(not sent: seed, top\\_p)"), "{report}");
    // The next run knows, so that all samples of a folder are drawn alike.
    settings.selection.limit = None;
    assert_eq!(run(&settings).unwrap().graded, 24);
    assert_eq!(server.requests().len(), 26);
}

#[test]
fn a_bound_that_decides_the_draw_is_never_left_out() {
    let (sums, server) = (Sums::new(4), Server::start(choosy));
    let mut settings = with(sums.settings(&server.url), |c| ServerConfig { concurrency: 1, ..c });
    settings.sampling.top_p = Some(0.9);
    let said = run(&settings).unwrap_err().to_string();
    assert!(said.contains("top_p"), "{said}");
    assert!(server.requests().iter().all(|request| request.body["top_p"] == 0.9));
}

#[test]
fn a_refusal_that_only_sounds_like_a_fields_teaches_nothing() {
    let (sums, server) = (
        Sums::new(4),
        Server::start(|request| match request.question() {
            "1 + 2 =" => Reply::error(400, "the seed phrase is not allowed here"),
            _ => adds(request),
        }),
    );
    let settings = sums.settings(&server.url);
    let ended = run(&settings).unwrap();
    assert_eq!((ended.graded, ended.failed), (12, 4));
    let asked = server.requests();
    let others = || asked.iter().filter(|request| request.question() != "1 + 2 =");
    assert!(others().all(|request| request.body["seed"].is_u64()));
    let results = eval::report::results(&settings.output, Default::default()).unwrap();
    assert!(results.run.not_sent.is_empty());
}
