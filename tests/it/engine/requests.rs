//! Whole requests on the mock model: what decides an answer, and what must not.

use super::driver::{Driver, ROOMY, Size, collect};
use super::mock::MockRunner;
use super::support::{Answer, EOS, Random};
use super::world::World;
use wardrobe::engine::{
    FinishReason, PrefixCaching, Request, SamplingParams, StopHit, TokenLogprob,
};

fn mock_engine(size: Size) -> Driver<MockRunner> {
    Driver::new(MockRunner::default(), EOS, size)
}

fn params(max_tokens: usize) -> SamplingParams {
    SamplingParams { max_tokens, ignore_eos: true, ..SamplingParams::default() }
}

fn request(prompt: impl AsRef<[u8]>, params: SamplingParams) -> Request {
    let prompt = prompt.as_ref().iter().map(|&byte| u32::from(byte)).collect();
    Request { prompt, params, adapter: None }
}

/// Greedy answers of a mock that says `text` after a one-token prompt.
fn scripted(script: fn(usize) -> u32, change: impl FnOnce(&mut SamplingParams)) -> Answer {
    let runner = MockRunner { script: Some(script), ..MockRunner::default() };
    let mut params = SamplingParams { temperature: 0.0, max_tokens: 40, ..params(40) };
    change(&mut params);
    Driver::new(runner, EOS, ROOMY).answer(&[request("?", params)]).remove(0)
}

/// "Grüße, Welt. Grüße, Welt. ..." byte by byte.
fn greeting(position: usize) -> u32 {
    let text = "Grüße, Welt. ".as_bytes();
    u32::from(text[position % text.len()])
}

fn random_requests(random: &mut Random, count: usize) -> Vec<Request> {
    let draw = |random: &mut Random| {
        // Few beginnings, so that prompts share blocks.
        let mut prompt = vec![u32::try_from(random.below(2)).unwrap(); random.below(90)];
        prompt.extend((0..1 + random.below(30)).map(|_| random.below(200) as u32));
        let params = SamplingParams {
            max_tokens: 1 + random.below(50),
            temperature: [0.0, 1.0][random.below(2)],
            top_p: [0.8, 1.0][random.below(2)],
            presence_penalty: [0.0, 0.5][random.below(2)],
            seed: Some(random.next()),
            logprobs: Some(random.below(3)),
            prompt_logprobs: (random.below(4) == 0).then_some(1),
            ignore_eos: random.below(2) == 0,
            ..SamplingParams::default()
        };
        Request { prompt, params, adapter: None }
    };
    (0..count).map(|_| draw(random)).collect()
}

#[test]
fn company_chunks_cache_and_preemption_change_no_answer() {
    let requests = random_requests(&mut Random::new(5), 24);
    let alone: Vec<Answer> = requests
        .iter()
        .map(|request| mock_engine(ROOMY).answer(std::slice::from_ref(request)).remove(0))
        .collect();
    let tight = Size { num_blocks: 6, max_num_seqs: 6, max_num_batched_tokens: 24, ..ROOMY };
    let sizes = [
        ROOMY,
        Size { max_num_batched_tokens: 16, ..ROOMY },
        Size { prefix_caching: PrefixCaching::Off, ..ROOMY },
        tight,
        Size { prefix_caching: PrefixCaching::Off, ..tight },
    ];
    for size in sizes {
        let mut engine = mock_engine(size);
        // The second round finds a warm cache.
        for round in 0..2 {
            for (answer, alone) in engine.answer(&requests).iter().zip(&alone) {
                assert_eq!(answer.essence(), alone.essence(), "round {round}");
            }
        }
        let scheduler = engine.engine.scheduler();
        assert_eq!(scheduler.blocks().num_used_blocks(), 0);
        let preemptions = scheduler.num_preemptions();
        assert_eq!(preemptions > 0, size.num_blocks == 6, "{preemptions} preemptions");
        let hits = scheduler.blocks().prefix_stats().hits;
        assert_eq!(hits > 0, size.prefix_caching == PrefixCaching::On);
    }
}

