"""Tests a second: LiveCodeBench's own checker against ours, in one run on one machine.

usage: python benches/livecodebench_checker.py PATH_TO_LIVECODEBENCH [SOLUTIONS] [WORKERS]

PATH_TO_LIVECODEBENCH is a checkout of https://github.com/LiveCodeBench/LiveCodeBench at commit
28fef95; this Python needs numpy and tqdm. Both grade the same trivial program on 20 trivial tests:
theirs with one interpreter for all tests of a solution and no isolation, ours with a fresh sandboxed
process a test. The two take turns, three times; the best of each counts.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TESTS, ROUNDS = 20, 3
PROGRAM = "a, b = map(int, input().split())\nprint(a + b)\n"


def official(evaluate, solutions, workers):
    sample = {
        "input_output": json.dumps(
            {
                "inputs": [f"{n} 2\n" for n in range(TESTS)],
                "outputs": [f"{n + 2}\n" for n in range(TESTS)],
                "fn_name": None,
            }
        )
    }
    begun = time.perf_counter()
    # Its progress bar goes nowhere; a real file, as its workers ask standard error for its number.
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
        results, _ = evaluate(
            [sample] * solutions, [[PROGRAM]] * solutions, num_process_evaluate=workers, timeout=6
        )
    seconds = time.perf_counter() - begun
    assert all(result == [[True] * TESTS] for result in results.values())
    return solutions * TESTS / seconds


def ours(solutions, workers):
    command = [ROOT / "target/release/examples/grade_speed", str(solutions), str(workers), str(TESTS)]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)["tests_per_second"]


def main():
    checkout = Path(sys.argv[1]).resolve()
    solutions = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    workers = int(sys.argv[3]) if len(sys.argv) > 3 else os.cpu_count()
    sys.path.insert(0, str(checkout))
    from lcb_runner.evaluation.compute_code_generation_metrics import evaluate_generations

    build = "cargo build --release -p rewards --example grade_speed".split()
    subprocess.run(build, cwd=ROOT, check=True)
    rounds = [(official(evaluate_generations, solutions, workers), ours(solutions, workers)) for _ in range(ROUNDS)]
    theirs, mine = (max(column) for column in zip(*rounds))
    print(f"{solutions} solutions of {TESTS} tests, {workers} workers, best of {ROUNDS} rounds by turns")
    print(f"official checker  {theirs:8.0f} tests/s  (one interpreter a solution, no isolation)")
    print(f"wardrobe, real    {mine:8.0f} tests/s  (a fresh sandboxed process a test)")
    print(f"ratio             {mine / theirs:8.2f}")


if __name__ == "__main__":
    main()
