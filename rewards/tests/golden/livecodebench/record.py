"""Records what LiveCodeBench's own checker, extraction and estimator say of fixtures.py.

usage: python record.py PATH_TO_LIVECODEBENCH [OUTPUT]

PATH_TO_LIVECODEBENCH is a checkout of https://github.com/LiveCodeBench/LiveCodeBench at commit
28fef95ea8c9f7a547c8329f2cd3d32b92c1fa24. Recorded with Python 3.11.7, numpy 2.4.6, tqdm 4.68.4.
The solutions attack the machine they run on (their host files, their parent): run it in a container.
Takes about two minutes. OUTPUT is golden.json beside this file unless it is given.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
from itertools import groupby
from pathlib import Path

import fixtures

COMMIT = "28fef95ea8c9f7a547c8329f2cd3d32b92c1fa24"
HERE = Path(__file__).resolve().parent


def sample(problem):
    tests = problem["tests"]
    return {
        "input_output": json.dumps(
            {
                "inputs": [test[0] for test in tests],
                "outputs": [test[1] for test in tests],
                "fn_name": problem["func_name"],
            }
        )
    }


def record_solutions(evaluate):
    recorded = []
    for timeout, group in groupby(sorted(fixtures.SOLUTIONS, key=lambda s: s["timeout"]), key=lambda s: s["timeout"]):
        group = list(group)
        samples = [sample(fixtures.PROBLEMS[s["problem"]]) for s in group]
        results, metadata = evaluate(
            samples, [[s["code"]] for s in group], num_process_evaluate=2, timeout=timeout
        )
        for index, solution in enumerate(group):
            code = metadata[index][0].get("error_code")
            recorded.append({**solution, "results": list(map(plain, results[index][0])), "error_code": code})
    order = {s["name"]: i for i, s in enumerate(fixtures.SOLUTIONS)}
    return sorted(recorded, key=lambda s: order[s["name"]])


def plain(result):
    """A test's result as JSON: True, False or a number."""
    assert isinstance(result, (bool, int, float)), result
    return result


def record_replies(extract_code, style):
    return [
        {
            "reply": reply,
            "chat": extract_code(reply, style.OpenAIChat),
            "base": extract_code(reply, style.GenericBase),
        }
        for reply in fixtures.REPLIES
    ]


def record_estimates(estimate):
    return [
        {"n": n, "c": c, "k": k, "estimate": float(estimate(n, [c], k)[0])}
        for n, c in fixtures.PASS_AT_K
        for k in (1, 2, 5, 10, 16, 100)
        if k <= n
    ]


def main():
    checkout = Path(sys.argv[1]).resolve()
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=checkout, capture_output=True, text=True)
    assert head.stdout.strip() == COMMIT, f"{checkout} is at {head.stdout.strip()}, not {COMMIT}"
    output = Path(sys.argv[2]).resolve() if len(sys.argv) > 2 else HERE / "golden.json"
    assert len({s["name"] for s in fixtures.SOLUTIONS}) == len(fixtures.SOLUTIONS)
    sys.path.insert(0, str(checkout))
    from lcb_runner.evaluation.compute_code_generation_metrics import evaluate_generations
    from lcb_runner.evaluation.pass_k_utils import estimate_pass_at_k
    from lcb_runner.lm_styles import LMStyle
    from lcb_runner.utils.extraction_utils import extract_code

    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        golden = {
            "commit": COMMIT,
            "python": platform.python_version(),
            "problems": fixtures.PROBLEMS,
            "solutions": record_solutions(evaluate_generations),
            "replies": record_replies(extract_code, LMStyle),
            "pass_at_k": record_estimates(estimate_pass_at_k),
        }
        os.chdir(HERE)
    output.write_text(json.dumps(golden, indent=1, ensure_ascii=True) + "\n")


if __name__ == "__main__":
    main()