#[test]
fn a_dropped_stream_frees_its_blocks_before_the_next_step() {
    let mut engine = mock_engine(Size { max_num_seqs: 1, ..ROOMY });
    let running = engine.add(request(vec![1; 100], params(500)));
    let waiting = engine.add(request(vec![2; 100], params(500)));
    let kept = engine.add(request(vec![3; 10], params(5)));
    engine.step();
    assert_eq!(engine.engine.scheduler().blocks().num_used_blocks(), 4);
    drop(running);
    drop(waiting);
    engine.step();
    let scheduler = engine.engine.scheduler();
    assert_eq!((scheduler.running().len(), scheduler.waiting().len()), (1, 0));
    assert_eq!(scheduler.blocks().num_used_blocks(), 1);
    assert_eq!(engine.finish(vec![kept])[0].ids.len(), 5);
    assert_eq!(engine.engine.stats().lock().unwrap().finished.aborted, 2);
}

#[test]
fn random_cancellations_leave_nothing_behind() {
    let mut random = Random::new(11);
    let size = Size { num_blocks: 12, max_num_seqs: 5, max_num_batched_tokens: 20, ..ROOMY };
    let mut engine = mock_engine(size);
    let mut receivers = Vec::new();
    for request in random_requests(&mut random, 120) {
        receivers.push(engine.add(request));
        (0..random.below(6)).for_each(|_| engine.step());
        if random.below(3) == 0 {
            receivers.swap_remove(random.below(receivers.len()));
        }
    }
    let answers = engine.finish(receivers);
    assert!(answers.iter().all(|answer| answer.end.is_some()));
    assert_eq!(engine.engine.scheduler().blocks().num_used_blocks(), 0);
    let finished = engine.engine.stats().lock().unwrap().finished;
    assert_eq!(finished.stop + finished.length + finished.aborted, 120);
    assert!(finished.aborted > 10);
}

#[test]
fn a_failed_step_fails_its_requests_and_no_others() {
    let runner = MockRunner { fail_in: Some(3), ..MockRunner::default() };
    let mut engine = Driver::new(runner, EOS, Size { max_num_seqs: 2, ..ROOMY });
    let same = request(vec![4; 70], params(6));
    let receivers: Vec<_> = (0..4).map(|_| engine.add(same.clone())).collect();
    let answers = engine.finish(receivers);
    for failed in &answers[..2] {
        let message = failed.failure.as_deref().unwrap();
        assert_eq!(message, "the model could not compute this step: the mock fails as told");
    }
    for fine in &answers[2..] {
        assert_eq!((fine.ids.len(), fine.failure.as_ref()), (6, None));
    }
    assert_eq!(answers[2].usage.cached_tokens, 0, "nothing of the failed step is trusted");
    assert_eq!(engine.engine.stats().lock().unwrap().finished.failed, 2);
}

#[test]
fn a_prompt_can_be_scored_without_generating() {
    let mut engine = mock_engine(Size { max_num_batched_tokens: 16, ..ROOMY });
    let score = SamplingParams { prompt_logprobs: Some(2), ..params(0) };
    let answers = engine.answer(&[request("a text to be scored", score), request("x", params(0))]);
    let scored = &answers[0];
    assert_eq!(scored.end, Some((FinishReason::Length, None)));
    assert_eq!((scored.prompt_logprobs.len(), scored.usage.completion_tokens), (19, 0));
    assert_eq!(scored.prompt_logprobs[0], None);
    let ids: Vec<u32> = scored.prompt_logprobs[1..].iter().flatten().map(|l| l.id).collect();
    assert_eq!(ids, " text to be scored".bytes().map(u32::from).collect::<Vec<_>>());
    let sane = |l: &TokenLogprob| l.top.len() == 2 && l.top[0].1 >= l.top[1].1 && l.logprob <= 0.0;
    assert!(scored.prompt_logprobs.iter().flatten().all(sane));
    assert_eq!(answers[1].end, Some((FinishReason::Length, None)));
}

