"""Runs lm-evaluation-harness against the server, and against transformers on the same weights, and compares.

    python tests/e2e/lm_eval_scores.py --url http://127.0.0.1:8080 --model checkpoints/initial

Two tasks of our own, so that nothing is downloaded: a multiple choice (log-likelihoods of each choice, through
`echo` with `logprobs`) and a generation (greedy, with a stop). Held to: every log-likelihood within 1e-4 of
transformers' in f32, every "is greedy" verdict, every accuracy and every generated text the same.
"""

import argparse
import json
import pathlib
import tempfile

import lm_eval

TOLERANCE = 1e-4


def questions():
    """Sums with three choices; the right one moves around."""
    for i in range(24):
        a, b = 3 + 7 * i % 41, 2 + 11 * i % 37
        choices = [a + b, a + b + 1 + i % 5, abs(a - b)]
        choices = choices[i % 3:] + choices[:i % 3]
        yield {"question": f"What is {a} + {b}?", "choices": [str(c) for c in choices], "answer": choices.index(a + b)}


def tasks(data):
    local = {"dataset_path": "json", "dataset_kwargs": {"data_files": {"test": str(data)}}, "test_split": "test"}
    turn = "<|im_start|>user\n{{question}}<|im_end|>\n<|im_start|>assistant\n"
    choice = {**local, "task": "sums_choice", "output_type": "multiple_choice", "doc_to_text": turn,
              "target_delimiter": "", "doc_to_choice": "choices", "doc_to_target": "answer",
              "metric_list": [{"metric": "acc"}]}
    written = {**local, "task": "sums_written", "output_type": "generate_until", "doc_to_text": turn,
               "doc_to_target": "{{choices[answer]}}",
               "generation_kwargs": {"until": ["<|im_end|>"], "max_gen_toks": 24, "do_sample": False},
               "metric_list": [{"metric": "exact_match"}]}
    return [choice, written]


def evaluate(data, model, arguments):
    result = lm_eval.simple_evaluate(model=model, model_args=arguments, tasks=tasks(data), log_samples=True,
                                     bootstrap_iters=0, batch_size=1)
    return result["results"], result["samples"]


def compare(ours, theirs):
    (our_results, our_samples), (their_results, their_samples) = ours, theirs
    worst = 0.0
    for mine, other in zip(our_samples["sums_choice"], their_samples["sums_choice"], strict=True):
        for (p, greedy), (q, expected) in zip(mine["filtered_resps"], other["filtered_resps"], strict=True):
            worst = max(worst, abs(float(p) - float(q)))
            assert str(greedy) == str(expected), (mine["doc"], greedy, expected)
    assert worst < TOLERANCE, f"log-likelihoods differ by up to {worst}"
    for mine, other in zip(our_samples["sums_written"], their_samples["sums_written"], strict=True):
        assert mine["filtered_resps"] == other["filtered_resps"], (mine["filtered_resps"], other["filtered_resps"])
    for task, metric in [("sums_choice", "acc,none"), ("sums_written", "exact_match,none")]:
        assert our_results[task][metric] == their_results[task][metric], (task, our_results, their_results)
    return worst


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--model", type=pathlib.Path, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        data = pathlib.Path(work) / "sums.jsonl"
        data.write_text("".join(json.dumps(question) + "\n" for question in questions()))
        theirs = evaluate(data, "hf", {"pretrained": str(options.model), "dtype": "float32", "device": "cpu"})
        ours = evaluate(data, "local-completions", {
            "base_url": f"{options.url}/v1/completions", "model": options.model.name, "tokenizer": str(options.model),
            "num_concurrent": 4, "max_retries": 1})
    worst = compare(ours, theirs)
    count = sum(len(question["choices"]) for question in questions())
    print(f"lm-evaluation-harness {lm_eval.__version__}: {count} log-likelihoods equal transformers' within {worst:.1e}, "
          f"{len(list(questions()))} greedy answers are the same; accuracy {ours[0]['sums_choice']['acc,none']:.3f}")


if __name__ == "__main__":
    main()