#[test]
fn generated_logprobs_equal_the_scores_of_the_same_text() {
    let mut engine = mock_engine(ROOMY);
    let generate = SamplingParams {
        logprobs: Some(3),
        temperature: 0.7,
        top_k: 20,
        repetition_penalty: 1.3,
        seed: Some(3),
        ..params(50)
    };
    let mut text = request("The beginning", generate);
    let generated = engine.answer(std::slice::from_ref(&text)).remove(0);
    text.prompt.extend(&generated.ids);
    text.params = SamplingParams { prompt_logprobs: Some(3), ..params(0) };
    let scored = engine.answer(&[text]).remove(0);
    let scores: Vec<TokenLogprob> = scored.prompt_logprobs.into_iter().skip(13).flatten().collect();
    assert_eq!(scores, generated.logprobs);
}

#[test]
fn seeds_decide_and_their_absence_does_not() {
    let mut engine = mock_engine(ROOMY);
    let seeded = |seed| request("Once", SamplingParams { seed, ..params(30) });
    let requests = [seeded(Some(1)), seeded(Some(1)), seeded(Some(2)), seeded(None), seeded(None)];
    let answers = engine.answer(&requests);
    assert_eq!(answers[0].ids, answers[1].ids);
    assert_ne!(answers[0].ids, answers[2].ids);
    assert_ne!(answers[3].ids, answers[4].ids);
}

#[test]
fn a_stop_string_ends_the_answer_wherever_tokens_cut_it() {
    let found = scripted(greeting, |p| p.stop = vec!["e, W".to_owned()]);
    // The prompt is position 0, so the answer begins with the token at position 0: "G".
    assert_eq!(found.text, "Grüß");
    assert_eq!(found.end, Some((FinishReason::Stop, Some(StopHit::Text("e, W".to_owned())))));
    assert_eq!(found.usage.completion_tokens, "Grüße, W".len());
    let included = scripted(greeting, |p| {
        p.stop = vec!["ü".to_owned(), "ß".to_owned()];
        p.include_stop_str_in_output = true;
    });
    assert_eq!(included.text, "Grü");
}

#[test]
fn log_probs_are_held_back_with_their_text() {
    let runner = MockRunner { script: Some(greeting), ..MockRunner::default() };
    let mut engine = Driver::new(runner, EOS, ROOMY);
    let asked = SamplingParams {
        temperature: 0.0,
        stop: vec!["e, W".to_owned()],
        logprobs: Some(0),
        ..params(40)
    };
    let mut receiver = engine.add(request("?", asked));
    let mut answer = Answer::default();
    let mut most = 0;
    while !engine.engine.is_idle() {
        engine.step();
        while let Ok(event) = receiver.try_recv() {
            answer.take(event);
        }
        most = most.max(answer.ids.len());
    }
    let said = "Grüß".as_bytes();
    assert_eq!(most, said.len(), "nothing of the stop string was sent before it was decided");
    assert_eq!(answer.ids, said.iter().map(|&byte| u32::from(byte)).collect::<Vec<_>>());
    assert_eq!(answer.logprobs.iter().map(|l| l.id).collect::<Vec<_>>(), answer.ids);
    assert_eq!(answer.text, "Grüß");
    assert_eq!(answer.usage.completion_tokens, "Grüße, W".len());
    let cut = scripted(greeting, |p| (p.stop, p.logprobs) = (vec!["Grü".to_owned()], Some(0)));
    assert_eq!((cut.text.as_str(), cut.ids.len(), cut.logprobs.len()), ("", 0, 0));
}

#[test]
fn text_held_for_a_stop_string_comes_when_the_answer_ends() {
    let whole = scripted(greeting, |p| p.max_tokens = 8);
    let held = scripted(greeting, |p| {
        p.max_tokens = 8;
        p.stop = vec!["e, Wurst".to_owned()];
    });
    assert_eq!((whole.text.as_str(), held.text.as_str()), ("Grüße,", "Grüße,"));
    assert_eq!(held.deltas, ["G", "r", "", "ü", "", "ß", "e", ","]);
    assert_eq!(held.end, Some((FinishReason::Length, None)));
    let cut = scripted(greeting, |p| p.max_tokens = 3);
    assert_eq!(cut.text, "Gr\u{fffd}", "half a character at the very end");
}

#[test]
fn stop_tokens_end_the_answer_and_leave_no_text() {
    let eos: fn(usize) -> u32 = |position| if position == 5 { EOS } else { b'a'.into() };
    let ended = scripted(eos, |p| p.ignore_eos = false);
    assert_eq!((ended.text.as_str(), ended.ids.len()), ("aaaaa", 6));
    assert_eq!(ended.end, Some((FinishReason::Stop, Some(StopHit::Eos(EOS)))));
    let ignored = scripted(eos, |p| p.max_tokens = 10);
    assert_eq!((ignored.text.as_str(), ignored.ids.len()), ("aaaaaaaaa", 10));

    let comma = u32::from(b',');
    let stopped = scripted(greeting, |p| p.stop_token_ids = vec![comma]);
    assert_eq!(stopped.text, "Grüße");
    assert_eq!(stopped.end, Some((FinishReason::Stop, Some(StopHit::Token(comma)))));
    let included = scripted(greeting, |p| {
        p.stop_token_ids = vec![comma];
        p.include_stop_str_in_output = true;
    });
    assert_eq!(included.text, "Grüße,");
}

#[test]
fn min_tokens_holds_every_stop_off() {
    let eos: fn(usize) -> u32 = |_| EOS;
    let held_off = scripted(eos, |p| {
        p.ignore_eos = false;
        p.min_tokens = 4;
    });
    assert_eq!((held_off.ids.len(), held_off.ids[4]), (5, EOS));
    assert!(!held_off.ids[..4].contains(&EOS));
    let text = scripted(greeting, |p| {
        p.stop = vec!["r".to_owned(), "W".to_owned()];
        p.min_tokens = 5;
    });
    assert_eq!(text.text, "Grüße, ");
}

#[test]
fn impossible_choices_fail_the_request_with_a_reason() {
    let mut engine = mock_engine(ROOMY);
    let all_banned =
        SamplingParams { min_tokens: 5, stop_token_ids: (0..257).collect(), ..params(10) };
    let answers = engine.answer(&[request("x", all_banned), request("y", params(2))]);
    assert!(answers[0].failure.as_ref().unwrap().contains("forbid every token"));
    assert_eq!(answers[1].ids.len(), 2);
}

#[test]
fn logits_that_are_no_numbers_blame_who_made_them() {
    let world = World::new();
    let adapter = world.load_adapters().into_iter().next();
    let runner = MockRunner { diverged: true, ..MockRunner::default() };
    let mut engine = Driver::new(runner, EOS, ROOMY);
    let base = request("x", params(2));
    let worn = Request { adapter, ..base.clone() };
    let answers = engine.answer(&[base, worn]);
    let said = |answer: &Answer| answer.failure.clone().unwrap();
    assert!(said(&answers[0]).ends_with("check the base model's weights"), "{answers:?}");
    assert!(said(&answers[1]).ends_with("check the weights of the adapter all_linear"));
}

#[test]
fn counters_add_up() {
    let mut engine = mock_engine(ROOMY);
    engine.answer(&[request(vec![1; 100], params(5))]);
    engine.answer(&[request(vec![1; 100], params(7))]);
    let stats = engine.engine.stats();
    let stats = stats.lock().unwrap();
    let base = stats.by_model["base"];
    assert_eq!((base.requests, base.prompt_tokens, base.generation_tokens), (2, 200, 12));
    assert_eq!((base.cached_tokens, stats.prefix_cache.hits), (96, 96));
    assert_eq!((stats.time_to_first_token.count, stats.inter_token_latency.count), (2, 10));
    assert_eq!((stats.finished.length, stats.num_requests_running, stats.num_steps), (2, 0, 12));
    assert_eq!(stats.request_latency.count, 2);
}

#[test]
fn aborting_tells_every_client() {
    let mut engine = mock_engine(Size { max_num_seqs: 1, ..ROOMY });
    let receivers: Vec<_> = (0..3).map(|_| engine.add(request("go", params(50)))).collect();
    engine.step();
    engine.engine.abort_all();
    assert!(engine.engine.is_idle());
    for answer in receivers.into_iter().map(collect) {
        assert_eq!(answer.end, Some((FinishReason::Aborted, None)));
    }
}
